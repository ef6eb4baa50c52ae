// Why this file exists: parity from its making to its use: made when the log leaves a segment, verified, healing bit by bit, and never in the way of a commit. Invariants: small segments of
// two or of 32 blocks, so that groups of both kinds occur; what was healed is compared byte by byte with what stood there.

using System.Globalization;
using System.Security.Cryptography;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Parity;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Tests;

public sealed class ParityTests
{
    private const int Block = ParityHeader.BlockLengthBytes;

    [Fact]
    public async Task Every_segment_that_the_log_has_left_has_parity_and_the_open_one_has_none()
    {
        using TestDirectory directory = await FencedStores.MakeAsync();
        int last = Directory.GetFiles(Path.Combine(directory.StorePath, "events"), "*.log").Length - 1;
        Assert.True(last >= 2);
        Assert.True(File.Exists(ParityOf(directory.StorePath, 0)));
        Assert.True(File.Exists(ParityOf(directory.StorePath, 1)));
        Assert.False(File.Exists(ParityOf(directory.StorePath, last)));
        Assert.DoesNotContain(StoreVerifier.Run(directory.StorePath).Findings, static finding => finding.Code.StartsWith("log.parity", StringComparison.Ordinal));
        FencedStores.AssertClean(directory.StorePath);
    }

    [Fact]
    public async Task Lost_parity_is_named_and_made_again_by_repair_or_by_the_next_writer()
    {
        using TestDirectory directory = await FencedStores.MakeAsync();
        byte[][] before = Parities(directory.StorePath);
        Directory.Delete(Path.Combine(directory.StorePath, "parity"), recursive: true);
        Finding finding = Assert.Single(StoreVerifier.Run(directory.StorePath).Findings, static finding => finding.Code == "log.parity.missing");
        Assert.Equal(FindingClass.Protective, finding.Class);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.MakeParity], plan.Steps.Select(static step => step.Action));
        Assert.False(plan.IsDestructive);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options());
        Assert.Equal(before, Parities(directory.StorePath));
        Assert.Empty(StoreRepair.Plan(directory.StorePath).Steps);

        Directory.Delete(Path.Combine(directory.StorePath, "parity"), recursive: true);
        await using (StateStore store = StateStore.Open(directory.StorePath, FencedStores.Options()))
        {
            Assert.True(SpinWait.SpinUntil(() => store.Parity is { Waiting: 0, Made: > 0 }, 10_000));
            Assert.Equal(0, store.Parity!.Failures);
        }

        Assert.Equal(before, Parities(directory.StorePath));
    }

    [Fact]
    public async Task A_store_that_keeps_no_parity_is_sound_and_gets_some_when_it_does()
    {
        using TestDirectory directory = new();
        StateStoreOptions without = FencedStores.Options();
        without.KeepsParity = false;
        await WriteAsync(StateStore.Create(directory.StorePath, without), 150);
        Assert.False(Directory.Exists(Path.Combine(directory.StorePath, "parity")));
        FencedStores.AssertClean(directory.StorePath);
        await StateStore.Open(directory.StorePath, FencedStores.Options()).DisposeAsync();
        Assert.NotEmpty(Parities(directory.StorePath));
        FencedStores.AssertClean(directory.StorePath);
    }

    [Fact]
    public async Task One_bad_block_in_each_group_is_healed_bit_for_bit_wherever_it_is()
    {
        using TestDirectory directory = await WideAsync();
        string segment = FencedStores.Segment(directory.StorePath, 0);
        byte[] whole = File.ReadAllBytes(segment);
        Random random = new(5);
        foreach (string kind in (string[])["bit", "zero", "noise", "cut"])
        {
            byte[] bad = (byte[])whole.Clone();
            int first = random.Next(16) * 2;
            int second = (random.Next(16) * 2) + 1;
            foreach (int block in (int[])[first, second])
            {
                Span<byte> bytes = bad.AsSpan(32768 + (block * Block), Block);
                Spoil(bytes, kind, random);
            }

            File.WriteAllBytes(segment, kind == "cut" ? whole[..^(Block + 777)] : bad);
            Assert.NotEqual(VerificationVerdict.Clean, StoreVerifier.Run(directory.StorePath).Verdict);
            RepairPlan plan = StoreRepair.Plan(directory.StorePath);
            Assert.Equal(RepairAction.HealSegment, Assert.Single(plan.Steps).Action);
            Assert.False(plan.IsDestructive);
            await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options());
            Assert.True(whole.AsSpan().SequenceEqual(File.ReadAllBytes(segment)), kind);
            FencedStores.AssertClean(directory.StorePath);
        }

        Assert.Equal(8, StoreRepair.ListQuarantine(directory.StorePath).Count);
    }

    [Fact]
    public async Task Every_block_of_a_segment_can_be_healed()
    {
        using TestDirectory directory = await WideAsync();
        string segment = FencedStores.Segment(directory.StorePath, 0);
        byte[] whole = File.ReadAllBytes(segment);
        StoreLayout layout = new(directory.StorePath);
        Superblock superblock = SuperblockReader.Read(layout).Newest!;
        for (int block = 0; block < 32; block += 3)
        {
            byte[] bad = (byte[])whole.Clone();
            RandomNumberGenerator.Fill(bad.AsSpan(32768 + (block * Block), Block));
            File.WriteAllBytes(segment, bad);
            ParityFacts facts = ParityRepair.Find(layout, superblock, StoreFiles.Native);
            Assert.Equal([block], Assert.Single(facts.Heals).Blocks);
            ParityRepair.Heal(layout, superblock, LinuxFileOps.Instance, new Recovery.Quarantine(LinuxFileOps.Instance, layout.QuarantinePath, TimeProvider.System), facts.Heals);
            Assert.True(whole.AsSpan().SequenceEqual(File.ReadAllBytes(segment)), string.Create(CultureInfo.InvariantCulture, $"block {block}"));
        }
    }

    [Fact]
    public async Task Two_bad_blocks_of_one_group_are_beyond_parity_and_fenced()
    {
        using TestDirectory directory = await WideAsync();
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        string segment = FencedStores.Segment(directory.StorePath, 0);
        FencedStores.Flip(segment, 32768 + (4 * Block) + 600);
        FencedStores.Flip(segment, 32768 + (8 * Block) + 600);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.FenceLog], plan.Steps.Select(static step => step.Action));
        Assert.True(plan.IsDestructive);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true);
        FencedStores.AssertClean(directory.StorePath);
        Assert.Equal(records, FencedStores.Records(directory.StorePath));
        Assert.Empty(StoreRepair.Plan(directory.StorePath).Steps);
    }

    [Fact]
    public async Task Beside_a_group_beyond_parity_the_blocks_of_other_groups_are_healed_and_only_its_frames_are_lost()
    {
        using TestDirectory directory = await WideAsync();
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        string segment = FencedStores.Segment(directory.StorePath, 0);
        byte[] whole = File.ReadAllBytes(segment);
        foreach (int block in (int[])[4, 8, 13])
        {
            FencedStores.Flip(segment, 32768 + (block * Block) + 600);
        }

        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.HealSegment, RepairAction.FenceLog], plan.Steps.Select(static step => step.Action));
        Assert.EndsWith(" blocks 13", plan.Steps[0].Target, StringComparison.Ordinal);
        Assert.Equal(2UL, plan.LostEvents);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true);
        FencedStores.AssertClean(directory.StorePath);
        Assert.Equal(records, FencedStores.Records(directory.StorePath));
        QuarantineEntry fence = StoreRepair.ListQuarantine(directory.StorePath).Single(static entry => entry.CanRollBack);
        byte[] old = File.ReadAllBytes(FencedStores.Segment(Path.Combine(fence.Path, "old"), 0));
        Assert.Equal([4, 8], Enumerable.Range(0, 32).Where(block => !old.AsSpan(32768 + (block * Block), Block).SequenceEqual(whole.AsSpan(32768 + (block * Block), Block))));
    }

    [Fact]
    public async Task A_block_that_parity_calls_bad_while_its_frames_are_whole_is_left_as_it_is()
    {
        using TestDirectory directory = await WideAsync();
        string segment = FencedStores.Segment(directory.StorePath, 0);
        string parity = ParityOf(directory.StorePath, 0);
        byte[] whole = File.ReadAllBytes(segment);

        // The parity of a segment whose 14th block was another one, sound in itself, beside two bad blocks in the other group.
        Restate(parity, File.ReadAllBytes(parity), 13);
        FencedStores.Flip(segment, 32768 + (4 * Block) + 600);
        FencedStores.Flip(segment, 32768 + (8 * Block) + 600);
        Assert.Empty(Facts(directory.StorePath).Heals);

        // Nor is it when its frames are not whole, since they would not be so with that block.
        FencedStores.Flip(segment, 32768 + (13 * Block) + 600);
        Assert.Empty(Facts(directory.StorePath).Heals);
        File.WriteAllBytes(segment, whole);
        Assert.Empty(Facts(directory.StorePath).Heals);
    }

    [Fact]
    public async Task What_parity_heals_is_healed_even_when_the_rest_must_be_fenced()
    {
        using TestDirectory directory = await FencedStores.MakeAsync();
        byte[] whole = File.ReadAllBytes(FencedStores.Segment(directory.StorePath, 0));
        FencedStores.Flip(FencedStores.Segment(directory.StorePath, 0), 32768 + 5000);
        FencedStores.FlipBeyondParity(FencedStores.Segment(directory.StorePath, 1), 32768 + 5000);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.HealSegment, RepairAction.FenceLog], plan.Steps.Select(static step => step.Action));
        ulong lost = plan.LostEvents;
        Assert.InRange(lost, 1UL, 2UL);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true);
        QuarantineEntry fence = StoreRepair.ListQuarantine(directory.StorePath).Single(static entry => entry.CanRollBack);
        Assert.True(whole.AsSpan().SequenceEqual(File.ReadAllBytes(FencedStores.Segment(Path.Combine(fence.Path, "old"), 0))));
    }

    [Fact]
    public async Task Each_bit_of_a_parity_file_that_flips_is_found_and_mended()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(150);
        StoreLayout layout = new(directory.StorePath);
        Superblock superblock = SuperblockReader.Read(layout).Newest!;
        string file = ParityOf(directory.StorePath, 0);
        byte[] whole = File.ReadAllBytes(file);
        Assert.Equal(ParityHeader.FileLengthBytesOf(17), whole.Length);
        int[] offsets = [.. Enumerable.Range(0, 100), .. Enumerable.Range(100, 1000).Where(static i => i % 97 == 0), .. Enumerable.Range(4088, 64), 8191, 8192, 8193, 40_000, whole.Length - 1];
        foreach (int offset in offsets)
        {
            byte[] bad = (byte[])whole.Clone();
            bad[offset] ^= (byte)(1 << (offset & 7));
            File.WriteAllBytes(file, bad);
            Readers.Parity.ParityJudgement judged = Readers.Parity.ParityJudge.Run(layout, new LogGeometry(16, 17), superblock.StoreId, 0, StoreFiles.Native);

            // The time of making says nothing that heals; its header's checksum tells all the same.
            Assert.False(judged.IsSound, string.Create(CultureInfo.InvariantCulture, $"offset {offset}"));
            ParityFacts facts = ParityRepair.Find(layout, superblock, StoreFiles.Native);
            Assert.Empty(facts.Heals);
            Assert.Equal([0], facts.Remake);
        }

        VerificationReport report = StoreVerifier.Run(directory.StorePath);
        Assert.Equal(VerificationVerdict.Damaged, report.Verdict);
        Assert.Equal("log.parity.damaged", Assert.Single(report.Findings, static finding => finding.Severity == FindingSeverity.Error).Code);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options());
        FencedStores.AssertClean(directory.StorePath);
    }

    [Fact]
    public async Task Parity_of_other_bytes_heals_nothing_and_is_made_anew()
    {
        using TestDirectory directory = await FencedStores.MakeAsync();
        string other = Path.Combine(directory.Root, "other");
        await FencedStores.FillAsync(other, 150);
        string file = ParityOf(directory.StorePath, 0);
        byte[] right = File.ReadAllBytes(file);
        File.Copy(ParityOf(other, 0), file, overwrite: true);
        Assert.Equal([0], Facts(directory.StorePath).Remake);
        File.Copy(ParityOf(directory.StorePath, 1), file, overwrite: true);
        Assert.Equal([0], Facts(directory.StorePath).Remake);

        // Right in itself, and of this segment, but of bytes that the segment no longer holds.
        Restate(file, right);
        VerificationReport report = StoreVerifier.Run(directory.StorePath);
        Assert.Contains(report.Findings, static finding => finding.Code == "log.parity.stale" && finding.Severity == FindingSeverity.Warning);
        Assert.Equal([0], Facts(directory.StorePath).Remake);
        Assert.Empty(Facts(directory.StorePath).Heals);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options());
        Assert.DoesNotContain(StoreVerifier.Run(directory.StorePath).Findings, static finding => finding.Code.StartsWith("log.parity", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Parity_that_cannot_be_written_fails_no_commit_and_is_counted()
    {
        using TestDirectory directory = new();
        FaultingFileOps ops = new(LinuxFileOps.Instance);
        ops.Add(new FaultRule { Kinds = FileCallKinds.PWrite, PathPattern = "*/parity/*", Action = FaultAction.Fail, ErrorNumber = Errno.ENOSPC, Times = FaultRule.Forever });
        StateStoreOptions options = FencedStores.Options();
        options.Files = ops;
        StateStore store = StateStore.Create(directory.StorePath, options);
        StateSession session = store.OpenSession(FencedStores.Me);
        for (int i = 0; i < 150; i++)
        {
            Assert.True((await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"n:{i}", RoundTripTests.ObjectBody("note", Noise(1500))))).IsCommitted);
        }

        Assert.True(SpinWait.SpinUntil(() => store.Parity!.Failures > 0, 10_000));
        Assert.NotEmpty(store.Parity!.LastFailure);
        Assert.Equal(0, store.Parity.Made);
        Assert.Null(store.Fault);
        await store.DisposeAsync();
        FencedStores.AssertClean(directory.StorePath);
        Assert.Empty(Parities(directory.StorePath));
        await StateStore.Open(directory.StorePath, FencedStores.Options()).DisposeAsync();
        Assert.NotEmpty(Parities(directory.StorePath));
    }

    [Fact]
    public async Task No_parity_is_made_of_a_segment_that_is_not_whole()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(150);
        FencedStores.FlipBeyondParity(FencedStores.Segment(directory.StorePath, 0), 32768 + 5000);
        StoreLayout layout = new(directory.StorePath);
        ParityMaker maker = new(LinuxFileOps.Instance, layout, SuperblockReader.Read(layout).Newest!, TimeProvider.System);
        Assert.Equal(StateStoreErrorCode.LogDamaged, Assert.Throws<StateStoreException>(() => maker.Make(0)).Code);
        using CancellationTokenSource ended = new();
        await ended.CancelAsync();
        Assert.ThrowsAny<OperationCanceledException>(() => maker.Make(0, ended.Token));
        Assert.Empty(Directory.GetFiles(Path.Combine(directory.StorePath, "parity")));
    }

    [Fact]
    public async Task Parity_beside_a_writer_at_work_is_never_called_wrong()
    {
        using TestDirectory directory = new();
        StateStore store = StateStore.Create(directory.StorePath, FencedStores.Options());
        Task writing = WriteAsync(store, 400);
        while (!writing.IsCompleted)
        {
            VerificationReport report = StoreVerifier.Run(directory.StorePath, new VerifyOptions { DegreeOfParallelism = 1 });
            Assert.DoesNotContain(report.Findings, static finding => finding.Severity != FindingSeverity.Info);
        }

        await writing;
        FencedStores.AssertClean(directory.StorePath);
    }

    private static string ParityOf(string path, int segment) => Path.Combine(path, "parity", string.Create(CultureInfo.InvariantCulture, $"segment-{segment:D8}.parity"));

    // What is made twice differs in the time of its making, and in the checksum over it.
    private static byte[][] Parities(string path) =>
        !Directory.Exists(Path.Combine(path, "parity")) ? [] : [.. Directory.GetFiles(Path.Combine(path, "parity")).Order(StringComparer.Ordinal).Select(static file => File.ReadAllBytes(file)[4096..])];

    private static ParityFacts Facts(string path) => ParityRepair.Find(new StoreLayout(path), SuperblockReader.Read(new StoreLayout(path)).Newest!, StoreFiles.Native);

    private static string Noise(int length) => Convert.ToBase64String(RandomNumberGenerator.GetBytes(length));

    private static async Task WriteAsync(StateStore store, int notes)
    {
        await using (store)
        {
            StateSession session = store.OpenSession(FencedStores.Me);
            for (int i = 0; i < notes; i++)
            {
                await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"n:{i}", RoundTripTests.ObjectBody("note", Noise(1500))));
            }
        }
    }

    // One sealed segment of 2 MiB: 32 blocks in two groups.
    internal static async Task<TestDirectory> WideAsync()
    {
        TestDirectory directory = new();
        StateStoreOptions options = FencedStores.Options();
        options.SegmentBits = 21;
        await using StateStore store = StateStore.Create(directory.StorePath, options);
        StateSession session = store.OpenSession(FencedStores.Me);
        for (int i = 0; i < 60; i++)
        {
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"wide:{i}", RoundTripTests.ObjectBody("note", Noise(28_000))));
        }

        Assert.True(File.Exists(FencedStores.Segment(directory.StorePath, 1)));
        return directory;
    }

    private static void Spoil(Span<byte> block, string kind, Random random)
    {
        switch (kind)
        {
            case "bit":
                block[random.Next(block.Length)] ^= 4;
                break;
            case "zero":
                block.Clear();
                break;
            case "noise":
                random.NextBytes(block);
                break;
        }
    }

    // The parity file of a segment one of whose blocks was another one: sound in itself.
    private static void Restate(string file, byte[] right, int block = 1)
    {
        byte[] bytes = (byte[])right.Clone();
        Assert.True(ParityHeader.TryDecode(bytes.AsSpan(0, 4096), out ParityHeader header, out _));
        int blocks = ParityHeader.DataBlocksOf(header.SegmentBits), group = block % ParityHeader.GroupsOf(header.SegmentBits);
        Span<byte> table = bytes.AsSpan(4096, ParityHeader.TableLengthBytesOf(header.SegmentBits));
        byte[] was = new byte[Block];
        using (FileStream segment = File.OpenRead(file.Replace("/parity/", "/events/", StringComparison.Ordinal).Replace(".parity", ".log", StringComparison.Ordinal)))
        {
            segment.Position = 32768 + (block * Block);
            segment.ReadExactly(was);
        }

        byte[] other = RandomNumberGenerator.GetBytes(Block);
        Span<byte> parity = bytes.AsSpan(ParityHeader.ParityOffsetOf(header.SegmentBits) + (group * Block), Block);
        ParityBlocks.Xor(parity, was);
        ParityBlocks.Xor(parity, other);
        Checksum.Write128(table[(16 * block)..], ParityBlocks.BlockCheck(header.StoreId, 0, block, other));
        Checksum.Write128(table[(16 * (blocks + group))..], ParityBlocks.BlockCheck(header.StoreId, 0, blocks + group, parity));
        (header with { TableCheck = ParityBlocks.TableCheck(header.StoreId, 0, table) }).Encode(bytes.AsSpan(0, 4096));
        File.WriteAllBytes(file, bytes);
    }
}
