// Why this file exists: copying files so that what is said to be there is on the medium. Invariants: files and their directories are synced before a directory gets its final name; only
// regular files are read; what an interrupted run left under the unfinished name is removed by the next.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Backup;

internal static class BackupFiles
{
    private const int BufferBytes = 1 << 20;

    /// <summary>The unfinished name of a directory.</summary>
    internal static string Unfinished(string destination) => destination + ".unfinished";

    /// <summary>The full path of a new directory; refuses one that exists or lies in the other.</summary>
    internal static string CheckNew(string destination, string source)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(destination));
        string other = Path.TrimEndingDirectorySeparator(Path.GetFullPath(source));
        if (Path.Exists(full))
        {
            throw new StateStoreException(StateStoreErrorCode.AlreadyExists, "There is something at the destination; it is not overwritten.", full, "Name a new directory.");
        }

        return (full + "/").StartsWith(other + "/", StringComparison.Ordinal)
            ? throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The destination lies in the source.", full, "Name a directory outside of it.")
            : full;
    }

    internal static void DeleteDirectory(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>Copies a file from its beginning to its end, in order, and hashes what was copied.</summary>
    internal static BackupFile Copy(string from, string to, string name, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        using FileStream source = OpenRegular(from);
        using FileStream target = new(to, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 });
        Sha256Hasher hasher = Sha256Hasher.Create();
        byte[] buffer = new byte[BufferBytes];
        long length = 0;
        int read;
        while ((read = source.Read(buffer)) > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            hasher.Append(buffer.AsSpan(0, read));
            target.Write(buffer, 0, read);
            length += read;
        }

        target.Flush(flushToDisk: true);
        return new BackupFile(name, length, hasher.Finish());
    }

    internal static BackupFile Hash(string path, string name)
    {
        using FileStream source = OpenRegular(path);
        Sha256Hasher hasher = Sha256Hasher.Create();
        byte[] buffer = new byte[BufferBytes];
        int read;
        while ((read = source.Read(buffer)) > 0)
        {
            hasher.Append(buffer.AsSpan(0, read));
        }

        return new BackupFile(name, source.Length, hasher.Finish());
    }

    /// <summary>Opens a file that a stranger may have made: a pipe in its place would be waited on for ever, so only a regular file is opened.</summary>
    internal static FileStream OpenRegular(string path)
    {
        int result = StoreFile.TryOpen(LinuxFileOps.Instance, path, OpenOptions.Read | OpenOptions.NoFollow, out StoreFile? file);
        using (file)
        {
            return result switch
            {
                0 => new FileStream(file!.TakeHandle(), FileAccess.Read, bufferSize: 0),
                -Errno.ENOENT => throw new FileNotFoundException("There is no such file.", path),
                -Errno.ENXIO or -Errno.EISDIR or -Errno.ELOOP => throw new StateStoreException(
                    StateStoreErrorCode.InvalidInput, "Something other than a file stands where a file of the backup or store should be.", path, "Look at it before removing it."),
                _ => throw FileErrors.Create(result, "open", path),
            };
        }
    }

    internal static void WriteAll(string path, ReadOnlySpan<byte> content)
    {
        using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write);
        file.Write(content);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Gives a directory its final name.</summary>
    internal static void Finish(string unfinished, string destination)
    {
        StoreDirectory.Sync(LinuxFileOps.Instance, Path.Combine(unfinished, "events"));
        StoreDirectory.Sync(LinuxFileOps.Instance, unfinished);
        Directory.Move(unfinished, destination);
        StoreDirectory.Sync(LinuxFileOps.Instance, Path.GetDirectoryName(destination)!);
    }
}
