// Why this file exists: whole files as targets: LMDB pages, a log, a store. Invariants: pages are read from memory that ends where the file ends; a scan takes a bounded number of steps; a verifier answers, and two runs over the
// same bytes answer alike.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Fuzz.Targets;

/// <summary>Pages, logs and stores.</summary>
internal static unsafe class StoreTargets
{
    private const string Root = "/fuzz";
    private const string StatePath = "state/g1/data.mdb";
    private const string SegmentPath = "events/segment-00000000.log";
    private const long MostSteps = 1 << 20;

    internal static IReadOnlyList<Target> List { get; } =
    [
        new("lmdb-pages", static () => [Corpus.Golden[StatePath]], Pages),
        new("log-scan", static () => [FormatTargets.Segment], Scan),
        new("store", static () => [Store()], Verify),
    ];

    private static ulong Pages(byte[] bytes)
    {
        using GuardedMemory memory = new(bytes);
        LmdbMetaPair metas = LmdbMetaPair.Parse(new ReadOnlySpan<byte>(memory.Start, memory.Length));
        LmdbFault fault = metas.TryNewest(out LmdbMeta meta);
        if (fault.IsFault)
        {
            return Hold.Way((long)fault.Code);
        }

        MappedPages pages = new(memory.Start, memory.Length, meta.PageSizeBytes);
        LmdbWalkReport report = LmdbWalker.Walk(() => pages, meta, new LmdbWalkOptions { FileLengthBytes = memory.Length, MetasAtRest = metas, Visitor = Toucher.Instance, MaxFindings = 8 });
        LmdbReader<MappedPages> reader = new(pages, meta.LastPage);
        LmdbPathChecker<MappedPages> checker = new(new CheckedPages(1 << 16));
        checker.Begin(pages, in meta);
        long way = (long)checker.CheckFreeList().Code + (32 * (long)checker.CheckNamedRoots().Code);
        LmdbDatabaseRecord main = meta.Main;
        for (int code = 1; code <= Tables.Count; code++)
        {
            if (reader.TryGetDatabase(in main, Tables.Name((StateTable)code), out LmdbDatabaseRecord table, out _) == LmdbReadStatus.Found)
            {
                way = (way * 31) + Read(reader, checker, table, pages.PageCount);
            }
        }

        return Hold.Way(way, report.Findings.Count, report.Findings.Count > 0 ? (long)report.Findings[0].Code : 0);
    }

    private static long Read(LmdbReader<MappedPages> reader, LmdbPathChecker<MappedPages> checker, LmdbDatabaseRecord table, ulong pageCount)
    {
        long found = reader.TryGet(in table, "header"u8, out ReadOnlySpan<byte> value, out _) == LmdbReadStatus.Found ? Toucher.Touch(value) : 0;
        _ = checker.CheckPut(in table, "header"u8);
        _ = checker.CheckDelete(in table, "header"u8);
        _ = checker.CheckAppend(in table);
        LmdbCursor<MappedPages> cursor = new(reader, in table);
        ulong steps = 0;
        ulong bound = 2 * (pageCount + 2) * 3300;
        for (LmdbReadStatus status = cursor.Seek(default); status == LmdbReadStatus.Found; status = cursor.Next())
        {
            found += Toucher.Touch(cursor.Key) + Toucher.Touch(cursor.Value) is 0 ? 0 : 1;
            Hold.That(++steps < bound, "a walk over a table ends");
        }

        for (LmdbReadStatus status = cursor.SeekLast(); status == LmdbReadStatus.Found; status = cursor.Prev())
        {
            Hold.That(++steps < bound, "a walk back over a table ends");
        }

        return (long)steps;
    }

    private static ulong Scan(byte[] bytes)
    {
        MemoryStoreFiles files = Files(new Dictionary<string, byte[]> { [SegmentPath] = bytes });
        StoreLayout layout = new(Root);
        Hold.That(Superblock.TryDecodeSlot(Corpus.Golden["STORE"].AsSpan(0, 4096), 0, out Superblock? superblock, out _), "the golden superblock is sound");
        LogGeometry geometry = new(superblock!.PageBits, superblock.SegmentBits);
        using LogReader reader = new(layout, geometry, files);
        FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.AtBase(superblock));
        long frames = 0;
        while (scanner.MoveNext() == ScanOutcome.Frame)
        {
            Hold.That(++frames < MostSteps, "a scan ends");
            Hold.That(scanner.Frame().Header.FrameNumber == (ulong)frames - 1, "frames are numbered without gaps");
        }

        SegmentInfo info = SegmentInfo.Read(layout, 0, superblock.StoreId, geometry, files);
        return Hold.Way(frames, (long)scanner.Fault.Code, (long)scanner.EndReason, (long)info.HeaderFault.Code, info.Slot(0).IsValid ? 1 : 0, info.Slot(1).IsValid ? 1 : 0);
    }

    // One array for three files: the superblock, the segment, the state.
    private static byte[] Store() => [.. Corpus.Golden["STORE"], .. FormatTargets.Segment, .. Corpus.Golden[StatePath]];

    private static ulong Verify(byte[] bytes)
    {
        int superblock = Math.Min(bytes.Length, Corpus.Golden["STORE"].Length);
        int segment = Math.Min(bytes.Length - superblock, FormatTargets.Segment.Length);
        MemoryStoreFiles files = Files(new Dictionary<string, byte[]>
        {
            ["STORE"] = bytes[..superblock],
            [SegmentPath] = bytes[superblock..(superblock + segment)],
            [StatePath] = bytes[(superblock + segment)..],
        });
        ulong way = 0;
        foreach (VerificationLevel level in (ReadOnlySpan<VerificationLevel>)[VerificationLevel.Quick, VerificationLevel.Standard])
        {
            VerificationReport report = StoreVerifier.Run(Root, new VerifyOptions { Level = level, DegreeOfParallelism = 1, Files = files });
            Hold.That(report.Findings.Count > 0 || report.Verdict == VerificationVerdict.Clean, "a verdict follows from findings");
            way = (way * 31) ^ Hold.Way((long)report.Verdict, report.Findings.Count, report.Findings.Count > 0 ? report.Findings[0].Code.Length : 0);
        }

        return way;
    }

    private static MemoryStoreFiles Files(Dictionary<string, byte[]> files) => new(Root, files);

    private sealed class Toucher : ILmdbVisitor
    {
        internal static readonly Toucher Instance = new();

        public void Visit(string database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page) => _ = Touch(key) + Touch(value);

        // Reads the first and the last byte, so that bytes outside are noticed.
        internal static long Touch(ReadOnlySpan<byte> bytes) => bytes.IsEmpty ? 0 : bytes[0] + bytes[^1];
    }
}
