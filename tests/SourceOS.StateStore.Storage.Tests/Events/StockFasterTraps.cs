// Why this file exists: each trap in FASTER that the log's design answers is shown on stock FasterLog first, so that the answer's test proves
// something. Invariants: only stock classes with their defaults do the persisting; a library version in which one of these fails is news, good or bad.

using System.Text;
using FASTER.core;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Events;

public sealed class StockFasterTraps : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private FasterLog Open(LogChecksumType checksum = LogChecksumType.None, ILogCommitManager? manager = null, bool recover = true)
        => new(new FasterLogSettings
        {
            LogDevice = Devices.CreateLogDevice(_directory.PathOf("log")),
            LogCommitDir = _directory.Path,
            LogCommitManager = manager,
            LogChecksum = checksum,
            PageSize = 1 << 16,
            MemorySize = 1 << 18,
            SegmentSize = 1 << 17,
            TryRecoverLatest = recover,
        });

    private static void Append(FasterLog log, params string[] entries)
    {
        foreach (string entry in entries)
        {
            log.Enqueue(Encoding.UTF8.GetBytes(entry));
        }

        log.Commit(spinWait: true);
    }

    private static List<string> Scan(FasterLog log)
    {
        List<string> found = [];
        using FasterLogScanIterator iterator = log.Scan(log.BeginAddress, log.TailAddress);
        while (iterator.GetNext(out byte[] entry, out int length, out _, out _))
        {
            found.Add(Encoding.UTF8.GetString(entry, 0, length));
        }

        return found;
    }

    [Fact]
    public void A_stray_file_beside_the_commits_opens_an_empty_log()
    {
        using (FasterLog log = Open())
        {
            Append(log, "acknowledged");
        }

        using (FasterLog log = Open())
        {
            Assert.Equal(["acknowledged"], Scan(log));
        }

        File.WriteAllText(_directory.PathOf("log-commits/notes.txt"), "hello");
        using FasterLog lost = Open();
        Assert.Empty(Scan(lost));
        Assert.Equal(64, lost.TailAddress);
    }

    [Fact]
    public void A_failed_write_of_commit_metadata_is_acknowledged_and_then_the_log_opens_empty()
    {
        FailingFactory factory = new();
        DefaultCheckpointNamingScheme names = new(_directory.Path);
        using (FasterLog log = Open(manager: new DeviceLogCommitCheckpointManager(factory, names, removeOutdated: true)))
        {
            Append(log, "first");
            string metadata = Assert.Single(Directory.GetFiles(_directory.PathOf("log-commits")));
            factory.Fails = true;
            Append(log, "second");
            Append(log, "third");

            // The metadata that would still save the log is removed by a background task.
            Assert.True(SpinWait.SpinUntil(() => !File.Exists(metadata), TimeSpan.FromSeconds(60)));
        }

        factory.Fails = false;
        using FasterLog again = Open();
        Assert.Empty(Scan(again));
    }

    [Fact]
    public void Initializing_in_the_middle_of_a_page_lets_the_next_commit_zero_what_was_acknowledged()
    {
        long tail;
        using (FasterLog log = Open())
        {
            Append(log, "acknowledged");
            tail = log.TailAddress;
        }

        using (FasterLog log = Open(recover: false))
        {
            log.Initialize(0, tail, 1);
            Append(log, "next");
        }

        byte[] content = File.ReadAllBytes(_directory.PathOf("log.0"));
        Assert.Equal(-1, content.AsSpan(64, (int)tail - 64).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void The_entry_checksum_does_not_see_swapped_words()
    {
        const string Original = "AAAAAAAABBBBBBBBCCCCCCCC";
        long tail;
        using (FasterLog log = Open(LogChecksumType.PerEntry))
        {
            Append(log, Original);
            Append(log, new string('x', 60000), new string('y', 60000));
            tail = log.TailAddress;
        }

        // The entry's text begins after its 8-byte checksum and its length; the two swapped words are aligned with the checksum's words.
        string path = _directory.PathOf("log.0");
        byte[] content = File.ReadAllBytes(path);
        int at = content.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Original)) + 4;
        for (int i = 0; i < 8; i++)
        {
            (content[at + i], content[at + 8 + i]) = (content[at + 8 + i], content[at + i]);
        }

        File.WriteAllBytes(path, content);
        using FasterLog again = Open(LogChecksumType.PerEntry);
        Assert.NotEqual(64, tail);
        Assert.NotEqual(Original, Scan(again)[0]);
        Assert.Equal(Original.Order(), Scan(again)[0].Order());
    }

    [Fact]
    public void The_entry_checksum_is_not_checked_on_the_page_in_memory()
    {
        using (FasterLog log = Open(LogChecksumType.PerEntry))
        {
            Append(log, "acknowledged");
        }

        string path = _directory.PathOf("log.0");
        byte[] content = File.ReadAllBytes(path);
        content[content.AsSpan().IndexOf("acknowledged"u8)] ^= 1;
        File.WriteAllBytes(path, content);
        using FasterLog again = Open(LogChecksumType.PerEntry);
        Assert.Equal(["`cknowledged"], Scan(again));
    }

    [Fact]
    public void A_zeroed_length_hides_the_rest_of_its_page_in_silence()
    {
        using (FasterLog log = Open())
        {
            Append(log, "first", "second", "third");
        }

        string path = _directory.PathOf("log.0");
        byte[] content = File.ReadAllBytes(path);
        content.AsSpan(content.AsSpan().IndexOf("second"u8) - 4, 4).Clear();
        File.WriteAllBytes(path, content);
        using FasterLog again = Open();
        Assert.Equal(["first"], Scan(again));
    }

    [Fact]
    public void An_empty_entry_hides_the_later_ones_in_its_page()
    {
        using FasterLog log = Open();
        Append(log, "first", "", "third");
        Assert.Equal(["first"], Scan(log));
    }

    [Fact]
    public async Task A_deleted_segment_is_made_again_by_reading()
    {
        using (FasterLog log = Open())
        {
            for (int i = 0; i < 12; i++)
            {
                Append(log, new string((char)('a' + i), 60000));
            }
        }

        string path = _directory.PathOf("log.1");
        File.Delete(path);
        using FasterLog again = Open();
        using FasterLogScanIterator iterator = again.Scan(2 << 16, 3 << 16);
        // Whether the scan then notices is not the point here.
        Exception? thrown = await Record.ExceptionAsync(() => Task.Run(() => iterator.GetNext(out _, out _, out _, out _)).WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.True(thrown is null or FasterException, $"{thrown}");
        Assert.True(File.Exists(path), "the segment was not made again");
    }

    [Fact]
    public void Each_commit_makes_a_file_and_writes_in_sectors_of_512()
    {
        using FasterLog log = Open();
        using IDevice device = Devices.CreateLogDevice(_directory.PathOf("other"));
        Assert.Equal(512u, device.SectorSize);
        HashSet<string> seen = [];
        for (int i = 0; i < 5; i++)
        {
            Append(log, "x");
            seen.UnionWith(Directory.GetFiles(_directory.PathOf("log-commits")));
        }

        Assert.True(seen.Count >= 5, $"{seen.Count} commit files");
    }

    private sealed class FailingFactory : INamedDeviceFactory
    {
        private readonly LocalStorageNamedDeviceFactory _inner = new();

        public bool Fails { get; set; }

        public void Initialize(string baseName) => _inner.Initialize(baseName);

        public IDevice Get(FileDescriptor fileInfo) => new FailingDevice(_inner.Get(fileInfo), this);

        public void Delete(FileDescriptor fileInfo) => _inner.Delete(fileInfo);

        public IEnumerable<FileDescriptor> ListContents(string path) => _inner.ListContents(path);
    }

    private sealed class FailingDevice(IDevice inner, FailingFactory owner) : StorageDeviceBase(inner.FileName, inner.SectorSize, inner.Capacity)
    {
        public override void Initialize(long segmentSize, LightEpoch? epoch = null, bool omitSegmentIdFromFilename = false)
        {
            base.Initialize(segmentSize, epoch, omitSegmentIdFromFilename);
            inner.Initialize(segmentSize, epoch, omitSegmentIdFromFilename);
        }

        public override void WriteAsync(IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context)
        {
            if (owner.Fails)
            {
                callback(28, 0, context);
                return;
            }

            inner.WriteAsync(sourceAddress, segmentId, destinationAddress, numBytesToWrite, callback, context);
        }

        public override void ReadAsync(int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context)
            => inner.ReadAsync(segmentId, sourceAddress, destinationAddress, readLength, callback, context);

        public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result) => inner.RemoveSegmentAsync(segment, callback, result);

        public override void Dispose() => inner.Dispose();
    }
}
