// Why this file exists: stores that are none, in all the ways that the bad-input tests hand to the program, and the proof that it left them alone. Invariants: the fingerprint
// covers names, kinds and bytes of everything below a directory, except the two lock files; special files are looked at and never opened.

using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Cli.Tests.Support;

/// <summary>Makes and fingerprints bad stores.</summary>
internal static class StoreDamage
{
    /// <summary>Everything below a directory as text.</summary>
    public static string Fingerprint(string directory)
    {
        StringBuilder text = new();
        foreach (FileSystemInfo item in new DirectoryInfo(directory).EnumerateFileSystemInfos("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }).OrderBy(static item => item.FullName, StringComparer.Ordinal))
        {
            if (item.Name is "LOCK" or "lock.mdb")
            {
                continue;
            }

            bool isPlain = IsPlain(item.FullName);
            text.Append(CultureInfo.InvariantCulture, $"{Path.GetRelativePath(directory, item.FullName)} {item.GetType().Name} {item.LinkTarget}");
            text.Append(isPlain ? Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(item.FullName))) : "").Append('\n');
        }

        return text.ToString();
    }

    /// <summary>Gives both slots of a superblock another version, with checksums that hold.</summary>
    public static void MakeNewer(string store)
    {
        string path = Path.Combine(store, "STORE");
        byte[] bytes = File.ReadAllBytes(path);
        for (int slot = 0; slot < bytes.Length; slot += 4096)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(slot + 8), 9);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(slot + 10), 9);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(slot + 4092), Checksum.Crc32C(bytes.AsSpan(slot, 4092)));
        }

        File.WriteAllBytes(path, bytes);
    }

    /// <summary>Puts something that is not a regular file at a path.</summary>
    /// <param name="path">Where; what stands there is removed.</param>
    /// <param name="what">`pipe`, `directory`, `loop` or `dangling`.</param>
    public static void Replace(string path, string what)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
        else
        {
            File.Delete(path);
        }

        switch (what)
        {
            case "pipe":
                MakePipe(path);
                break;
            case "directory":
                Directory.CreateDirectory(path);
                break;
            case "loop":
                File.CreateSymbolicLink(path, path);
                break;
            default:
                File.CreateSymbolicLink(path, path + ".nowhere");
                break;
        }
    }

    public static void MakePipe(string path)
    {
        using Process process = Process.Start("mkfifo", [path]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    // The runtime does not tell a pipe from a file, so the kernel is asked.
    private static bool IsPlain(string path) => LinuxFileOps.Instance.Stat(path, out FileStatus status) == 0 && status.Kind == FileKind.File;
}
