// Why this file exists: what comparing a file with its record came to. Invariants: the words are stable; a hash that was not read is not there.

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>What a file is against its record.</summary>
public enum FileVerdict
{
    /// <summary>Its bytes are those that were recorded.</summary>
    Matches = 1,

    /// <summary>Its bytes are others, while size and time are as recorded: they rotted, or somebody hid a change.</summary>
    Differs = 2,

    /// <summary>Its bytes are others, and so are size or time: it was changed since it was adopted.</summary>
    Changed = 3,

    /// <summary>It is not in its tree any more.</summary>
    Missing = 4,

    /// <summary>It is there and cannot be read.</summary>
    Unreadable = 5,

    /// <summary>Its tree is not on this machine.</summary>
    Elsewhere = 6,

    /// <summary>The object is not an adopted file: it names no path, or no hash.</summary>
    NotAFile = 7,
}

/// <summary>A file compared with its record. Immutable.</summary>
/// <param name="ObjectId">The object.</param>
/// <param name="Sequence">The record's sequence.</param>
/// <param name="Path">The path below the tree's root, printable.</param>
/// <param name="Verdict">What it came to.</param>
/// <param name="Reason">Why it could not be read, one of <see cref="SkipReason"/>; empty otherwise.</param>
/// <param name="RecordedHash">The recorded SHA-256, 64 lower-case hexadecimal digits.</param>
/// <param name="FoundHash">The SHA-256 of the file; empty when it was not read.</param>
/// <param name="RecordedBytes">The recorded size, in bytes.</param>
/// <param name="FoundBytes">The size found, in bytes; 0 when it was not read.</param>
public sealed record FileCheck(string ObjectId, ulong Sequence, string Path, FileVerdict Verdict, string Reason, string RecordedHash, string FoundHash, long RecordedBytes, long FoundBytes)
{
    /// <summary>Whether the bytes on disk are not those of the record.</summary>
    public bool IsMismatch => Verdict is FileVerdict.Differs or FileVerdict.Changed;

    /// <summary>The verdict as doors show it.</summary>
    public string Word => Verdict switch
    {
        FileVerdict.Matches => "matches",
        FileVerdict.Differs => "differs",
        FileVerdict.Changed => "changed",
        FileVerdict.Missing => "missing",
        FileVerdict.Unreadable => "unreadable",
        FileVerdict.Elsewhere => "elsewhere",
        _ => "not_a_file",
    };

    /// <summary>What the file is like now; default when it was not read.</summary>
    internal Tree.TreeStatus Found { get; init; }
}
