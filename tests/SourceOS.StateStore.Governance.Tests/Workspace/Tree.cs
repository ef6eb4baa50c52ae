// Why this file exists: tests of the workspace adapter build small trees, odd names and odd files included. Invariants: a tree's files are
// old unless a test says otherwise, so that the clock's tick never decides a test; everything is gone after the test.

using System.Runtime.InteropServices;
using System.Text;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

internal sealed partial class Tree : IDisposable
{
    private static readonly DateTime Past = new(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);

    private readonly TemporaryDirectory _directory = new();
    private readonly List<byte[]> _rawPaths = [];

    public string Root => _directory.Path;

    public string PathOf(string relative) => Path.Combine(Root, relative);

    /// <summary>Writes a file with an old time.</summary>
    public void Write(string relative, string content, int ageSeconds = 0)
    {
        string path = PathOf(relative);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.SetLastWriteTimeUtc(path, Past.AddSeconds(-ageSeconds));
    }

    public void Link(string relative, string target) => File.CreateSymbolicLink(PathOf(relative), target);

    public void Pipe(string relative) => Assert.Equal(0, mkfifo(PathOf(relative), 0x180));

    public void SetMode(string relative, int mode) => Assert.Equal(0, chmod(PathOf(relative), (uint)mode));

    /// <summary>Creates an empty file whose name is raw bytes.</summary>
    public void WriteRaw(ReadOnlySpan<byte> name)
    {
        // The runtime cannot remove such a name, so its bytes are kept for the end.
        byte[] path = [.. Encoding.UTF8.GetBytes(Root), (byte)'/', .. name, 0];
        int fd = open(path, 0x41 /* O_CREAT | O_WRONLY */, 0x180);
        Assert.True(fd >= 0);
        Assert.Equal(0, close(fd));
        _rawPaths.Add(path);
    }

    public void Dispose()
    {
        _rawPaths.ForEach(path => unlink(path));
        _directory.Dispose();
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkfifo(string path, uint mode);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chmod(string path, uint mode);

    [LibraryImport("libc")]
    private static partial int open(byte[] path, int flags, uint mode);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    [LibraryImport("libc")]
    private static partial int unlink(byte[] path);
}
