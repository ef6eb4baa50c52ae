// Why this file exists: stores that the recovery tests start from, and a knife to cut into them. Invariants: objects are numbered like their events, so
// that what must be there follows from a count.

using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests;

/// <summary>Makes and cuts store directories.</summary>
internal static class LiveStore
{
    internal const int DataOffset = 32768;
    private const int SlotOffset = 4096;

    internal static SessionIdentity Identity { get; } = new("actor:test", "device:test", "profile:test", "workspace:test");

    internal static StateStoreOptions Options(int confirmAfterIdleMs = 10_000, long proveUpToBytes = 16 << 20) => new()
    {
        LogPageBits = 16,
        SegmentBits = 17,
        ReserveBytes = 0,
        ConfirmAfterIdleMs = confirmAfterIdleMs,
        ProveStateUpToBytes = proveUpToBytes,
    };

    /// <summary>Commits objects `note:{n}`, one each, so that sequence and number go together.</summary>
    internal static async Task CommitAsync(StateStore store, int from, int count, int titleLength = 200)
    {
        StateSession session = store.OpenSession(Identity);
        for (int i = from; i < from + count; i++)
        {
            byte[] noise = new byte[titleLength / 2];
            new Random(i).NextBytes(noise);
            CommitReceipt receipt = await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"note:{i}", RoundTripTests.ObjectBody("note", Convert.ToHexString(noise))));
            Assert.True(receipt.IsCommitted);
        }
    }

    /// <summary>Everything that a refused open must leave alone, as one hash; LOCK and liblmdb's lock file are not the store's content.</summary>
    internal static string Fingerprint(string store)
    {
        StringBuilder text = new();
        foreach (string file in Directory.EnumerateFiles(store, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            if (Path.GetFileName(file) is not ("LOCK" or "lock.mdb"))
            {
                text.Append(CultureInfo.InvariantCulture, $"{Path.GetRelativePath(store, file)} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))}\n");
            }
        }

        return text.ToString();
    }

    internal static string Segment(string store, int number) => Path.Combine(store, "events", $"segment-{number:D8}.log");

    /// <summary>The data of a segment behind its slots.</summary>
    internal static byte[] Data(string store, int number) => File.ReadAllBytes(Segment(store, number))[DataOffset..];

    /// <summary>Writes at an address of the first segment.</summary>
    internal static void Write(string store, long address, ReadOnlySpan<byte> bytes, int segment = 0)
    {
        using FileStream file = new(Segment(store, segment), FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.Position = DataOffset + address;
        file.Write(bytes);
    }

    /// <summary>Address behind the last byte of a segment that is not zero, up to a multiple of four.</summary>
    internal static long End(string store, int segment = 0) => (Array.FindLastIndex(Data(store, segment), value => value != 0) + 4L) & ~3L;

    /// <summary>The valid slots of a segment, newest first.</summary>
    internal static List<TailSlot> Slots(string store, int segment = 0)
    {
        byte[] bytes = File.ReadAllBytes(Segment(store, segment));
        List<TailSlot> slots = [];
        for (int index = 0; index < 2; index++)
        {
            if (TailSlot.TryDecode(bytes.AsSpan(SlotOffset + (index * TailSlot.LengthBytes), TailSlot.LengthBytes), out TailSlot slot, out _, out _))
            {
                slots.Add(slot);
            }
        }

        return [.. slots.OrderByDescending(slot => slot.Generation)];
    }

    internal static byte[] Noise(int length, int seed = 1)
    {
        byte[] noise = new byte[length];
        new Random(seed).NextBytes(noise);
        return noise;
    }

    /// <summary>That a store holds exactly the objects 0 to count - 1.</summary>
    internal static void AssertHolds(StateStore store, int count)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Assert.Equal((ulong)count, snapshot.Sequence);
        Assert.Equal(Enumerable.Range(0, count).Select(i => $"note:{i}").Order(StringComparer.Ordinal), snapshot.Range(RecordKind.Object).ToList().Select(record => record.Id));
        for (ulong sequence = 1; sequence <= (ulong)count; sequence++)
        {
            Assert.Equal($"note:{sequence - 1}", snapshot.ReadEvent(sequence)!.SubjectId);
        }
    }
}
