// Why this file exists: a body is read in place by everything that reads the store, so that whatever its bytes, reading must stay inside, and one value
// must have one encoding.

using System.Buffers.Binary;
using System.Text;

namespace SourceOS.StateStore.Format.Tests;

public sealed class RecordBodyTests
{
    private static RecordBodyView Read(byte[] body)
    {
        Assert.True(RecordBodyView.TryRead(body, out RecordBodyView view, out FormatFault fault), fault.ToString());
        return view;
    }

    private static FaultCode FaultOf(byte[] body)
    {
        Assert.False(RecordBodyView.TryRead(body, out _, out FormatFault fault));
        Assert.InRange(fault.OffsetBytes, 0, body.Length);
        return fault.Code;
    }

    /// <summary>Reads everything a body offers; fails when an accessor throws.</summary>
    private static bool ReadAll(ReadOnlySpan<byte> bytes)
    {
        if (!RecordBodyView.TryRead(bytes, out RecordBodyView view, out _))
        {
            return false;
        }

        for (int slot = -1; slot <= 64; slot++)
        {
            _ = view.TagOf(slot);
            _ = view.RawValue(slot).Length;
            _ = view.TryGetText(slot, out _);
            _ = view.TryGetJson(slot, out _);
            _ = view.TryGetInteger(slot, out _);
            _ = view.TryGetTime(slot, out _);
            _ = view.TryGetBoolean(slot, out _);
            _ = view.TryGetSha256(slot, out _);
            if (view.TryGetList(slot, out TextList list))
            {
                int count = 0;
                foreach (ReadOnlySpan<byte> item in list)
                {
                    count += item.Length >= 0 ? 1 : 0;
                }

                Assert.Equal(list.Count, count);
            }
        }

        foreach (RecordExtension extension in view.Extensions)
        {
            Assert.InRange(extension.Name.Length, 1, 255);
            Assert.False(JsonText.Check(extension.Json).IsFault);
        }

        _ = RecordBodyRules.Check(RecordKind.Object, view);
        return true;
    }

    private static byte[] Sample() => new RecordBodyBuilder()
        .SetText(1, "type").SetText(2, "").SetNull(3).SetInteger(22, -5).SetTime(10, 1_000_001).SetBoolean(28, true).SetList(15, ["a", "", "é"])
        .SetSha256(17, MerkleHash.Leaf("h"u8)).SetJson(26, "{\"b\":[1.0,2e3],\"a\":null}"u8)
        .AddExtension("ns"u8, "one"u8, "1"u8).AddExtension(""u8, "two"u8, "\"x y\""u8).Build();

    [Fact]
    public void Every_type_comes_back()
    {
        RecordBodyView view = Read(Sample());
        Assert.Equal(29, view.SlotCount);
        Assert.True(view.TryGetText(1, out ReadOnlySpan<byte> text) && text.SequenceEqual("type"u8));
        Assert.True(view.TryGetText(2, out text) && text.IsEmpty);
        Assert.Equal(FieldTag.Null, view.TagOf(3));
        Assert.Equal(FieldTag.Absent, view.TagOf(4));
        Assert.Equal(FieldTag.Absent, view.TagOf(63));
        Assert.True(view.TryGetInteger(22, out long number) && number == -5);
        Assert.True(view.TryGetTime(10, out long micros) && micros == 1_000_001);
        Assert.True(view.TryGetBoolean(28, out bool truth) && truth);
        Assert.True(view.TryGetSha256(17, out Hash256 hash) && hash == MerkleHash.Leaf("h"u8));
        Assert.True(view.TryGetJson(26, out ReadOnlySpan<byte> json) && json.SequenceEqual("{\"b\":[1.0,2e3],\"a\":null}"u8));
        Assert.True(view.TryGetList(15, out TextList list));
        var texts = new List<string>();
        foreach (ReadOnlySpan<byte> item in list)
        {
            texts.Add(Encoding.UTF8.GetString(item));
        }

        Assert.Equal(["a", "", "é"], texts);
        Assert.True(list.Contains("é"u8));
        Assert.False(list.Contains("b"u8));
        var extensions = new List<string>();
        foreach (RecordExtension extension in view.Extensions)
        {
            extensions.Add($"{Encoding.UTF8.GetString(extension.Namespace)}|{Encoding.UTF8.GetString(extension.Name)}|{Encoding.UTF8.GetString(extension.Json)}");
        }

        Assert.Equal(["ns|one|1", "|two|\"x y\""], extensions);
        Assert.False(view.TryGetInteger(1, out _) || view.TryGetText(22, out _) || view.TryGetTime(22, out _) || view.TryGetSha256(1, out _));
    }

    [Fact]
    public void The_order_of_setting_does_not_change_the_bytes()
    {
        byte[] one = new RecordBodyBuilder().SetText(1, "a").SetInteger(5, 7).SetText(3, "c").Build();
        byte[] two = new RecordBodyBuilder().SetText(3, "x").SetInteger(5, 7).SetText(9, "gone").SetText(1, "a").SetText(3, "c").Remove(9).Build();
        Assert.Equal(one, two);
    }

    [Fact]
    public void Copying_gives_the_same_bytes_and_later_fields_win()
    {
        byte[] body = Sample();
        Assert.Equal(body, new RecordBodyBuilder().CopyFrom(Read(body)).Build());
        byte[] changed = new RecordBodyBuilder().CopyFrom(Read(body)).SetText(1, "other").Remove(28).Build();
        RecordBodyView view = Read(changed);
        Assert.True(view.TryGetText(1, out ReadOnlySpan<byte> text) && text.SequenceEqual("other"u8));
        Assert.Equal(FieldTag.Absent, view.TagOf(28));
        Assert.Equal(2, view.Extensions.Count);
    }

    [Fact]
    public void A_builder_forgets_when_told()
    {
        var builder = new RecordBodyBuilder().SetText(1, "a").AddExtension("n"u8, "x"u8, "1"u8);
        builder.Clear();
        Assert.Equal(new RecordBodyBuilder().Build(), builder.Build());
        Assert.Equal([0, 0, 1, 0, 0, 0, 0, 0], builder.Build());
    }

    [Fact]
    public void No_truncation_passes()
    {
        Damage.AssertEveryTruncationIsRefused(Sample(), ReadAll);
        Assert.False(ReadAll([.. Sample(), 0]));
    }

    [Fact]
    public void Noise_never_throws_and_accessors_never_fail()
    {
        Damage.AssertNoiseNeverThrows(Sample(), ReadAll, 300_000, 3);
        Damage.AssertNoiseNeverThrows(new RecordBodyBuilder().SetList(0, ["a", "b"]).Build(), ReadAll, 100_000, 4);
        Damage.AssertNoiseNeverThrows(new RecordBodyBuilder().AddExtension("n"u8, "x"u8, "[1]"u8).Build(), ReadAll, 100_000, 5);
    }

    [Fact]
    public void Every_flipped_bit_is_refused_or_reads_as_another_value()
    {
        byte[] body = Sample();
        byte[] copy = [.. body];
        for (int bit = 0; bit < body.Length * 8; bit++)
        {
            copy[bit >> 3] ^= (byte)(1 << (bit & 7));
            if (RecordBodyView.TryRead(copy, out RecordBodyView view, out _))
            {
                // What is accepted has one encoding: building it again gives these very bytes.
                Assert.Equal(copy, new RecordBodyBuilder().CopyFrom(view).Build());
            }

            copy[bit >> 3] ^= (byte)(1 << (bit & 7));
        }
    }

    [Fact]
    public void Broken_rules_are_named()
    {
        byte[] text = new RecordBodyBuilder().SetText(0, "ab").SetText(1, "cd").Build();
        Assert.Equal(FaultCode.Truncated, FaultOf([1, 0, 1, 0]));
        Assert.Equal(FaultCode.UnsupportedVersion, FaultOf(With(text, 2, 2)));
        Assert.Equal(FaultCode.OutOfRange, FaultOf(With(text, 0, 65)));
        Assert.Equal(FaultCode.Truncated, FaultOf(With(text, 0, 64)));
        Assert.Equal(FaultCode.NotCanonical, FaultOf(With(text, 8, 25)));
        Assert.Equal(FaultCode.UnknownCode, FaultOf(With(text, 15, 9)));
        Assert.Equal(FaultCode.InvalidUtf8, FaultOf(With(text, 24, 0xFF)));
        Assert.Equal(FaultCode.Truncated, FaultOf(With(text, 20, 200)));
        Assert.Equal(FaultCode.TrailingBytes, FaultOf(With(text, 20, 1)));
        Assert.Equal(FaultCode.NotCanonical, FaultOf(With(text, 4, 27)));
        Assert.Equal(FaultCode.Truncated, FaultOf(With(text, 4, 28)));

        // The last slot in use must be used.
        byte[] unused = new byte[16];
        unused[0] = 1;
        unused[2] = 1;
        Assert.Equal(FaultCode.NotCanonical, FaultOf(unused));

        // White space in stored JSON would give one value two encodings.
        byte[] json = new RecordBodyBuilder().SetJson(0, "[11]"u8).Build();
        Assert.Equal(FaultCode.NotCanonical, FaultOf(With(json, 17, (byte)' ')));
        Assert.Equal(FaultCode.InvalidJson, FaultOf(With(json, 17, (byte)'x')));

        byte[] time = new RecordBodyBuilder().SetTime(0, 0).Build();
        Assert.Equal(FaultCode.OutOfRange, FaultOf(With(time, 23, 0x7F)));

        byte[] list = new RecordBodyBuilder().SetList(0, ["abc"]).Build();
        Assert.Equal(FaultCode.CountMismatch, FaultOf(With(list, 19, 0x80)));
        Assert.Equal(FaultCode.Truncated, FaultOf(With(list, 20, 4)));
        Assert.Equal(FaultCode.TrailingBytes, FaultOf(With(list, 20, 2)));

        byte[] extension = new RecordBodyBuilder().AddExtension("n"u8, "x"u8, "1"u8).Build();
        Assert.Equal(FaultCode.CountMismatch, FaultOf(With(extension, 8, 0)));
        Assert.Equal(FaultCode.Truncated, FaultOf(With(extension, 8, 2)));
        Assert.Equal(FaultCode.OutOfRange, FaultOf(With(extension, 14, 0)));
        Assert.Equal(FaultCode.Truncated, FaultOf(With(extension, 19, 0x80)));
    }

    [Fact]
    public void A_body_over_the_bound_is_not_built_and_not_read()
    {
        var builder = new RecordBodyBuilder().SetText(1, new string('x', 600_000)).SetText(2, new string('x', 600_000));
        Assert.Throws<InvalidOperationException>(() => builder.Build());
        Assert.False(builder.TryBuild(out byte[]? body));
        Assert.Null(body);
        Assert.Equal(FaultCode.OutOfRange, FaultOf(new byte[FormatLimits.MaxRecordBodyLengthBytes + 1]));
    }

    [Fact]
    public void Misuse_of_the_builder_is_refused()
    {
        var builder = new RecordBodyBuilder();
        Assert.Throws<ArgumentOutOfRangeException>(() => builder.SetNull(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => builder.SetNull(64));
        Assert.Throws<ArgumentException>(() => builder.SetText(1, [0xFF]));
        Assert.ThrowsAny<ArgumentException>(() => builder.SetText(1, "\uD800"));
        Assert.Throws<ArgumentException>(() => builder.SetJson(1, "[1, 2]"u8));
        Assert.Throws<ArgumentException>(() => builder.SetTime(1, long.MaxValue));
        Assert.Throws<ArgumentException>(() => builder.AddExtension("n"u8, ""u8, "1"u8));
        Assert.Throws<ArgumentException>(() => builder.AddExtension(new byte[256], "x"u8, "1"u8));
        Assert.Throws<ArgumentException>(() => builder.AddExtension("n"u8, "x"u8, "1 "u8));
        Assert.Throws<ArgumentException>(() => builder.SetValue(RecordKinds.Get(RecordKind.Object).FieldAt(1), "x"u8));
    }

    [Fact]
    public void The_kinds_rules_find_every_value_under_a_wrong_tag()
    {
        FaultCode Check(RecordBodyBuilder builder) => RecordBodyRules.Check(RecordKind.Task, Read(builder.Build())).Code;

        // attempt I = 4, evidence_refs L = 7, created_at D = 8, replay_safe B = 15, status T = 3; kind task has 16 slots.
        Assert.Equal(FaultCode.None, Check(new RecordBodyBuilder().SetInteger(4, 1).SetList(7, ["a"]).SetTime(8, 1).SetBoolean(15, true).SetText(3, "x")));
        Assert.Equal(FaultCode.None, Check(new RecordBodyBuilder().SetText(4, "1").SetText(7, "a").SetText(8, "x").SetJson(15, "1"u8).SetJson(3, "[]"u8)));
        Assert.Equal(FaultCode.None, Check(new RecordBodyBuilder().SetJson(4, "1.0"u8).SetJson(7, "[1]"u8).SetNull(8)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetJson(4, "1"u8)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetJson(4, "null"u8)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetJson(4, "\"a\""u8)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetInteger(3, 1)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetTime(4, 1)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetJson(7, "[\"a\"]"u8)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetJson(7, "[]"u8)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetText(8, "2026-05-05T00:00:00Z")));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetJson(15, "true"u8)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetList(3, ["a"])));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetBoolean(3, true)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetText(0, "sourceos.operation-task/v1alpha1")));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetText(0, "other")));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().SetText(0, "sourceos.object-record/v1alpha1")));
        Assert.Equal(FaultCode.OutOfRange, Check(new RecordBodyBuilder().SetText(16, "x")));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().AddExtension(""u8, "status"u8, "1"u8)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().AddExtension(""u8, "task_id"u8, "1"u8)));
        Assert.Equal(FaultCode.NotCanonical, Check(new RecordBodyBuilder().AddExtension(""u8, "schema"u8, "1"u8)));
        Assert.Equal(FaultCode.DuplicateName, Check(new RecordBodyBuilder().AddExtension("a"u8, "x"u8, "1"u8).AddExtension("b"u8, "x"u8, "1"u8)));
        Assert.Equal(FaultCode.UnknownCode, RecordBodyRules.Check((RecordKind)20, Read(Sample())).Code);

        string hash = "sha256:" + new string('a', 64);
        Assert.Equal(FaultCode.NotCanonical, RecordBodyRules.Check(RecordKind.Object, Read(new RecordBodyBuilder().SetText(17, hash).Build())).Code);
    }

    [Fact]
    public void Any_json_value_takes_its_fields_encoding()
    {
        RecordKindInfo task = RecordKinds.Get(RecordKind.Task);
        byte[] values = new RecordBodyBuilder()
            .SetValue(task.FieldAt(4), " 1 "u8).SetValue(task.FieldAt(7), "[ \"a\" , \"b\" ]"u8).SetValue(task.FieldAt(8), "\"1970-01-01T00:00:01Z\""u8)
            .SetValue(task.FieldAt(15), "true"u8).SetValue(task.FieldAt(3), "\"\\u0078\""u8).SetValue(task.FieldAt(5), "null"u8).Build();
        byte[] direct = new RecordBodyBuilder()
            .SetInteger(4, 1).SetList(7, ["a", "b"]).SetTime(8, 1_000_000).SetBoolean(15, true).SetText(3, "x").SetNull(5).Build();
        Assert.Equal(direct, values);
    }

    [Fact]
    public void Reading_allocates_nothing()
    {
        byte[] body = Sample();
        Allocations.AssertNone(() =>
        {
            Assert.True(RecordBodyView.TryRead(body, out RecordBodyView view, out _));
            Assert.True(view.TryGetText(1, out _) && view.TryGetTime(10, out _) && view.TryGetList(15, out TextList list) && list.Contains("a"u8));
            foreach (RecordExtension extension in view.Extensions)
            {
                Assert.False(extension.Name.IsEmpty);
            }
        });
    }

    private static byte[] With(byte[] body, int offset, byte value)
    {
        byte[] copy = [.. body];
        copy[offset] = value;
        return copy;
    }
}
