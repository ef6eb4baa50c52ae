// Why this file exists: the crash machine is what every survival claim rests on, so it is tested itself: what was synced must be in every image, what
// was not must be missing, old, new and torn in some. Invariants: images are judged by content only.

using System.Text;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Files;

public sealed class CrashTraceTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly TemporaryDirectory _images = new();

    public void Dispose()
    {
        _directory.Dispose();
        _images.Dispose();
    }

    private static byte[] Filled(byte value, int length)
    {
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill(value);
        return bytes;
    }

    [Fact]
    public void What_was_synced_is_in_every_image_and_the_rest_is_old_new_and_torn_in_some()
    {
        File.WriteAllBytes(_directory.PathOf("data"), Filled(1, 3 * 4096));
        RecordingFileOps ops = new(LinuxFileOps.Instance, _directory.Path);
        using (StoreFile file = StoreFile.Open(ops, _directory.PathOf("data"), OpenOptions.ReadWrite))
        {
            file.Write(Filled(2, 4096), 0);
            file.Sync();
            file.Write(Filled(3, 8192), 4096);
        }

        IReadOnlyList<CrashImage> images = ops.Trace.Images(ops.Trace.Steps.Count, seed: 7, maxImages: 200);
        Assert.Equal(200, images.Count);
        HashSet<string> seen = [];
        foreach (CrashImage image in images)
        {
            byte[] content = image.Files["data"].ToArray();
            Assert.Equal(Filled(2, 4096), content.AsSpan(0, 4096).ToArray());
            seen.Add($"{Kind(content.AsSpan(4096, 4096))} {Kind(content.AsSpan(8192, 4096))}");
        }

        foreach (string first in new[] { "old", "new", "torn" })
        {
            foreach (string second in new[] { "old", "new", "torn" })
            {
                Assert.Contains($"{first} {second}", seen);
            }
        }

        static string Kind(ReadOnlySpan<byte> block)
        {
            for (int sector = 0; sector < 4096; sector += 512)
            {
                Assert.Equal(-1, block.Slice(sector, 512).IndexOfAnyExcept(block[sector]));
            }

            return block.IndexOfAnyExcept((byte)1) < 0 ? "old" : block.IndexOfAnyExcept((byte)3) < 0 ? "new" : "torn";
        }
    }

    [Fact]
    public void A_name_is_certain_only_after_its_directory_was_synced()
    {
        RecordingFileOps ops = new(LinuxFileOps.Instance, _directory.Path);
        using (StoreFile file = StoreFile.Open(ops, _directory.PathOf("a.new"), OpenOptions.ReadWrite | OpenOptions.Create))
        {
            file.Write("abc"u8, 0);
            file.SyncAll();
        }

        StoreDirectory.Rename(ops, _directory.PathOf("a.new"), _directory.PathOf("a"));
        int renamed = ops.Trace.Steps.Count;
        StoreDirectory.Sync(ops, _directory.Path);
        ops.Mark("named");

        string[] before = [.. ops.Trace.Images(renamed, 1, 50).Select(Names).Distinct().Order(StringComparer.Ordinal)];
        Assert.Equal(["", "a", "a.new"], before);
        CrashImage after = Assert.Single(ops.Trace.Images(ops.Trace.Steps.Count, 1, 50));
        Assert.Equal("a", Names(after));
        Assert.Equal("abc", Encoding.ASCII.GetString(after.Files["a"].ToArray()));
        Assert.Empty(ops.Trace.Marks(renamed));
        Assert.Equal(["named"], ops.Trace.Marks(ops.Trace.Steps.Count));

        static string Names(CrashImage image) => string.Join(' ', image.Files.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Lengths_directories_removals_and_foreign_writes_take_part()
    {
        Directory.CreateDirectory(_directory.PathOf("sub"));
        File.WriteAllBytes(_directory.PathOf("sub/keep"), Filled(1, 5000));
        RecordingFileOps ops = new(LinuxFileOps.Instance, _directory.Path);
        using (StoreFile file = StoreFile.Open(ops, _directory.PathOf("sub/keep"), OpenOptions.ReadWrite))
        {
            file.Truncate(10);
            file.Reserve(0, 6000);
        }

        ops.RecordForeignWrite(_directory.PathOf("sub/keep"), 0, "foreign"u8);
        StoreDirectory.Create(ops, _directory.PathOf("made"));
        StoreFile.Open(ops, _directory.PathOf("gone"), OpenOptions.ReadWrite | OpenOptions.Create).Dispose();
        StoreDirectory.RemoveFile(ops, _directory.PathOf("gone"));
        StoreDirectory.Remove(ops, _directory.PathOf("made"));
        IReadOnlyList<CrashImage> images = ops.Trace.Images(ops.Trace.Steps.Count, 3, 300);
        Assert.Equal([10L, 5000L, 6000L], images.Select(image => image.Files["sub/keep"].LengthBytes).Distinct().Order());
        Assert.Contains(images, image => image.Files.ContainsKey("gone") && image.Directories.Contains("made"));
        Assert.Contains(images, image => !image.Files.ContainsKey("gone") && !image.Directories.Contains("made"));
        CrashImage all = images.Single(image => image.Label == "everything pending kept");
        byte[] expected = new byte[6000];
        Filled(1, 10).CopyTo(expected, 0);
        "foreign"u8.CopyTo(expected);
        Assert.Equal(expected, all.Files["sub/keep"].ToArray());
    }

    [Fact]
    public void The_last_image_of_a_random_run_equals_the_real_directory_and_can_be_written()
    {
        Random random = new(11);
        RecordingFileOps ops = new(LinuxFileOps.Instance, _directory.Path);
        StoreDirectory.Create(ops, _directory.PathOf("d"));
        for (int round = 0; round < 200; round++)
        {
            string path = _directory.PathOf(random.Next(2) == 0 ? $"f{random.Next(4)}" : $"d/f{random.Next(4)}");
            if (random.Next(8) == 0 && ops.Exists(path))
            {
                StoreDirectory.Rename(ops, path, _directory.PathOf($"f{random.Next(4)}"));
                continue;
            }

            using StoreFile file = StoreFile.Open(ops, path, OpenOptions.ReadWrite | OpenOptions.Create);
            byte[] data = new byte[random.Next(1, 9000)];
            random.NextBytes(data);
            file.Write(data, random.Next(20000));
            if (random.Next(5) == 0)
            {
                file.Truncate(random.Next(12000));
            }

            if (random.Next(4) == 0)
            {
                file.Sync();
            }
        }

        CrashImage all = ops.Trace.Images(ops.Trace.Steps.Count, 1, 2)[^1];
        string target = _images.PathOf("image");
        all.WriteTo(target);
        string[] names = [.. Directory.EnumerateFileSystemEntries(_directory.Path, "*", SearchOption.AllDirectories).Select(name => System.IO.Path.GetRelativePath(_directory.Path, name)).Order(StringComparer.Ordinal)];
        Assert.Equal(names, Directory.EnumerateFileSystemEntries(target, "*", SearchOption.AllDirectories).Select(name => System.IO.Path.GetRelativePath(target, name)).Order(StringComparer.Ordinal));
        foreach (string name in names.Where(name => File.Exists(_directory.PathOf(name))))
        {
            Assert.Equal(File.ReadAllBytes(_directory.PathOf(name)), File.ReadAllBytes(System.IO.Path.Combine(target, name)));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_images()
    {
        RecordingFileOps ops = new(LinuxFileOps.Instance, _directory.Path);
        using (StoreFile file = StoreFile.Open(ops, _directory.PathOf("x"), OpenOptions.ReadWrite | OpenOptions.Create))
        {
            file.Write(Filled(9, 50000), 0);
        }

        int end = ops.Trace.Steps.Count;
        string first = Fingerprint(ops.Trace.Images(end, 5, 60));
        _ = ops.Trace.Images(0, 5, 60);
        Assert.Equal(first, Fingerprint(ops.Trace.Images(end, 5, 60)));
        Assert.NotEqual(first, Fingerprint(ops.Trace.Images(end, 6, 60)));

        static string Fingerprint(IEnumerable<CrashImage> images)
            => string.Join('\n', images.Select(image => string.Join(',', image.Files.Select(pair => pair.Key + Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(pair.Value.ToArray()))))));
    }
}
