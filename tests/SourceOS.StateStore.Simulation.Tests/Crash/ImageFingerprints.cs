// Why this file exists: many choices give the same bytes; opening equal images twice proves nothing and costs time. Invariants: equal contents, equal
// fingerprints; a block of zeroes equals an absent one; blocks are immutable, so each is hashed once.

using System.Runtime.InteropServices;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Recognises images. For one thread.</summary>
internal sealed class ImageFingerprints
{
    private readonly Dictionary<byte[], UInt128> _blocks = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<(UInt128 Image, ulong Acknowledged)> _seen = [];

    /// <summary>Whether an image was not met before with as many commits acknowledged.</summary>
    internal bool IsNew(CrashImage image, ulong acknowledged)
    {
        List<UInt128> parts = [];
        foreach (string directory in image.Directories)
        {
            parts.Add(Hash(directory, 0));
        }

        foreach ((string name, CrashImageFile file) in image.Files.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            parts.Add(Hash(name, file.LengthBytes));
            for (int i = 0; i < file.Blocks.Length; i++)
            {
                UInt128 block = file.Blocks[i] is { } bytes ? HashBlock(bytes) : 0;
                if (block != 0)
                {
                    parts.Add(block + (UInt128)i);
                }
            }
        }

        return _seen.Add((Checksum.Xxh128(0, MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(parts))), acknowledged));
    }

    private static UInt128 Hash(string name, long length) => Checksum.Xxh128((ulong)length, Encoding.UTF8.GetBytes(name));

    private UInt128 HashBlock(byte[] block)
    {
        ref UInt128 hash = ref CollectionsMarshal.GetValueRefOrAddDefault(_blocks, block, out bool exists);
        if (!exists)
        {
            hash = block.AsSpan().ContainsAnyExcept((byte)0) ? Checksum.Xxh128(1, block) | 1 : 0;
        }

        return hash;
    }
}
