// Why this file exists: early boot decodes without the library, so both decoders must agree, and no hostile block may do harm.

namespace SourceOS.StateStore.Format.Tests;

public sealed class Lz4Tests
{
    private static byte[] Text(Random random, int length)
    {
        byte[] bytes = new byte[length];
        for (int at = 0; at < length;)
        {
            int run = Math.Min(length - at, random.Next(1, 60));
            if (at > 10 && random.Next(3) != 0)
            {
                int from = random.Next(at);
                for (int i = 0; i < run; i++)
                {
                    bytes[at + i] = bytes[from + i];
                }
            }
            else
            {
                random.NextBytes(bytes.AsSpan(at, run));
            }

            at += run;
        }

        return bytes;
    }

    [Fact]
    public void What_is_compressed_comes_back_from_both_decoders()
    {
        Assert.True(Lz4.IsAvailable, "install liblz4-1");
        Property.Holds(random =>
        {
            byte[] data = Text(random, random.Next(4) == 0 ? random.Next(1, 200_000) : random.Next(1, 500));
            byte[] block = new byte[(data.Length * 2) + 64];
            bool isHard = random.Next(2) == 0;
            Assert.True(isHard ? Lz4.TryCompressHard(data, block, out int written) : Lz4.TryCompress(data, block, out written));
            byte[] native = new byte[data.Length];
            byte[] managed = new byte[data.Length];
            Assert.True(Lz4.TryDecompress(block.AsSpan(0, written), native));
            Assert.True(ManagedLz4.TryDecompress(block.AsSpan(0, written), managed));
            Assert.Equal(data, native);
            Assert.Equal(data, managed);
            Assert.False(Lz4.TryDecompress(block.AsSpan(0, written), new byte[data.Length + 1]));
            Assert.False(ManagedLz4.TryDecompress(block.AsSpan(0, written), new byte[data.Length + 1]));
            return !ManagedLz4.TryDecompress(block.AsSpan(0, written), new byte[data.Length - 1]);
        });
    }

    [Fact]
    public void Hostile_blocks_are_refused_or_decode_alike()
    {
        var random = new Random(3);
        byte[] data = Text(random, 400);
        byte[] block = new byte[1000];
        Assert.True(Lz4.TryCompress(data, block, out int written));
        byte[] managed = new byte[data.Length];
        byte[] native = new byte[data.Length];
        for (int i = 0; i < 200_000; i++)
        {
            byte[] copy = block.AsSpan(0, random.Next(8) == 0 ? random.Next(written) : written).ToArray();
            for (int edits = random.Next(1, 4); edits > 0 && copy.Length > 0; edits--)
            {
                copy[random.Next(copy.Length)] = random.Next(3) == 0 ? (byte)255 : (byte)random.Next(256);
            }

            if (ManagedLz4.TryDecompress(copy, managed))
            {
                Assert.True(Lz4.TryDecompress(copy, native));
                Assert.Equal(managed, native);
            }
        }
    }

    [Fact]
    public void Endless_lengths_end()
    {
        byte[] block = new byte[100_000];
        block.AsSpan().Fill(0xFF);
        Assert.False(ManagedLz4.TryDecompress(block, new byte[1000]));
        Assert.False(ManagedLz4.TryDecompress(default, new byte[1]));
        Assert.False(ManagedLz4.TryDecompress([0x00, 0x01], new byte[100]));
        Assert.False(ManagedLz4.TryDecompress([0x10, 0x61, 0x00, 0x00, 0x00], new byte[100]));
    }

    [Fact]
    public void Chunks_come_back_and_do_not_refer_to_each_other() =>
        Property.Holds(
            random =>
            {
                byte[] data = Text(random, random.Next(1, 300_000));
                byte[] stored = new byte[data.Length + (data.Length / 100) + 100];
                Assert.True(Lz4Chunks.TryCompress(data, stored, isHard: false, out int written));
                byte[] back = new byte[data.Length];
                Assert.True(Lz4Chunks.TryDecompress(stored.AsSpan(0, written), back));
                Assert.Equal(data, back);
                Assert.False(Lz4Chunks.TryDecompress(stored.AsSpan(0, written), new byte[data.Length + 1]));
                Assert.False(Lz4Chunks.TryDecompress(stored.AsSpan(0, written), new byte[data.Length - 1]));
                Assert.False(Lz4Chunks.TryDecompress(stored.AsSpan(0, written - 1), back));
                Assert.False(Lz4Chunks.TryDecompress(stored.AsSpan(0, written + 1), back));
                Assert.False(Lz4Chunks.TryCompress(data, new byte[written - 1], isHard: false, out _));

                // Each block decodes by itself.
                int at = 0;
                for (int start = 0; start < data.Length; start += 65_536)
                {
                    int length = BitConverter.ToInt32(stored, at);
                    byte[] chunk = new byte[Math.Min(65_536, data.Length - start)];
                    Assert.True(ManagedLz4.TryDecompress(stored.AsSpan(at + 4, length), chunk));
                    Assert.Equal(data.AsSpan(start, chunk.Length).ToArray(), chunk);
                    at += 4 + length;
                }

                return at == written;
            },
            cases: 60);

    [Fact]
    public void Hostile_chunk_lengths_are_refused()
    {
        foreach (uint length in new uint[] { 0, 5, 0x7FFF_FFFF, 0x8000_0000, uint.MaxValue })
        {
            byte[] stored = [.. BitConverter.GetBytes(length), 0x10, 0x61];
            Assert.False(Lz4Chunks.TryDecompress(stored, new byte[1]));
        }

        Assert.True(Lz4Chunks.TryDecompress([2, 0, 0, 0, 0x10, 0x61], new byte[1]));
    }

    [Fact]
    public void Nothing_is_compressed_into_too_little_room()
    {
        byte[] data = new Random(4).NextBytes(1000);
        Assert.False(Lz4.TryCompress(data, new byte[900], out int written));
        Assert.Equal(0, written);
        Assert.False(Lz4.TryCompress(data, default, out _));
        Assert.False(Lz4.TryCompress(default, new byte[10], out _));
    }
}
