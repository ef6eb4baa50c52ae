// Why this file exists: SHA-256 over data that comes in pieces, on the stack, with or without a native library. Invariants: the state lies in
// this struct alone (no pointer inside, no allocation), so a copy of it is a fork of the computation.

using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

/// <summary>SHA-256 over data that comes in pieces. A mutable struct: pass it by reference. Not thread-safe.</summary>
public struct Sha256Hasher
{
    private Sha256Context _context;
    private bool _isNative;
    private bool _isStarted;

    /// <summary>Starts a computation.</summary>
    /// <returns>A hasher that has taken no data.</returns>
    public static Sha256Hasher Create() => Create(NativeSha256.IsAvailable);

    internal static Sha256Hasher Create(bool native)
    {
        Sha256Hasher hasher = default;
        hasher._isNative = native;
        hasher._isStarted = true;
        if (native)
        {
            NativeSha256.Start(ref hasher._context);
        }
        else
        {
            ManagedSha256.Start(ref hasher._context);
        }

        return hasher;
    }

    /// <summary>Takes more data.</summary>
    /// <param name="data">Any bytes, also none.</param>
    public void Append(ReadOnlySpan<byte> data)
    {
        ThrowHelper.ThrowIf(!_isStarted, "The hasher was not made by Create, or is finished.");
        if (_isNative)
        {
            NativeSha256.Append(ref _context, data);
        }
        else
        {
            ManagedSha256.Append(ref _context, data);
        }
    }

    /// <summary>Ends the computation; the hasher takes no more data after it.</summary>
    /// <param name="destination">Takes the hash; at least 32 bytes.</param>
    public void Finish(Span<byte> destination)
    {
        ThrowHelper.ThrowIf(!_isStarted, "The hasher was not made by Create, or is finished.");
        ThrowHelper.ThrowIfShort(destination, Checksum.Sha256LengthBytes, nameof(destination));
        if (_isNative)
        {
            NativeSha256.Finish(ref _context, destination);
        }
        else
        {
            ManagedSha256.Finish(ref _context, destination);
        }

        _isStarted = false;
    }

    /// <summary>Ends the computation; the hasher takes no more data after it.</summary>
    /// <returns>The hash.</returns>
    public Hash256 Finish()
    {
        Span<byte> hash = stackalloc byte[Checksum.Sha256LengthBytes];
        Finish(hash);
        return new Hash256(hash);
    }
}

/// <summary>Room for either implementation's state: eight words, the length in bits, one block, and the fill of the block.</summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal unsafe struct Sha256Context
{
    public fixed uint Words[8];
    public uint LengthLow;
    public uint LengthHigh;
    public fixed byte Block[64];
    public uint Filled;
    public uint DigestLength;
}
