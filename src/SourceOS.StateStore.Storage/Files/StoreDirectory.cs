// Why this file exists: operations on names, with the store's exceptions. Invariants: nothing is made durable except by Sync;
// a sync that failed throws and is not repeated here.

namespace SourceOS.StateStore.Storage.Files;

/// <summary>Operations on directories and names.</summary>
public static class StoreDirectory
{
    /// <summary>Permission bits of directories that the store creates.</summary>
    public const int DefaultMode = 0x1E8; // 0750

    /// <summary>Creates a directory.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="path">The directory.</param>
    /// <param name="mode">Permission bits.</param>
    /// <exception cref="StateStoreException">It is there, or the kernel refused.</exception>
    public static void Create(FileOps ops, string path, int mode = DefaultMode)
    {
        ArgumentNullException.ThrowIfNull(ops);
        ThrowIfFailed(ops.MkDir(path, mode), "create the directory", path);
    }

    /// <summary>Creates a directory unless it is there.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="path">The directory.</param>
    /// <param name="mode">Permission bits.</param>
    /// <returns>Whether it was created.</returns>
    /// <exception cref="StateStoreException">The kernel refused, or something else has the name.</exception>
    public static bool CreateIfMissing(FileOps ops, string path, int mode = DefaultMode)
    {
        ArgumentNullException.ThrowIfNull(ops);
        int result = ops.MkDir(path, mode);
        if (result == -Errno.EEXIST && ops.Stat(path, out FileStatus status) == 0 && status.Kind == FileKind.Directory)
        {
            return false;
        }

        ThrowIfFailed(result, "create the directory", path);
        return true;
    }

    /// <summary>Lists a directory in ordinal order of names.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="path">The directory.</param>
    /// <returns>Its entries without "." and "..".</returns>
    /// <exception cref="StateStoreException">The kernel refused.</exception>
    public static List<DirectoryEntry> List(FileOps ops, string path)
    {
        ArgumentNullException.ThrowIfNull(ops);
        List<DirectoryEntry> entries = [];
        ThrowIfFailed(ops.List(path, entries), "list the directory", path);
        entries.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return entries;
    }

    /// <summary>Renames, replacing the target.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="source">The present path.</param>
    /// <param name="target">The new path.</param>
    /// <exception cref="StateStoreException">The kernel refused.</exception>
    public static void Rename(FileOps ops, string source, string target)
    {
        ArgumentNullException.ThrowIfNull(ops);
        ThrowIfFailed(ops.Rename(source, target), $"rename to {target}", source);
    }

    /// <summary>Removes a file's name when it is there.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="path">The file.</param>
    /// <returns>Whether it was there.</returns>
    /// <exception cref="StateStoreException">The kernel refused.</exception>
    public static bool RemoveFile(FileOps ops, string path)
    {
        ArgumentNullException.ThrowIfNull(ops);
        int result = ops.Unlink(path);
        if (result == -Errno.ENOENT)
        {
            return false;
        }

        ThrowIfFailed(result, "remove", path);
        return true;
    }

    /// <summary>Removes an empty directory.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="path">The directory.</param>
    /// <exception cref="StateStoreException">It is not empty, or the kernel refused.</exception>
    public static void Remove(FileOps ops, string path)
    {
        ArgumentNullException.ThrowIfNull(ops);
        ThrowIfFailed(ops.RmDir(path), "remove the directory", path);
    }

    /// <summary>Makes the entries of a directory durable.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="path">The directory.</param>
    /// <exception cref="StateStoreException">The sync failed.</exception>
    public static void Sync(FileOps ops, string path)
    {
        ArgumentNullException.ThrowIfNull(ops);
        ThrowIfFailed(ops.FSyncDirectory(path), "sync the directory", path);
    }

    /// <summary>Space of the file system that holds a path.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="path">Any path on it.</param>
    /// <returns>Total and available bytes.</returns>
    /// <exception cref="StateStoreException">The kernel refused.</exception>
    public static FileSystemSpace GetSpace(FileOps ops, string path)
    {
        ArgumentNullException.ThrowIfNull(ops);
        ThrowIfFailed(ops.StatFileSystem(path, out FileSystemSpace space), "ask for free space", path);
        return space;
    }

    private static void ThrowIfFailed(int result, string operation, string path)
    {
        if (result < 0)
        {
            FileErrors.Throw(result, operation, path);
        }
    }
}
