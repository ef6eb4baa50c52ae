// Why this file exists: liblmdb crashes or loops on damaged files; ours must answer. Each test damages a real file in one way and reads it in
// every way, over memory that ends at inaccessible pages.
// Invariants: nothing may throw, crash or hang; where the damage is structural the walker must also see it.

using System.Buffers.Binary;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

public sealed class LmdbDamageTests
{
    private const int PageSize = 4096;
    private static readonly bool AllFlips = Environment.GetEnvironmentVariable("STATESTORE_LONG_TESTS") == "1";

    [Fact]
    public void Bit_flips_are_read_without_crash_or_hang_and_structural_ones_are_found()
    {
        byte[] sound = SampleBytes(out bool[] structural, out CheckedPages checkedPages);
        List<string> missed = [];
        int flips = 0;
        RunBounded(() =>
        {
            using GuardedBytes file = new(sound);
            Assert.True(HostileReader.ReadAll(file, checkedPages, full: true)!.IsSound);
            for (int at = 0; at < sound.Length; at++)
            {
                for (int bit = 0; bit < 8; bit++)
                {
                    // A flip in a value, a gap or a free page changes nothing that readers follow: a sample of those is enough, and the walk
                    // alone. STATESTORE_LONG_TESTS=1 flips every bit.
                    bool isSampled = bit == at % 8;
                    if (!AllFlips && !structural[at] && (!isSampled || at % 5 != 0))
                    {
                        continue;
                    }

                    file.Bytes[at] ^= (byte)(1 << bit);
                    LmdbWalkReport? report = HostileReader.ReadAll(file, checkedPages, full: structural[at] && (AllFlips || isSampled));
                    flips++;
                    if (structural[at] && report is { IsSound: true } && !IsOtherTransaction(at, bit))
                    {
                        missed.Add($"page {at / PageSize} offset {at % PageSize} bit {bit}");
                    }

                    file.Bytes[at] ^= (byte)(1 << bit);
                }
            }
        });
        Assert.True(flips > (AllFlips ? (8 * sound.Length) - 1 : 8 * structural.Count(isStructural => isStructural)));
        Assert.True(missed.Count == 0, string.Join("\n", missed.Take(40)) + $"\n{missed.Count} missed");
    }

    [Fact]
    public void A_file_cut_at_any_length_is_read_without_crash()
    {
        byte[] sound = SampleBytes(out _, out CheckedPages checkedPages);
        RunBounded(() =>
        {
            for (int pages = 0; pages < sound.Length / PageSize; pages++)
            {
                using GuardedBytes file = new(sound.AsSpan(0, pages * PageSize));
                LmdbWalkReport? report = HostileReader.ReadAll(file, checkedPages, full: true);
                Assert.False(report is { IsSound: true });
            }
        });
    }

    [Fact]
    public void A_file_cut_within_a_page_is_read_by_position_without_crash()
    {
        byte[] sound = SampleBytes(out _, out _);
        using Testing.TemporaryDirectory directory = new();
        RunBounded(() =>
        {
            for (int length = 0; length < sound.Length; length += length < 2 * PageSize ? 61 : 1777)
            {
                string path = directory.PathOf("cut");
                File.WriteAllBytes(path, sound.AsSpan(0, length));
                using FileView view = new(path);
                if (!view.MetaFault.IsFault)
                {
                    Assert.False(view.Walk(HostileReader.Toucher.Instance).IsSound);
                    HostileReader.ReadTrees(new FilePages(view.Cache), view.Meta, null);
                }
            }
        });
    }

    [Fact]
    public void A_zeroed_page_in_use_is_found()
    {
        byte[] sound = SampleBytes(out bool[] structural, out CheckedPages checkedPages);
        RunBounded(() =>
        {
            using GuardedBytes file = new(sound);
            for (int page = 0; page < sound.Length / PageSize; page++)
            {
                file.Bytes.Slice(page * PageSize, PageSize).Clear();
                LmdbWalkReport? report = HostileReader.ReadAll(file, checkedPages, full: true);
                Assert.False(structural[page * PageSize] && report is { IsSound: true }, $"page {page}");
                sound.AsSpan(page * PageSize, PageSize).CopyTo(file.Bytes[(page * PageSize)..]);
            }
        });
    }

    [Fact]
    public void Two_swapped_pages_are_found()
    {
        byte[] sound = SampleBytes(out bool[] structural, out CheckedPages checkedPages);
        RunBounded(() =>
        {
            using GuardedBytes file = new(sound);
            int pages = sound.Length / PageSize;
            for (int first = 0; first < pages; first++)
            {
                for (int second = first + 1; second < pages; second++)
                {
                    Swap(file.Bytes, first, second);
                    LmdbWalkReport? report = HostileReader.ReadAll(file, checkedPages, full: false);
                    Assert.False((structural[first * PageSize] || structural[second * PageSize]) && report is { IsSound: true }, $"pages {first} and {second}");
                    Swap(file.Bytes, first, second);
                }
            }

            HostileReader.ReadAll(file, checkedPages, full: true);
        });
    }

    [Fact]
    public void Child_pointers_that_form_a_cycle_are_found_and_never_followed_for_ever()
    {
        byte[] sound = SampleBytes(out bool[] structural, out CheckedPages checkedPages);
        int[] branches = [.. Enumerable.Range(2, (sound.Length / PageSize) - 2).Where(page => structural[page * PageSize] && IsKind(sound, page, LmdbLayout.BranchPage))];
        Assert.NotEmpty(branches);
        RunBounded(() =>
        {
            using GuardedBytes file = new(sound);
            foreach (int branch in branches)
            {
                foreach (int target in branches)
                {
                    // Every child becomes the target, so a follower without bounds would never leave.
                    Span<byte> page = file.Bytes.Slice(branch * PageSize, PageSize);
                    int keys = (BinaryPrimitives.ReadUInt16LittleEndian(page[LmdbLayout.PageLower..]) - 16) / 2;
                    for (int i = 0; i < keys; i++)
                    {
                        int node = BinaryPrimitives.ReadUInt16LittleEndian(page[(16 + (2 * i))..]);
                        BinaryPrimitives.WriteUInt32LittleEndian(page[node..], (uint)target);
                    }

                    LmdbWalkReport? report = HostileReader.ReadAll(file, checkedPages, full: true);
                    Assert.False(report is { IsSound: true });
                    sound.AsSpan(branch * PageSize, PageSize).CopyTo(page);
                }
            }
        });
    }

    // Keys out of place end the walk of a plain database at once; where keys are numbers the bound on leaves does.
    [Theory]
    [InlineData(false, LmdbFaultCode.KeyOrder)]
    [InlineData(true, LmdbFaultCode.Cycle)]
    public void A_cursor_over_a_deep_cycle_of_branches_ends(bool isIntegerKeyed, LmdbFaultCode expected)
    {
        // A hand-made tree: one branch whose children are all one branch, and so on for 31 levels, above one leaf. Without a bound on leaves a
        // walk would take 2^31 leaves.
        using GuardedBytes file = new(DeepDag(isIntegerKeyed ? (ushort)8 : (ushort)0, out LmdbDatabaseRecord record));
        unsafe
        {
            MappedPages pages = new(file.Start, file.Length, PageSize);
            LmdbReader<MappedPages> reader = new(pages, pages.PageCount - 1);
            LmdbCursor<MappedPages> cursor = new(reader, in record);
            int steps = 0;
            LmdbReadStatus status = cursor.SeekFirst();
            for (; status == LmdbReadStatus.Found; status = cursor.Next())
            {
                Assert.True(++steps < 1000);
            }

            Assert.Equal(LmdbReadStatus.Fault, status);
            Assert.Equal(expected, cursor.Fault.Code);
        }
    }

    [Fact]
    public void Random_bytes_behind_sound_metas_are_read_without_crash()
    {
        byte[] sound = SampleBytes(out _, out CheckedPages checkedPages);
        RunBounded(() =>
        {
            for (int seed = 0; seed < 300; seed++)
            {
                using GuardedBytes file = new(sound);
                Random random = new(seed);
                for (int hit = 0; hit < 1 + (seed % 40); hit++)
                {
                    int at = random.Next(file.Length);
                    int length = Math.Min(random.Next(1, 64), file.Length - at);
                    random.NextBytes(file.Bytes.Slice(at, length));
                }

                HostileReader.ReadAll(file, checkedPages, full: true);
            }
        });
    }

    // Adding or taking 2 from a transaction number leaves two consecutive numbers: the file then looks like one of another time, which
    // only something outside it, the log's position, can tell.
    private static bool IsOtherTransaction(int at, int bit) => at is 144 or PageSize + 144 && bit == 1;

    private static byte[] DeepDag(ushort flags, out LmdbDatabaseRecord record)
    {
        const int Depth = 32;
        byte[] bytes = new byte[(Depth + 2) * PageSize];
        for (int level = 0; level < Depth; level++)
        {
            bool isLeaf = level == Depth - 1;
            Span<byte> page = bytes.AsSpan((level + 2) * PageSize, PageSize);
            BinaryPrimitives.WriteUInt64LittleEndian(page, (ulong)(level + 2));
            BinaryPrimitives.WriteUInt16LittleEndian(page[LmdbLayout.PageFlags..], (ushort)(isLeaf ? LmdbLayout.LeafPage : LmdbLayout.BranchPage));
            BinaryPrimitives.WriteUInt16LittleEndian(page[LmdbLayout.PageLower..], 20);
            BinaryPrimitives.WriteUInt16LittleEndian(page[LmdbLayout.PageUpper..], PageSize - 20);
            for (int i = 0; i < 2; i++)
            {
                int node = PageSize - (10 * (i + 1));
                BinaryPrimitives.WriteUInt16LittleEndian(page[(16 + (2 * i))..], (ushort)node);
                BinaryPrimitives.WriteUInt32LittleEndian(page[node..], isLeaf ? 0u : (uint)(level + 3));
                BinaryPrimitives.WriteUInt16LittleEndian(page[(node + LmdbLayout.NodeKeySize)..], 1);
                page[node + 8] = (byte)i;
            }
        }

        record = new LmdbDatabaseRecord(0, flags, Depth, 1, 1, 0, 2, 2);
        return bytes;
    }

    /// <summary>The sample's bytes, with the bytes whose every bit readers or the walker must mind.</summary>
    private static byte[] SampleBytes(out bool[] structural, out CheckedPages checkedPages)
    {
        using LmdbSample sample = LmdbSample.Varied();
        checkedPages = new CheckedPages(1 << 16);
        using FileView view = new(sample.DataPath);
        Assert.True(view.Walk(checkedPages: checkedPages).IsSound);
        byte[] bytes = sample.ReadFile();
        structural = StructuralBytes.Of(bytes, view.Meta);
        return bytes;
    }

    private static bool IsKind(byte[] bytes, int page, int kind) =>
        BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan((page * PageSize) + LmdbLayout.PageFlags)) == kind;

    private static void Swap(Span<byte> bytes, int first, int second)
    {
        Span<byte> hold = stackalloc byte[PageSize];
        bytes.Slice(first * PageSize, PageSize).CopyTo(hold);
        bytes.Slice(second * PageSize, PageSize).CopyTo(bytes[(first * PageSize)..]);
        hold.CopyTo(bytes[(second * PageSize)..]);
    }

    // A hang must fail the test, not the machine. The bound is far above what any of these takes.
    private static void RunBounded(Action action)
    {
        Task task = Task.Run(action);
        Assert.True(Task.WhenAny(task, Task.Delay(TimeSpan.FromMinutes(8))).GetAwaiter().GetResult() == task, "The readers hang.");
        task.GetAwaiter().GetResult();
    }
}
