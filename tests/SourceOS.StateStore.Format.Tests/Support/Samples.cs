// Why this file exists: random but valid events, bodies and frames, drawn from one seed.

using System.Text;

namespace SourceOS.StateStore.Format.Tests;

internal static class Samples
{
    internal static readonly StoreId StoreId = new(Enumerable.Range(1, 16).Select(i => (byte)i).ToArray());

    private static readonly string[] Words = ["object:alpha", "actor:ägent", "workspace:default", "x", "profile:🙂", "device:local", "policy-decision:1"];

    internal static byte[] Id(Random random) => Encoding.UTF8.GetBytes(Words[random.Next(Words.Length)] + random.Next(1000));

    internal static byte[] OptionalId(Random random) => random.Next(3) == 0 ? [] : Id(random);

    internal static byte[] Body(Random random)
    {
        var builder = new RecordBodyBuilder();
        builder.SetText(1, Encoding.UTF8.GetString(Id(random)));
        if (random.Next(2) == 0)
        {
            builder.SetTime(10, random.NextInt64(0, 4_000_000_000_000_000));
            builder.SetList(15, ["a", "bb", Encoding.UTF8.GetString(Id(random))]);
            builder.SetText(25, new string('t', random.Next(300)));
        }

        if (random.Next(3) == 0)
        {
            builder.SetSha256(17, MerkleHash.Leaf(random.NextBytes(8)));
            builder.SetJson(26, "{\"a\":[1,2.50,null]}"u8);
            builder.SetBoolean(28, random.Next(2) == 0);
            builder.SetNull(29);
            builder.SetInteger(22, random.NextInt64());
            builder.AddExtension("urn:x"u8, "unknown"u8, "[1e2]"u8);
        }

        return builder.Build();
    }

    internal static byte[] Event(Random random, ulong sequence)
    {
        bool hasSubject = random.Next(4) != 0;
        EventAction action = hasSubject ? (EventAction)random.Next(1, 5) : EventAction.None;
        bool hasImage = action is EventAction.Put or EventAction.Tombstone;
        var fields = new EventFields
        {
            Lane = (Lane)random.Next(1, 12),
            Action = action,
            SubjectKind = hasSubject ? (RecordKind)random.Next(1, 20) : default,
            Sequence = sequence,
            PreviousSequence = hasSubject ? (ulong)random.NextInt64((long)sequence) : 0,
            OccurredAtMicros = random.NextInt64(),
            ImageMarks = hasImage && random.Next(2) == 0 ? ImageMarks.BootCritical : ImageMarks.None,
            Type = random.Next(2) == 0 ? "sync.object.created"u8 : "x"u8,
            Actor = OptionalId(random),
            Device = OptionalId(random),
            Profile = OptionalId(random),
            Workspace = OptionalId(random),
            SubjectId = hasSubject ? Id(random) : default,
            DecisionId = OptionalId(random),
            Data = random.Next(2) == 0 ? "{\"why\": \"because\"}"u8 : default,
            Image = hasImage ? Body(random) : default,
        };
        byte[] bytes = new byte[EventWriter.Measure(fields)];
        Assert.Equal(bytes.Length, EventWriter.Write(bytes, fields));
        return bytes;
    }

    internal static FrameHeader Header(ulong firstSequence = 100) => new()
    {
        IsLastOfCommit = true,
        StoreId = StoreId,
        WriterEpoch = 3,
        FrameNumber = 7,
        CommitId = 5,
        IndexInCommit = 1,
        FirstSequence = firstSequence,
        Address = 4160,
        CommitTimeMicros = 1_700_000_000_000_000,
        DurableFrames = 6,
        PreviousHash = MerkleHash.Leaf("previous"u8),
    };

    internal static byte[] Frame(Random random, int events, bool compress, FrameHeader header)
    {
        var builder = new FrameBuilder(FormatLimits.MaxFrameLengthBytes(22));
        for (int i = 0; i < events; i++)
        {
            builder.AddRaw(Event(random, header.FirstSequence + (ulong)i), random.NextBytes(16));
        }

        byte[] entry = new byte[builder.Seal(compress)];
        builder.WriteTo(entry, header);
        return entry;
    }
}
