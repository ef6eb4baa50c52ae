// Why this file exists: a copy of an open store's files is what kill -9 leaves; tests start from it. Invariants: LOCK is read although a writer holds it;
// liblmdb's lock file is left out, because opening it by other means would drop liblmdb's locks; nothing of the source is changed.

using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Testing;

/// <summary>Copies stores and edits what their LOCK says.</summary>
public static partial class StoreCopy
{
    private const string OtherBoot = "11111111-2222-3333-4444-555555555555";

    /// <summary>Copies a store, which may be open as long as nothing commits. The copy counts as the store itself, not as a copy.</summary>
    public static void CopyLive(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string directory in Directory.EnumerateDirectories(source, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(Path.Combine(target, Path.GetRelativePath(source, directory)));
        }

        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            // What an open store makes in the background appears and is renamed meanwhile: a copy may have it or not.
            if (Path.GetFileName(file) != "lock.mdb" && TryReadUnlocked(file) is { } content)
            {
                string copy = Path.Combine(target, Path.GetRelativePath(source, file));
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.WriteAllBytes(copy, content);
            }
        }

        AdoptInode(target);
    }

    /// <summary>Reads a whole file without asking for a lock, as .NET's own files do.</summary>
    public static byte[] ReadUnlocked(string path) => TryReadUnlocked(path) ?? throw new FileNotFoundException("There is no such file.", path);

    private static byte[]? TryReadUnlocked(string path)
    {
        int result = StoreFile.TryOpen(LinuxFileOps.Instance, path, OpenOptions.Read, out StoreFile? file);
        if (result == -Errno.ENOENT)
        {
            return null;
        }

        if (result < 0)
        {
            FileErrors.Throw(result, "open", path);
        }

        using (file)
        {
            byte[] content = new byte[file!.GetStatus().SizeBytes];
            file.ReadExactly(content, 0);
            return content;
        }
    }

    /// <summary>Makes LOCK name its own file.</summary>
    public static void AdoptInode(string store)
    {
        if (LinuxFileOps.Instance.Stat(Path.Combine(store, "LOCK"), out FileStatus status) == 0)
        {
            EditLock(store, text => Inode().Replace(text, string.Create(CultureInfo.InvariantCulture, $"\"inode\":{status.Inode}")));
        }
    }

    /// <summary>Makes LOCK name another boot of the kernel, as after a power loss.</summary>
    public static void ChangeBoot(string store) => EditLock(store, text => Boot().Replace(text, $"\"bootId\":\"{OtherBoot}\""));

    private static void EditLock(string store, Func<string, string> edit)
    {
        string path = Path.Combine(store, "LOCK");
        if (File.Exists(path))
        {
            File.WriteAllText(path, edit(Encoding.UTF8.GetString(ReadUnlocked(path))));
        }
    }

    [GeneratedRegex("\"inode\":[0-9]+")]
    private static partial Regex Inode();

    [GeneratedRegex("\"bootId\":\"[^\"]*\"")]
    private static partial Regex Boot();
}
