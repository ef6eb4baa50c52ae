// Why this file exists: small operations on files and folders that repair needs. Invariants: a file that is written here appears whole and synced or not at all; links
// are removed, never followed.

using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Files and folders, through the seam.</summary>
internal static class StoreTree
{
    /// <summary>Removes a file or a folder with all it holds; nothing happens when it is not there.</summary>
    internal static void Remove(FileOps ops, string path)
    {
        if (!ops.Exists(path))
        {
            return;
        }

        foreach (DirectoryEntry entry in StoreDirectory.List(ops, path))
        {
            string child = Path.Combine(path, entry.Name);
            if (entry.Kind == FileKind.Directory)
            {
                Remove(ops, child);
            }
            else
            {
                StoreDirectory.RemoveFile(ops, child);
            }
        }

        StoreDirectory.Remove(ops, path);
    }

    /// <summary>Writes a file under another name, syncs it, and renames it into place.</summary>
    internal static void WriteWhole(FileOps ops, string path, ReadOnlySpan<byte> content)
    {
        string temporary = path + StoreLayout.UnfinishedSuffix;
        StoreDirectory.RemoveFile(ops, temporary);
        using (StoreFile file = StoreFile.Open(ops, temporary, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive | OpenOptions.NoFollow))
        {
            file.Write(content, 0);
            file.SyncAll();
        }

        StoreDirectory.Rename(ops, temporary, path);
        StoreDirectory.Sync(ops, Path.GetDirectoryName(path)!);
    }

    /// <summary>Reads a file up to a bound.</summary>
    internal static byte[] ReadUpTo(FileOps ops, string path, int maxBytes)
    {
        using StoreFile file = StoreFile.Open(ops, path, OpenOptions.Read | OpenOptions.NoFollow);
        byte[] bytes = new byte[(int)Math.Min(file.GetStatus().SizeBytes, maxBytes)];
        int length = file.ReadUpTo(bytes, 0);
        return length == bytes.Length ? bytes : bytes[..length];
    }
}
