// Why this file exists: what a call came to, as C programs read it. Invariants: the numbers are the header's, and those of the command line's exit codes where both have a meaning; they never change.

namespace SourceOS.StateStore.Native;

/// <summary>Status codes of the C library (`ss_status`).</summary>
internal enum NativeStatus
{
    Ok = 0,
    No = 1,
    Usage = 2,
    NotFound = 3,
    Refused = 4,
    Locked = 5,
    Unsafe = 6,
    InputOutput = 7,
    BadData = 8,
    Closed = 9,
    Internal = 10,
    Forked = 11,
}

/// <summary>An answer that the caller frees (`ss_buffer`).</summary>
internal unsafe struct NativeBuffer
{
    public byte* Data;
    public nuint LengthBytes;
}
