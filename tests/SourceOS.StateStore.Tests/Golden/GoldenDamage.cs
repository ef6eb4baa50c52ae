// Why this file exists: chooses the bytes of the damaged twin by what stands there, one in each part of a store, so that each gives its own finding. Invariants:
// every change is one byte; no two of them touch the same structure.

using System.Text;

namespace SourceOS.StateStore.Tests.Golden;

/// <summary>Where the damaged twin differs from its store.</summary>
internal static class GoldenDamage
{
    private const string Segment = "events/segment-00000000.log";

    /// <summary>The changes for a store.</summary>
    internal static List<GoldenChange> Choose(string store)
    {
        byte[] log = File.ReadAllBytes(Path.Combine(store, Segment));
        const string state = "state/g1/data.mdb";
        byte[] pages = File.ReadAllBytes(Path.Combine(store, state));
        List<int> frames = Frames(log);
        return
        [
            // The older slot, so that the newer one counts.
            Flip("STORE", File.ReadAllBytes(Path.Combine(store, "STORE")), 4096 + 48),
            Flip(Segment, log, 56),
            Flip(Segment, log, 4096 + 60),
            Flip(Segment, log, 30_000),
            Flip(Segment, log, LiveStore.DataOffset + 10),

            // The length before the second frame, and the last byte before the third one's neighbour: its body.
            Flip(Segment, log, frames[1] - 4),
            Flip(Segment, log, frames[3] - 24),
            Flip(Segment, log, log.Length - 100),

            // A record's body, in the copy that the newest snapshot reaches.
            Flip(state, pages, NewestCopyOf(pages, "title 1 changed")),
        ];
    }

    private static GoldenChange Flip(string file, byte[] bytes, int offset) => new(file, offset, bytes[offset], (byte)(bytes[offset] ^ 0x10));

    private static List<int> Frames(byte[] log)
    {
        List<int> frames = [];
        for (int at = LiveStore.DataOffset + 64; at < log.Length - 8; at += 4)
        {
            if (log.AsSpan(at + 4, 4).SequenceEqual("SSFR"u8))
            {
                frames.Add(at + 4);
            }
        }

        return frames;
    }

    private static int NewestCopyOf(byte[] pages, string text)
    {
        int at = pages.AsSpan().IndexOf(Encoding.UTF8.GetBytes(text));
        Assert.True(at > 0 && pages.AsSpan(at + 1).IndexOf(Encoding.UTF8.GetBytes(text)) < 0, "The text stands in the state once.");
        return at;
    }
}
