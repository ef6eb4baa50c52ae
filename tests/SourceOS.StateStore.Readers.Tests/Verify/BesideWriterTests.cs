// Why this file exists: a verifier that runs beside a writer must not mistake a writer's work for damage, and must still find damage. Invariants:
// the writer here writes as the specification says (data, then slot, then state) and never rests; it stops when the test ends.

using Microsoft.Win32.SafeHandles;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Tests.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Storage.Lmdb;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Verify;

public sealed class BesideWriterTests : IDisposable
{
    private const int Runs = 25;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_writer_at_work_raises_no_alarm()
    {
        TestLog log = TestStores.Log(_directory.Path, 30);
        log.Save();
        new TestState(log).Write();
        using LiveWriter writer = new(log);
        Task writing = Task.Run(writer.Run);
        int complete = 0;
        for (int i = 0; i < Runs; i++)
        {
            int before = writer.Commits;
            VerificationReport report = TestStores.Verify(log, new VerifyOptions { StateAttempts = 5, DegreeOfParallelism = 1 + (i % 2) });
            Assert.True(report.Findings.All(static f => f.Severity == FindingSeverity.Info) && report.Verdict == VerificationVerdict.Clean, $"run {i}: {TestStores.Describe(report)}");
            complete += report.IsComplete ? 1 : 0;
            Assert.True(report.FramesChecked > 30);
            VerificationReport quick = TestStores.Verify(log, new VerifyOptions { Level = VerificationLevel.Quick });
            Assert.True(quick.Verdict == VerificationVerdict.Clean, $"quick {i}: {TestStores.Describe(quick)}");
            await WaitForCommitAfter(writer, before, writing);
        }

        writer.Stop();
        await writing.WaitAsync(TimeSpan.FromMinutes(2));
        Assert.True(writer.Commits >= Runs / 2);
        TestStores.AssertClean(TestStores.Verify(log));
    }

    [Fact]
    public async Task A_pinned_snapshot_is_checked_whole_while_the_writer_goes_on()
    {
        TestLog log = TestStores.Log(_directory.Path, 200);
        log.Save();
        new TestState(log).Write();
        using LiveWriter writer = new(log);
        Task writing = Task.Run(writer.Run);
        for (int i = 0; i < 8; i++)
        {
            int before = writer.Commits;
            using LmdbReadPin pin = writer.Environment.Pin();
            LmdbMeta meta = await MetaOf(log, pin);
            if (meta.TransactionId != pin.TransactionId)
            {
                continue;
            }

            await WaitForCommitAfter(writer, before + 3, writing);
            VerificationReport report = TestStores.Verify(log, new VerifyOptions { PinnedState = new PinnedState(1, meta), DegreeOfParallelism = 2 });
            Assert.True(report.Verdict == VerificationVerdict.Clean && report.IsComplete, TestStores.Describe(report));
        }

        writer.Stop();
        await writing.WaitAsync(TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task Damage_is_found_beside_a_writer()
    {
        TestLog log = TestStores.Log(_directory.Path, 30);
        log.Save();
        new TestState(log).Write();
        using LiveWriter writer = new(log);
        Task writing = Task.Run(writer.Run);
        TestFrame frame = log.Frames[10];
        byte[] bytes = new byte[1];
        using (SafeFileHandle handle = File.OpenHandle(log.Layout.SegmentPath(0), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            long at = log.Geometry.FileOffsetOf(frame.Address + 4 + 300);
            RandomAccess.Read(handle, bytes, at);
            bytes[0] ^= 1;
            RandomAccess.Write(handle, bytes, at);
        }

        VerificationReport report = TestStores.Verify(log);
        writer.Stop();
        await writing.WaitAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
        Finding finding = Assert.Single(report.Findings, static f => f.Severity == FindingSeverity.Error);
        Assert.Equal(frame.Header.FrameNumber, finding.Place.FrameNumber);
    }

    // Copies the meta of the pinned snapshot: whole as long as the other slot shows no later transaction.
    private static async Task<LmdbMeta> MetaOf(TestLog log, LmdbReadPin pin)
    {
        byte[] head = await File.ReadAllBytesAsync(log.Layout.StateDataPath(1));
        return LmdbMetaPair.ParsePinned(head, pin.TransactionId, out LmdbMeta meta).IsFault ? default : meta;
    }

    private static async Task WaitForCommitAfter(LiveWriter writer, int commits, Task writing)
    {
        for (int i = 0; i < 2000 && writer.Commits <= commits && !writing.IsCompleted; i++)
        {
            await Task.Delay(5);
        }
    }

    /// <summary>Appends to the log and folds into the state until told to stop.</summary>
    private sealed class LiveWriter : IDisposable
    {
        private readonly TestLog _log;
        private readonly Dictionary<StateTable, LmdbDatabase> _databases = [];
        private Dictionary<StateTable, SortedDictionary<byte[], byte[]>> _written;
        private volatile bool _stop;
        private volatile int _commits;

        public LiveWriter(TestLog log)
        {
            _log = log;
            Environment = LmdbEnvironment.Open(log.Layout.GenerationPath(1), new LmdbOptions { NoSync = true, MapSizeBytes = 1L << 30 });
            using LmdbWriteTransaction transaction = Environment.BeginWrite();
            foreach (StateTable table in Enum.GetValues<StateTable>())
            {
                _databases[table] = transaction.OpenDatabase(System.Text.Encoding.ASCII.GetString(Tables.Name(table)), create: false);
            }

            transaction.Commit();
            _written = Entries();
        }

        public LmdbEnvironment Environment { get; }

        public int Commits => _commits;

        public void Stop() => _stop = true;

        public void Run()
        {
            for (int i = 0; !_stop && i < 3000; i++)
            {
                long before = _log.Tail;
                _log.AddFrame([TestStores.Put(i % 50, titleBytes: 100 + (i * 53 % 2000))], compress: i % 3 == 0);
                _log.DurableFrames = (ulong)_log.Frames.Count - 1;
                WriteLog(before);
                Fold();
                _commits++;
            }
        }

        public void Dispose()
        {
            _stop = true;
            Environment.Dispose();
        }

        private Dictionary<StateTable, SortedDictionary<byte[], byte[]>> Entries()
        {
            TestState state = new(_log);
            state.Header.Generation = 1;
            byte[] header = new byte[state.Header.EncodedLengthBytes];
            state.Header.Encode(header);
            byte[] digest = new byte[StateDigest.EncodedLengthBytes];
            state.Digest.Encode(digest);
            state.Entries[StateTable.Meta]["header"u8.ToArray()] = header;
            state.Entries[StateTable.Meta]["digest"u8.ToArray()] = digest;
            return state.Entries;
        }

        private void WriteLog(long from)
        {
            int first = _log.Geometry.SegmentOf(from - 1);
            int last = _log.Geometry.SegmentOf(_log.Tail - 1);
            for (int segment = first; segment <= last; segment++)
            {
                string path = _log.Layout.SegmentPath(segment);
                if (!File.Exists(path))
                {
                    byte[] empty = new byte[_log.Geometry.SegmentFileBytes];
                    _log.Segments[segment].AsSpan(0, SegmentHeader.LengthBytes).CopyTo(empty);
                    File.WriteAllBytes(path + ".new", empty);
                    File.Move(path + ".new", path);
                }
            }

            // Pages in pieces, so that a reader can see a frame half written; then the slot in one piece.
            for (long at = from & -4096L; at < _log.Tail; at += 4096)
            {
                Write(_log.Geometry.SegmentOf(at), (int)_log.Geometry.FileOffsetOf(at), 4096);
            }

            TailSlot slot = _log.WriteSlot();
            Write((int)slot.SegmentNumber, SegmentHeader.SlotFileOffset(slot.SlotIndex), TailSlot.LengthBytes);
        }

        private void Write(int segment, int offset, int length)
        {
            using SafeFileHandle handle = File.OpenHandle(_log.Layout.SegmentPath(segment), FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            RandomAccess.Write(handle, _log.Segments[segment].AsSpan(offset, length), offset);
        }

        private void Fold()
        {
            Dictionary<StateTable, SortedDictionary<byte[], byte[]>> entries = Entries();
            using LmdbWriteTransaction transaction = Environment.BeginWrite();
            foreach ((StateTable table, SortedDictionary<byte[], byte[]> now) in entries)
            {
                foreach ((byte[] key, byte[] value) in now)
                {
                    if (!_written[table].TryGetValue(key, out byte[]? old) || !old.AsSpan().SequenceEqual(value))
                    {
                        transaction.Put(_databases[table], key, value);
                    }
                }

                foreach (byte[] key in _written[table].Keys.Where(key => !now.ContainsKey(key)))
                {
                    transaction.Delete(_databases[table], key);
                }
            }

            transaction.Commit();
            _written = entries;
        }
    }
}
