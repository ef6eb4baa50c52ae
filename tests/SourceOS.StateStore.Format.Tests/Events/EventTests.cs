// Why this file exists: events are what the store keeps for ever, so that each field must come back and each broken rule must show.

using System.Buffers.Binary;
using System.Text;

namespace SourceOS.StateStore.Format.Tests;

public sealed class EventTests
{
    private static bool Accepts(ReadOnlySpan<byte> bytes) => EventView.TryRead(bytes, out _, out _);

    private static EventFields Fields() => new()
    {
        Lane = Lane.Secure,
        Action = EventAction.Put,
        SubjectKind = RecordKind.Device,
        Sequence = 10,
        PreviousSequence = 4,
        OccurredAtMicros = -5,
        ImageMarks = ImageMarks.BootCritical,
        Type = "sync.device.registered"u8,
        Actor = "actor:a"u8,
        Device = "device:d"u8,
        Profile = "profile:p"u8,
        Workspace = "workspace:w"u8,
        SubjectId = "device:d"u8,
        DecisionId = "policy-decision:1"u8,
        Data = "{\"a\":1}"u8,
        Image = EmptyBody,
    };

    private static readonly byte[] EmptyBody = new RecordBodyBuilder().Build();

    private static byte[] Write(in EventFields fields)
    {
        byte[] bytes = new byte[EventWriter.Measure(fields)];
        EventWriter.Write(bytes, fields);
        return bytes;
    }

    [Fact]
    public void Every_field_comes_back()
    {
        byte[] bytes = Write(Fields());
        Assert.True(EventView.TryRead(bytes, out EventView view, out FormatFault fault), fault.ToString());
        Assert.Equal(Lane.Secure, view.Lane);
        Assert.Equal(EventAction.Put, view.Action);
        Assert.True(view.HasSubject);
        Assert.Equal(RecordKind.Device, view.SubjectKind);
        Assert.Equal(10UL, view.Sequence);
        Assert.Equal(4UL, view.PreviousSequence);
        Assert.Equal(-5, view.OccurredAtMicros);
        Assert.True(view.IsBootCritical);
        Assert.Equal("sync.device.registered", Encoding.UTF8.GetString(view.Type));
        Assert.Equal("actor:a", Encoding.UTF8.GetString(view.Actor));
        Assert.Equal("device:d", Encoding.UTF8.GetString(view.Device));
        Assert.Equal("profile:p", Encoding.UTF8.GetString(view.Profile));
        Assert.Equal("workspace:w", Encoding.UTF8.GetString(view.Workspace));
        Assert.Equal("device:d", Encoding.UTF8.GetString(view.SubjectId));
        Assert.Equal("policy-decision:1", Encoding.UTF8.GetString(view.DecisionId));
        Assert.Equal("{\"a\":1}", Encoding.UTF8.GetString(view.Data));
        Assert.Equal(EmptyBody, view.Image.ToArray());
        Assert.False(view.CheckContent().IsFault);
    }

    [Fact]
    public void What_is_written_is_read_and_writes_again_to_the_same_bytes() =>
        Property.Holds(random =>
        {
            byte[] bytes = Samples.Event(random, (ulong)random.NextInt64(1, long.MaxValue));
            if (!EventView.TryRead(bytes, out EventView view, out _) || view.CheckContent().IsFault)
            {
                return false;
            }

            var again = new EventFields
            {
                Lane = view.Lane, Action = view.Action, SubjectKind = view.SubjectKind, Sequence = view.Sequence,
                PreviousSequence = view.PreviousSequence, OccurredAtMicros = view.OccurredAtMicros, ImageMarks = view.ImageMarks,
                Type = view.Type, Actor = view.Actor, Device = view.Device, Profile = view.Profile, Workspace = view.Workspace,
                SubjectId = view.SubjectId, DecisionId = view.DecisionId, Data = view.Data, Image = view.Image,
            };
            return Write(again).AsSpan().SequenceEqual(bytes);
        });

    [Fact]
    public void No_truncation_passes() => Damage.AssertEveryTruncationIsRefused(Write(Fields()), Accepts);

    [Fact]
    public void Trailing_bytes_are_refused()
    {
        Assert.False(EventView.TryRead([.. Write(Fields()), 0], out _, out FormatFault fault));
        Assert.Equal(FaultCode.TrailingBytes, fault.Code);
    }

    [Fact]
    public void Noise_never_throws() => Damage.AssertNoiseNeverThrows(Samples.Event(new Random(1), 9), Accepts, 200_000, 2);

    [Theory]
    [InlineData(0, 2, FaultCode.UnsupportedVersion)]
    [InlineData(1, 0, FaultCode.UnknownCode)]
    [InlineData(1, 12, FaultCode.UnknownCode)]
    [InlineData(2, 0, FaultCode.UnknownCode)]
    [InlineData(2, 5, FaultCode.UnknownCode)]
    [InlineData(2, 1, FaultCode.RuleBroken)]
    [InlineData(2, 4, FaultCode.RuleBroken)]
    [InlineData(3, 0, FaultCode.RuleBroken)]
    [InlineData(3, 20, FaultCode.UnknownCode)]
    [InlineData(4, 0, FaultCode.LengthMismatch)]
    [InlineData(8, 0, FaultCode.OutOfRange)]
    [InlineData(8, 4, FaultCode.RuleBroken)]
    [InlineData(32, 2, FaultCode.UnknownFlag)]
    [InlineData(33, 1, FaultCode.UnknownFlag)]
    [InlineData(34, 0, FaultCode.OutOfRange)]
    [InlineData(35, 1, FaultCode.OutOfRange)]
    [InlineData(37, 1, FaultCode.OutOfRange)]
    [InlineData(50, 2, FaultCode.OutOfRange)]
    [InlineData(54, 32, FaultCode.OutOfRange)]
    [InlineData(56, 1, FaultCode.ReservedNotZero)]
    [InlineData(63, 1, FaultCode.ReservedNotZero)]
    [InlineData(64, (byte)'S', FaultCode.InvalidIdentifier)]
    [InlineData(86, 7, FaultCode.InvalidIdentifier)]
    [InlineData(86, 0xFF, FaultCode.InvalidIdentifier)]
    public void A_broken_rule_is_named(int offset, byte value, FaultCode expected)
    {
        byte[] bytes = Write(Fields());
        bytes[offset] = value;
        Assert.False(EventView.TryRead(bytes, out _, out FormatFault fault));
        Assert.Equal(expected, fault.Code);
    }

    [Fact]
    public void Lengths_that_shift_a_boundary_are_refused_or_stay_inside()
    {
        byte[] bytes = Write(Fields());
        for (int at = 34; at < 48; at += 2)
        {
            byte[] copy = [.. bytes];
            BinaryPrimitives.WriteUInt16LittleEndian(copy.AsSpan(at), ushort.MaxValue);
            Assert.False(Accepts(copy));
        }

        for (int at = 48; at < 56; at += 4)
        {
            byte[] copy = [.. bytes];
            BinaryPrimitives.WriteUInt32LittleEndian(copy.AsSpan(at), uint.MaxValue);
            Assert.False(Accepts(copy));
        }
    }

    [Fact]
    public void Content_is_checked_on_request()
    {
        EventFields fields = Fields();
        fields.Data = "{\"a\":}"u8;
        Assert.True(EventView.TryRead(Write(fields), out EventView view, out _));
        FormatFault fault = view.CheckContent();
        Assert.Equal(FaultCode.InvalidJson, fault.Code);

        fields = Fields();
        fields.Image = "not a body"u8;
        Assert.True(EventView.TryRead(Write(fields), out view, out _));
        Assert.True(view.CheckContent().IsFault);
    }

    [Fact]
    public void Sequences_are_patched_in_place()
    {
        EventFields fields = Fields();
        fields.Sequence = 0;
        fields.PreviousSequence = 0;
        byte[] bytes = Write(fields);
        Assert.False(Accepts(bytes));
        EventWriter.PatchSequence(bytes, 77, 76);
        Assert.True(EventView.TryRead(bytes, out EventView view, out _));
        Assert.Equal(77UL, view.Sequence);
        Assert.Equal(76UL, view.PreviousSequence);
        Assert.Throws<ArgumentException>(() => EventWriter.PatchSequence(bytes, 76, 76));
        Assert.Throws<ArgumentException>(() => EventWriter.PatchSequence(bytes, 0, 0));
    }

    private delegate void Change(ref EventFields fields);

    [Fact]
    public void Fields_that_break_a_rule_are_not_written()
    {
        byte[] longText = new byte[70_000];
        longText.AsSpan().Fill((byte)'a');
        byte[] longBody = new byte[FormatLimits.MaxRecordBodyLengthBytes + 1];
        Change[] changes =
        [
            (ref EventFields f) => f.Lane = 0,
            (ref EventFields f) => f.Lane = (Lane)12,
            (ref EventFields f) => f.Action = 0,
            (ref EventFields f) => f.SubjectKind = 0,
            (ref EventFields f) => f.SubjectKind = (RecordKind)20,
            (ref EventFields f) => f.SubjectId = default,
            (ref EventFields f) => f.ImageMarks = (ImageMarks)2,
            (ref EventFields f) => f.Image = default,
            (ref EventFields f) => f.Action = EventAction.Purge,
            (ref EventFields f) => f.Type = default,
            (ref EventFields f) => f.Type = "Bad"u8,
            (ref EventFields f) => f.Actor = "a\u0001"u8,
            (ref EventFields f) => f.Actor = longText.AsSpan(0, 256),
            (ref EventFields f) => f.Data = longText,
            (ref EventFields f) => f.Image = longBody,
            (ref EventFields f) => f.PreviousSequence = f.Sequence,
        ];
        for (int i = 0; i < changes.Length; i++)
        {
            Assert.Throws<ArgumentException>(() =>
            {
                EventFields fields = Fields();
                changes[i](ref fields);
                Assert.False(EventWriter.IsValid(fields, out string reason));
                Assert.NotEmpty(reason);
                Write(fields);
            });
        }
    }

    [Fact]
    public void The_largest_event_is_within_the_bound()
    {
        byte[] id = new byte[255];
        id.AsSpan().Fill((byte)'i');
        var fields = new EventFields
        {
            Lane = Lane.Normal, Action = EventAction.Put, SubjectKind = RecordKind.Object, Sequence = 1,
            Type = new byte[128].Select(_ => (byte)'t').ToArray(), Actor = id, Device = id, Profile = id, Workspace = id, SubjectId = id, DecisionId = id,
            Data = new byte[65_536].Select(_ => (byte)'1').ToArray(), Image = new byte[FormatLimits.MaxRecordBodyLengthBytes],
        };
        byte[] bytes = Write(fields);
        Assert.True(Accepts(bytes));
        Assert.True(bytes.Length <= FormatLimits.MaxEventLengthBytes);
    }

    [Fact]
    public void Reading_and_writing_allocates_nothing()
    {
        byte[] bytes = new byte[1000];
        Allocations.AssertNone(() =>
        {
            EventFields fields = Fields();
            int length = EventWriter.Write(bytes, fields);
            EventWriter.PatchSequence(bytes, 11, 4);
            Assert.True(EventView.TryRead(bytes.AsSpan(0, length), out EventView view, out _));
            Assert.False(view.CheckContent().IsFault);
        });
    }
}
