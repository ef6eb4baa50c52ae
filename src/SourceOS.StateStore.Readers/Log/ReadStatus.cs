// Why this file exists: reading a damaged, missing or forbidden file is an expected outcome for a verifier, so it is a status and
// not an exception. Invariants: numbers never change meaning; 0 is invalid.

namespace SourceOS.StateStore.Readers.Log;

/// <summary>What became of an attempt to read. Only <see cref="Ok"/> means that every byte asked for is there.</summary>
public enum ReadStatus
{
    /// <summary>Everything that was asked for is there.</summary>
    Ok = 1,

    /// <summary>The file ends before the last byte asked for.</summary>
    EndOfFile = 2,

    /// <summary>There is no such file or directory.</summary>
    NotFound = 3,

    /// <summary>The process may not read it.</summary>
    AccessDenied = 4,

    /// <summary>The name exists but is not a regular file (or not a directory, where one is listed).</summary>
    WrongKind = 5,

    /// <summary>The offset or address is outside what this format can hold.</summary>
    OutOfRange = 6,

    /// <summary>The medium or the kernel reported an error.</summary>
    InputOutput = 7,

    /// <summary>The process or the system has too many files open.</summary>
    TooManyFiles = 8,
}
