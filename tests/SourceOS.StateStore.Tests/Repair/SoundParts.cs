// Why this file exists: what a damaged store must still give is found out here without asking repair: which frames stand sound in its files, and which records the state and the checkpoints hold. Invariants: reads only; knows the store's
// geometry from the undamaged one, so that no damage hides a frame from it; every commit of these stores is one frame with one event.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Tests;

/// <summary>An oracle over the files of a store.</summary>
internal static class SoundParts
{
    /// <summary>The sequences whose frames verify by themselves, wherever they stand.</summary>
    internal static HashSet<ulong> Sequences(string path, Superblock superblock)
    {
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        HashSet<ulong> sound = [];
        foreach (string file in Directory.GetFiles(Path.Combine(path, "events"), "segment-*.log"))
        {
            // A segment at a time, and every fourth byte of it: a frame in front that rotted must not hide the one behind.
            byte[] bytes = File.ReadAllBytes(file);
            for (int at = LogGeometry.DataOffset; at + 4 + FrameHeader.LengthBytes <= bytes.Length; at += 4)
            {
                int length = BitConverter.ToInt32(bytes, at);
                if (length >= FrameHeader.LengthBytes && length <= bytes.Length - at - 4 && bytes.AsSpan(at + 4, 4).SequenceEqual("SSFR"u8)
                    && FrameView.TryRead(bytes.AsSpan(at + 4, length), out FrameView frame, out _) && frame.Header.StoreId == superblock.StoreId
                    && !FrameCheck.Check(frame, FrameDepth.Full, new FrameScratch(), null).IsFault && IsInPlace(geometry, file, at, frame.Header))
                {
                    sound.Add(frame.Header.FirstSequence);
                }
            }
        }

        return sound;
    }

    private static bool IsInPlace(LogGeometry geometry, string file, int at, in FrameHeader header) =>
        file.EndsWith(StoreLayout.SegmentName(geometry.SegmentOf(header.Address)), StringComparison.Ordinal) && geometry.FileOffsetOf(header.Address) == at;
}
