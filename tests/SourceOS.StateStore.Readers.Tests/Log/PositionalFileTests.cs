// Why this file exists: the reader's seam answers with statuses, creates nothing and waits on nothing. Invariants: each test works
// in its own directory.

using System.Diagnostics;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Log;

public sealed class PositionalFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_whole_read_is_ok_and_a_read_past_the_end_says_how_much_there_was()
    {
        string path = _directory.PathOf("a");
        File.WriteAllBytes(path, "0123456789"u8.ToArray());
        Assert.Equal(ReadStatus.Ok, PositionalFile.Open(path, out PositionalFile? file));
        using (file!)
        {
            byte[] buffer = new byte[4];
            Assert.Equal(ReadStatus.Ok, file!.Read(3, buffer, out int count));
            Assert.Equal((4, "3456"), (count, System.Text.Encoding.ASCII.GetString(buffer)));
            Assert.Equal(ReadStatus.EndOfFile, file.Read(8, buffer, out count));
            Assert.Equal((2, (byte)'8'), (count, buffer[0]));
            Assert.Equal(ReadStatus.EndOfFile, file.Read(1000, buffer, out count));
            Assert.Equal(0, count);
            Assert.Equal(ReadStatus.OutOfRange, file.Read(-1, buffer, out _));
            Assert.Equal(ReadStatus.OutOfRange, file.Read(long.MaxValue, buffer, out _));
            Assert.Equal(ReadStatus.Ok, file.Read(0, [], out _));
            Assert.Equal(ReadStatus.Ok, file.GetLength(out long length));
            Assert.Equal(10, length);
        }
    }

    [Fact]
    public void A_missing_file_is_a_status_and_is_not_created()
    {
        string path = _directory.PathOf("missing");
        Assert.Equal(ReadStatus.NotFound, PositionalFile.Open(path, out PositionalFile? file));
        Assert.Null(file);
        Assert.False(File.Exists(path));
        Assert.Equal(ReadStatus.NotFound, PositionalFile.Open(_directory.PathOf("x/y"), out _));
        Assert.Equal(ReadStatus.NotFound, PositionalFile.Open(_directory.PathOf("nul\0name"), out _));
    }

    [Fact]
    public async Task A_directory_and_a_pipe_are_refused_without_waiting()
    {
        Assert.Equal(ReadStatus.WrongKind, PositionalFile.Open(_directory.Path, out _));
        string pipe = _directory.PathOf("pipe");
        using (Process process = Process.Start("mkfifo", [pipe]))
        {
            await process.WaitForExitAsync();
        }

        ReadStatus status = await Task.Run(() => PositionalFile.Open(pipe, out _)).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(ReadStatus.WrongKind, status);
    }

    [Fact]
    public void A_file_without_read_permission_is_a_status()
    {
        string path = _directory.PathOf("secret");
        File.WriteAllText(path, "x");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.None);
        }

        ReadStatus status = PositionalFile.Open(path, out PositionalFile? file);
        file?.Dispose();
        Assert.Equal(Environment.IsPrivilegedProcess ? ReadStatus.Ok : ReadStatus.AccessDenied, status);
    }

    [Fact]
    public void Short_reads_are_joined_and_an_error_in_the_middle_keeps_what_came_before()
    {
        string path = _directory.PathOf("a");
        File.WriteAllBytes(path, [.. Enumerable.Range(0, 100).Select(static i => (byte)i)]);
        byte[] buffer = new byte[50];

        FaultyFiles slow = new((string _, long _, ref int length) => { length = Math.Min(length, 7); return ReadStatus.Ok; });
        Assert.Equal(ReadStatus.Ok, slow.Open(path, out PositionalFile? file));
        Assert.Equal(ReadStatus.Ok, file!.Read(10, buffer, out int count));
        Assert.Equal(50, count);
        Assert.Equal(Enumerable.Range(10, 50).Select(static i => (byte)i), buffer);
        file.Dispose();

        FaultyFiles broken = new((string _, long offset, ref int length) =>
        {
            length = (int)Math.Min(length, Math.Max(0, 30 - offset));
            return offset >= 30 ? ReadStatus.InputOutput : ReadStatus.Ok;
        });
        Assert.Equal(ReadStatus.Ok, broken.Open(path, out file));
        Assert.Equal(ReadStatus.InputOutput, file!.Read(10, buffer, out count));
        Assert.Equal(20, count);
        file.Dispose();
        Assert.Equal(0, broken.StillOpen);
    }

    [Fact]
    public void Listing_visits_every_entry_and_stops_when_told()
    {
        File.WriteAllText(_directory.PathOf("a"), "");
        File.WriteAllText(_directory.PathOf(".hidden"), "");
        Directory.CreateDirectory(_directory.PathOf("d"));
        List<(string, StoreEntryKind)> seen = [];
        Assert.Equal(ReadStatus.Ok, StoreFiles.Native.List(_directory.Path, (name, kind) => { seen.Add((name, kind)); return true; }));
        seen.Sort();
        Assert.Equal([(".hidden", StoreEntryKind.File), ("a", StoreEntryKind.File), ("d", StoreEntryKind.Directory)], seen);

        seen.Clear();
        Assert.Equal(ReadStatus.Ok, StoreFiles.Native.List(_directory.Path, (name, kind) => { seen.Add((name, kind)); return false; }));
        Assert.Single(seen);
        Assert.Equal(ReadStatus.NotFound, StoreFiles.Native.List(_directory.PathOf("none"), static (_, _) => true));
        Assert.Equal(ReadStatus.WrongKind, StoreFiles.Native.List(_directory.PathOf("a"), static (_, _) => true));
    }
}
