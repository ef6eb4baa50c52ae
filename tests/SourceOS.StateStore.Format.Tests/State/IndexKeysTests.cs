// Why this file exists: index keys are derived from bodies in three places (fold, verifier, lists), which agree only while the function is exactly the page's.

using System.Buffers.Binary;
using System.Text;

namespace SourceOS.StateStore.Format.Tests;

public sealed class IndexKeysTests
{
    private const ulong Surrogate = 0x1122334455667788;

    private static byte[] Be(ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] N(string text) => Be(text.Length == 0 ? 0 : Checksum.Xxh64(Encoding.UTF8.GetBytes(text)));

    private static List<string> Derive(RecordBodyBuilder builder, bool isTombstone = false)
    {
        var keys = new IndexKeys();
        Assert.True(RecordBodyView.TryRead(builder.Build(), out RecordBodyView body, out FormatFault fault), fault.ToString());
        keys.Derive(body, isTombstone, Surrogate);
        var list = new List<string>();
        for (int i = 0; i < keys.Count; i++)
        {
            list.Add(Convert.ToHexStringLower(keys[i]));
            Assert.True(keys.Contains(keys[i]));
            Assert.InRange(keys[i].Length, 9, IndexKeys.MaxKeyLengthBytes);
        }

        return list;
    }

    [Theory]
    [InlineData(RecordKind.Object, false, true, 2)]
    [InlineData(RecordKind.Device, false, true, 1)]
    [InlineData(RecordKind.Device, false, false, 0)]
    [InlineData(RecordKind.Device, true, true, 0)]
    public void The_mark_for_boot_has_a_key_in_every_kind_that_is_no_tombstone(RecordKind kind, bool isTombstone, bool isBootCritical, int count)
    {
        var keys = new IndexKeys();
        Assert.True(RecordBodyView.TryRead(new RecordBodyBuilder().Build(), out RecordBodyView body, out _));
        keys.Derive(kind, body, isTombstone, isBootCritical, Surrogate);
        Assert.Equal(kind == RecordKind.Object ? count + 2 : count, keys.Count);
        if (isBootCritical && !isTombstone)
        {
            Assert.Equal(Hex([6], Be(Surrogate)), Convert.ToHexStringLower(keys[keys.Count - 1]));
        }
    }

    private static string Hex(params byte[][] parts) => Convert.ToHexStringLower([.. parts.SelectMany(p => p)]);

    private static RecordBodyBuilder Full(string path) => new RecordBodyBuilder()
        .SetText(ObjectSlots.ProfileId, "profile").SetText(ObjectSlots.ObjectType, "file").SetText(ObjectSlots.WorkspaceId, "workspace")
        .SetText(ObjectSlots.LastModifiedByActor, "actor").SetText(ObjectSlots.State, "active").SetText(ObjectSlots.Path, path)
        .SetTime(ObjectSlots.UpdatedAt, 5).SetText(ObjectSlots.ContentHash, "sha256:example");

    [Fact]
    public void A_full_object_has_the_five_keys_of_the_page()
    {
        UInt128 hash = Checksum.Xxh128(0, "sha256:example"u8);
        byte[] stored = new byte[16];
        Checksum.Write128(stored, hash);
        Assert.Equal(
            [
                Hex([1], N("profile"), N("file"), Be(Surrogate)),
                Hex([2], N("workspace"), Encoding.UTF8.GetBytes("a/b.txt"), [0], Be(Surrogate)),
                Hex([3], N("actor"), Be(Surrogate)),
                Hex([4], [2], stored, Be(Surrogate)),
                Hex([5], N("active"), Be(5 + (1UL << 63)), Be(Surrogate)),
            ],
            Derive(Full("a/b.txt")));
    }

    [Fact]
    public void Long_paths_keep_their_first_400_bytes_and_a_hash()
    {
        string plain = new('p', 400);
        string cut = new('p', 401);
        Assert.Equal(Hex([2], N("workspace"), Encoding.UTF8.GetBytes(plain), [0], Be(Surrogate)), Derive(Full(plain))[1]);
        Assert.Equal(
            Hex([2], N("workspace"), Encoding.UTF8.GetBytes(plain), [1], Be(Checksum.Xxh64(Encoding.UTF8.GetBytes(cut))), Be(Surrogate)),
            Derive(Full(cut))[1]);
    }

    [Fact]
    public void A_hash_is_indexed_by_its_bytes()
    {
        Hash256 hash = MerkleHash.Leaf("x"u8);
        Assert.Equal(Hex([4], [8], hash.Bytes.ToArray(), Be(Surrogate)), Derive(Full("p").SetSha256(ObjectSlots.ContentHash, hash))[3]);
    }

    [Fact]
    public void An_empty_object_has_zeroes_and_no_path_or_hash_key()
    {
        byte[] zero = new byte[8];
        Assert.Equal(
            [Hex([1], zero, zero, Be(Surrogate)), Hex([3], zero, Be(Surrogate)), Hex([5], zero, Be(1UL << 63), Be(Surrogate))],
            Derive(new RecordBodyBuilder()));
    }

    [Fact]
    public void Null_empty_and_other_types_count_as_absent()
    {
        RecordBodyBuilder builder = new RecordBodyBuilder()
            .SetNull(ObjectSlots.ProfileId).SetText(ObjectSlots.ObjectType, "").SetJson(ObjectSlots.LastModifiedByActor, "5"u8)
            .SetText(ObjectSlots.UpdatedAt, "yesterday").SetJson(ObjectSlots.Path, "[]"u8).SetJson(ObjectSlots.ContentHash, "[]"u8);
        Assert.Equal(Derive(new RecordBodyBuilder()), Derive(builder));
    }

    [Fact]
    public void A_tombstone_is_found_by_its_state_only() =>
        Assert.Equal([Hex([5], N("active"), Be(5 + (1UL << 63)), Be(Surrogate))], Derive(Full("p"), isTombstone: true));

    [Fact]
    public void Times_before_1970_sort_before_later_ones()
    {
        string before = Derive(Full("p").SetTime(ObjectSlots.UpdatedAt, -1))[4];
        string after = Derive(Full("p").SetTime(ObjectSlots.UpdatedAt, 0))[4];
        Assert.True(string.CompareOrdinal(before, after) < 0);
    }

    [Fact]
    public void The_slots_it_reads_are_those_of_the_object_kind()
    {
        RecordKindInfo info = RecordKinds.Get(RecordKind.Object);
        foreach (System.Reflection.FieldInfo field in typeof(ObjectSlots).GetFields())
        {
            string name = string.Concat(field.Name.Select((c, i) => char.IsUpper(c) && i > 0 ? "_" + char.ToLowerInvariant(c) : char.ToLowerInvariant(c).ToString()));
            Assert.True(info.TryGetField(name, out KnownField? known), name);
            Assert.Equal(known.Slot, (int)field.GetRawConstantValue()!);
        }
    }

    [Fact]
    public void Deriving_allocates_nothing()
    {
        var keys = new IndexKeys();
        byte[] body = Full(new string('p', 500)).Build();
        Allocations.AssertNone(() =>
        {
            Assert.True(RecordBodyView.TryRead(body, out RecordBodyView view, out _));
            keys.Derive(view, isTombstone: false, Surrogate);
        });
    }
}
