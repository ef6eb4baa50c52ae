// Why this file exists: no bit of a store can change without the verifier noticing, or without it being a bit that means nothing. Invariants:
// each flip is undone; the classes of answers are exact by region: who reads the wrong verdict repairs the wrong thing.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Tests.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Verify;

public sealed class BitFlipTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly TestLog _log;
    private readonly MemoryFiles _files;
    private readonly VerifyOptions _options;

    public BitFlipTests()
    {
        _log = new TestLog(_directory.Path);
        _log.AddFrame([TestStores.PutActor(1), TestStores.Put(3)]);
        _log.AddFrame([TestStores.Put(4)], isLast: false, compress: true);
        _log.AddFrame([TestStores.Put(5, previous: 0)]);
        _log.Close();
        _log.AddSegment(1);
        _log.Save();
        new TestState(_log).Write();
        _files = MemoryFiles.Load(_directory.Path);
        _files.Files.Remove(Path.Combine(_log.Layout.GenerationPath(1), "lock.mdb"));
        _options = new VerifyOptions { DegreeOfParallelism = 1, Files = _files };
        TestStores.AssertClean(TestStores.Verify(_log, _options));
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Every_byte_of_the_superblock_counts()
    {
        int tried = Flip(_log.Layout.SuperblockPath, 0, Superblock.FileLengthBytes, 3, oneBit: true, static (offset, report) =>
        {
            Finding finding = Assert.Single(report.Findings);
            Assert.Equal(("store.superblock.slot", VerificationVerdict.Damaged, true), (finding.Code, report.Verdict, finding.AutoRepair));
            Assert.Equal(offset / 4096, finding.Place.OffsetBytes / 4096);
        });
        Assert.True(tried > 2000);
    }

    [Fact]
    public void Every_byte_of_a_segments_head_counts()
    {
        string path = _log.Layout.SegmentPath(0);
        Flip(path, 0, 4096, 3, oneBit: true, static (_, report) =>
        {
            Assert.Equal("log.segment.header", Assert.Single(report.Findings).Code);
            Assert.Equal(VerificationVerdict.Damaged, report.Verdict);
        });
        Flip(path, 4096, 20480, 11, oneBit: true, static (offset, report) =>
        {
            Finding finding = Assert.Single(report.Findings);
            bool isCopy = (offset - 4096) % 8192 >= 4096;
            Assert.Equal(isCopy ? "log.slot.copy-torn" : "log.slot.torn", finding.Code);
            Assert.Equal(FindingSeverity.Warning, finding.Severity);
        });
        Flip(path, 20480, 32768, 61, oneBit: true, static (offset, report) =>
        {
            Finding finding = Assert.Single(report.Findings);
            Assert.Equal(("log.segment.reserved", (long)offset, VerificationVerdict.Damaged), (finding.Code, finding.Place.OffsetBytes, report.Verdict));
        });
    }

    [Fact]
    public void Every_bit_of_every_frame_counts()
    {
        HashSet<string> codes = [];
        int from = (int)_log.Geometry.FileOffsetOf(64);
        int until = (int)_log.Geometry.FileOffsetOf(_log.Tail);
        int tried = Flip(_log.Layout.SegmentPath(0), from, until, 3, oneBit: false, (offset, report) =>
        {
            long address = offset - LogGeometry.DataOffset;
            TestFrame frame = _log.Frames.First(f => address < f.End);
            bool isPrefix = address < frame.Address + 4;
            Assert.Equal(isPrefix ? VerificationVerdict.Damaged : VerificationVerdict.Unsafe, report.Verdict);
            Assert.Contains(report.Findings, f => f.Place.OffsetBytes >= _log.Geometry.FileOffsetOf(frame.Address) && f.Place.OffsetBytes < _log.Geometry.FileOffsetOf(frame.End));
            codes.UnionWith(report.Findings.Select(static f => f.Code));
        });
        Assert.True(tried > 4000);
        Assert.Superset(new HashSet<string> { "log.entry.prefix", "log.frame.header", "log.frame.leaves", "log.frame.body-crc", "log.range.damaged" }, codes);
    }

    [Fact]
    public void Bits_that_must_be_zero_are_seen_and_behind_the_end_they_harm_nobody()
    {
        string path = _log.Layout.SegmentPath(0);
        Flip(path, 32768, 32768 + 64, 1, oneBit: true, static (_, report) =>
        {
            Assert.Equal("log.filler", Assert.Single(report.Findings).Code);
            Assert.Equal(VerificationVerdict.Damaged, report.Verdict);
        });
        foreach ((string file, int from, int stride) in new[] { (path, (int)_log.Geometry.FileOffsetOf(_log.Tail), 397), (_log.Layout.SegmentPath(1), 32768, 811) })
        {
            Flip(file, from, (int)_log.Geometry.SegmentFileBytes, stride, oneBit: true, (offset, report) =>
            {
                Finding finding = Assert.Single(report.Findings);
                Assert.Equal(("log.tail.torn", FindingSeverity.Info, VerificationVerdict.Clean), (finding.Code, finding.Severity, report.Verdict));
                Assert.InRange(finding.Place.Address!.Value, _log.Tail, long.MaxValue);
            });
        }
    }

    [Fact]
    public void Bits_of_a_filler_count()
    {
        TestLog log = new(_directory.PathOf("filled"));
        log.AddFrame(events: 1, dataBytes: 40_000);
        TestFrame second = log.AddFrame(events: 1, dataBytes: 40_000);
        Assert.Equal(log.Geometry.PageBytes, second.Address);
        log.Close();
        log.Save();
        new TestState(log).Write();
        MemoryFiles files = MemoryFiles.Load(log.Layout.StorePath);
        VerifyOptions options = new() { DegreeOfParallelism = 1, Files = files };
        byte[] bytes = files.Files[log.Layout.SegmentPath(0)];
        for (long address = log.Frames[0].End; address < second.Address; address += 331)
        {
            bytes[log.Geometry.FileOffsetOf(address)] ^= 0x20;
            VerificationReport report = TestStores.Verify(log, options);
            Finding finding = Assert.Single(report.Findings);
            Assert.Equal(("log.filler", VerificationVerdict.Damaged), (finding.Code, report.Verdict));
            Assert.Equal(log.Geometry.FileOffsetOf(address), finding.Place.OffsetBytes);
            bytes[log.Geometry.FileOffsetOf(address)] ^= 0x20;
        }
    }

    [Fact]
    public void A_flip_in_the_state_is_found_or_changes_no_entry()
    {
        string path = _log.Layout.StateDataPath(1);
        byte[] bytes = _files.Files[path];
        string content = Content(bytes);
        int found = 0;
        int harmless = 0;
        for (int offset = 0; offset < bytes.Length; offset += 7)
        {
            bytes[offset] ^= (byte)(1 << (offset / 7 % 8));
            VerificationReport report = TestStores.Verify(_log, _options);
            if (report.Findings.Count > 0)
            {
                found++;
                if (report.Verdict != VerificationVerdict.Damaged || report.Findings.Any(static f => f.Class != FindingClass.Rebuildable))
                {
                    Assert.Fail($"Offset {offset}: {TestStores.Describe(report)}");
                }
            }
            else
            {
                // Free pages and the room between a page's pointers and nodes hold nothing.
                harmless++;
                Assert.True(content == Content(bytes), $"Offset {offset} changed an entry unnoticed.");
            }

            bytes[offset] ^= (byte)(1 << (offset / 7 % 8));
        }

        Assert.True(found > 800, $"{found} found, {harmless} harmless");
        TestStores.AssertClean(TestStores.Verify(_log, _options));
    }

    private static string Content(byte[] file)
    {
        LmdbMetaPair metas = LmdbMetaPair.Parse(file);
        Assert.False(metas.TryNewest(out LmdbMeta meta).IsFault);
        MemoryFiles files = new() { Files = { ["x"] = file } };
        Assert.Equal(ReadStatus.Ok, files.Open("x", out PositionalFile? opened));
        StateReader reader = new(new StatePageSource(opened!, meta.PageSizeBytes, file.Length), meta);
        System.Text.StringBuilder text = new();
        foreach (StateTable table in Enum.GetValues<StateTable>())
        {
            Assert.True(reader.TryOpen(table, out LmdbDatabaseRecord database));
            LmdbCursor<StatePages> cursor = reader.Cursor(in database);
            for (LmdbReadStatus status = cursor.SeekFirst(); status == LmdbReadStatus.Found; status = cursor.Next())
            {
                text.Append(table).Append(Convert.ToHexString(cursor.Key)).Append('=').Append(Convert.ToHexString(cursor.Value)).Append('\n');
            }

            Assert.False(cursor.Fault.IsFault);
        }

        return text.ToString();
    }

    private int Flip(string path, int from, int until, int stride, bool oneBit, Action<int, VerificationReport> check)
    {
        byte[] bytes = _files.Files[path];
        int tried = 0;
        for (int offset = from; offset < until; offset += stride)
        {
            for (int bit = oneBit ? offset / stride % 8 : 0; bit < 8; bit++)
            {
                bytes[offset] ^= (byte)(1 << bit);
                VerificationReport report = TestStores.Verify(_log, _options);
                try
                {
                    check(offset, report);
                }
                catch (Exception exception)
                {
                    throw new InvalidOperationException($"Bit {bit} of offset {offset} of {path}:\n{TestStores.Describe(report)}", exception);
                }

                bytes[offset] ^= (byte)(1 << bit);
                tried++;
                if (oneBit)
                {
                    break;
                }
            }
        }

        return tried;
    }
}
