// Why this file exists: one vocabulary for the operations that tests fault, count and record. Invariants: one value for each
// method of FileOps that reaches the kernel.

using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Testing;

/// <summary>Which operations of <see cref="FileOps"/>; combine them for rules.</summary>
[Flags]
public enum FileCallKinds
{
    Open = 1 << 0,
    Close = 1 << 1,
    PRead = 1 << 2,
    PWrite = 1 << 3,
    FDataSync = 1 << 4,
    FSync = 1 << 5,
    FTruncate = 1 << 6,
    Fallocate = 1 << 7,
    FStat = 1 << 8,
    Stat = 1 << 9,
    Rename = 1 << 10,
    Unlink = 1 << 11,
    MkDir = 1 << 12,
    RmDir = 1 << 13,
    List = 1 << 14,
    FLock = 1 << 15,
    FSyncDirectory = 1 << 16,
    StatFileSystem = 1 << 17,
    Syncs = FDataSync | FSync | FSyncDirectory,
    Changes = PWrite | FTruncate | Fallocate | Rename | Unlink | MkDir | RmDir,
    All = (1 << 18) - 1,
}

/// <summary>One call as a rule or a hook sees it.</summary>
/// <param name="Kind">The operation.</param>
/// <param name="Path">The path it names, or the path its descriptor was opened by.</param>
/// <param name="Offset">Its offset, -1 when it has none.</param>
/// <param name="LengthBytes">Its length, 0 when it has none.</param>
/// <param name="Target">The target of a rename.</param>
/// <param name="Number">1 for the first call that the seam saw.</param>
public readonly record struct FileCall(FileCallKinds Kind, string Path, long Offset, long LengthBytes, string? Target, long Number);
