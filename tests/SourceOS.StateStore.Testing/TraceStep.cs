// Why this file exists: what happened to a directory, as data that can be played again. Invariants: only changes and syncs that the kernel
// accepted are steps; paths are relative to the traced root, with '/'; files are numbered so that renames do not confuse writes.

namespace SourceOS.StateStore.Testing;

/// <summary>One change, sync or mark, in the order in which it happened.</summary>
public abstract record TraceStep
{
    /// <summary>A new empty file.</summary>
    public sealed record CreateFile(string Path, int FileId) : TraceStep;

    /// <summary>Bytes written to a file.</summary>
    public sealed record Write(int FileId, long Offset, byte[] Data) : TraceStep
    {
        public override string ToString() => $"Write file {FileId} [{Offset}, {Offset + Data.Length})";
    }

    /// <summary>A file's length was set.</summary>
    public sealed record SetLength(int FileId, long LengthBytes) : TraceStep;

    /// <summary>A file's data and length became durable.</summary>
    public sealed record SyncFile(int FileId) : TraceStep;

    /// <summary>A name moved, and replaced what stood there.</summary>
    public sealed record Rename(string Source, string Target) : TraceStep;

    /// <summary>A file's name was removed.</summary>
    public sealed record Unlink(string Path) : TraceStep;

    /// <summary>A new directory.</summary>
    public sealed record MakeDirectory(string Path) : TraceStep;

    /// <summary>A directory was removed.</summary>
    public sealed record RemoveDirectory(string Path) : TraceStep;

    /// <summary>A directory's entries became durable.</summary>
    public sealed record SyncDirectory(string Path) : TraceStep;

    /// <summary>Something the test wants to remember about this moment, such as an acknowledged sequence.</summary>
    public sealed record Mark(object Value) : TraceStep;
}
