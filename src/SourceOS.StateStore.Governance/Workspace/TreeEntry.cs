// Why this file exists: what was seen of one name, between looking at the file system and writing the record. Invariants: everything in it
// belongs to one moment; the path is valid UTF-8.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>One file, folder or link as it was seen. Spans are valid while the worker deals with it.</summary>
internal ref struct TreeEntry
{
    /// <summary>File, folder or link.</summary>
    public EntryKind Kind { get; init; }

    /// <summary>The path below the root.</summary>
    public ReadOnlySpan<byte> Path { get; init; }

    /// <summary>What the kernel said of it.</summary>
    public TreeStatus Status { get; set; }

    /// <summary>A file's hash.</summary>
    public Hash256 Hash { get; set; }

    /// <summary>A link's target.</summary>
    public ReadOnlySpan<byte> LinkTarget { get; set; }

    /// <summary>Whether it is a folder whose content is left out on purpose.</summary>
    public bool IsOpaque { get; init; }

    /// <summary>When it was seen: before its content was read, microseconds since 1970.</summary>
    public long SeenAtMicros { get; set; }
}
