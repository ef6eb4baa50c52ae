// Why this file exists: a walk over a directory that others change while it runs must be safe against every race with symbolic
// links, so it opens each name relative to an open directory and never follows a link below the root. The calls go through this seam so that a
// test can make a file vanish, change or refuse at an exact moment. Invariants: names are bytes that end in NUL, as the kernel
// has them; results are counts, descriptors or negative error numbers; nothing here throws for an operating-system error.

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>What a name in a directory stands for.</summary>
internal enum EntryKind
{
    /// <summary>The directory did not say; ask the name itself.</summary>
    Unknown = 1,

    /// <summary>A regular file.</summary>
    File = 2,

    /// <summary>A directory.</summary>
    Folder = 3,

    /// <summary>A symbolic link.</summary>
    Link = 4,

    /// <summary>A pipe, a socket or a device.</summary>
    Special = 5,
}

/// <summary>What the kernel says about a file. Times are nanoseconds since 1970-01-01 UTC.</summary>
internal readonly record struct TreeStatus(EntryKind Kind, long SizeBytes, int Mode, long ModifiedUnixNs, long ChangedUnixNs, ulong Device, ulong Inode)
{
    /// <summary>Whether the file, as far as the kernel tells, is the same file with the same content.</summary>
    public bool IsSameContent(in TreeStatus other) =>
        SizeBytes == other.SizeBytes && ModifiedUnixNs == other.ModifiedUnixNs && ChangedUnixNs == other.ChangedUnixNs
        && Device == other.Device && Inode == other.Inode;
}

/// <summary>The system calls of a walk.</summary>
internal abstract class TreeCalls
{
    /// <summary>Opens the root, following links: its path is the caller's own word.</summary>
    public abstract int OpenRoot(string path);

    /// <summary>Opens a directory for reading; a symbolic link is refused with ELOOP or ENOTDIR.</summary>
    public abstract int OpenFolder(int parent, ReadOnlySpan<byte> nameWithNul);

    /// <summary>Opens a file for reading without waiting for pipes; a symbolic link is refused with ELOOP.</summary>
    public abstract int OpenFile(int parent, ReadOnlySpan<byte> nameWithNul);

    /// <summary>Reads the next entries of a directory, in the kernel's own layout; 0 at the end.</summary>
    public abstract int List(int fd, Span<byte> buffer);

    /// <summary>Describes a name without following it.</summary>
    public abstract int Stat(int parent, ReadOnlySpan<byte> nameWithNul, out TreeStatus status);

    /// <summary>Describes an open file.</summary>
    public abstract int StatOpen(int fd, out TreeStatus status);

    /// <summary>Reads a symbolic link's target; a result as long as the buffer may be cut.</summary>
    public abstract int ReadLink(int parent, ReadOnlySpan<byte> nameWithNul, Span<byte> buffer);

    /// <summary>Reads once from the present position.</summary>
    public abstract int Read(int fd, Span<byte> buffer);

    /// <summary>Tells the kernel that the file will be read from start to end; advice, so there is no result.</summary>
    public abstract void AdviseSequential(int fd);

    /// <summary>Closes a descriptor; it is gone whatever happens.</summary>
    public abstract void Close(int fd);
}
