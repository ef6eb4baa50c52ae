// Why this file exists: the algorithms of the format never change, and native and managed code must agree on every length.

using System.Security.Cryptography;
using System.Text;

namespace SourceOS.StateStore.Format.Tests;

public sealed class ChecksumTests
{
    private static uint BitByBitCrc32C(ReadOnlySpan<byte> data)
    {
        uint crc = 0xFFFFFFFF;
        foreach (byte value in data)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
            }
        }

        return ~crc;
    }

    private static IEnumerable<int> InterestingLengths()
    {
        for (int length = 0; length <= 2048; length++)
        {
            yield return length;
        }

        var random = new Random(7);
        for (int i = 0; i < 60; i++)
        {
            yield return random.Next(2049, 300_000);
        }

        for (int k = 1; k <= 4; k++)
        {
            for (int d = -1; d <= 1; d++)
            {
                yield return (3072 * k) + d;
                yield return (1024 * k) + d;
            }
        }
    }

    private static byte[] Noise(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    [Fact]
    public void Crc32C_has_the_published_check_value() =>
        Assert.Equal(0xE3069283u, Checksum.Crc32C("123456789"u8));

    [Fact]
    public void Crc32C_equals_the_bit_by_bit_definition_for_all_lengths()
    {
        byte[] noise = Noise(300_000, 1);
        foreach (int length in InterestingLengths().Where(l => l < 40_000))
        {
            Assert.Equal(BitByBitCrc32C(noise.AsSpan(0, length)), Checksum.Crc32C(noise.AsSpan(0, length)));
        }
    }

    [Fact]
    public void Crc32C_with_identity_equals_the_plain_one_over_both()
    {
        byte[] noise = Noise(10_000, 2);
        foreach (int length in new[] { 0, 1, 7, 8, 9, 100, 3072, 4096, 9000 })
        {
            byte[] joined = [.. BitConverter.GetBytes(0x1122334455667788UL), .. noise.AsSpan(0, length)];
            Assert.Equal(BitByBitCrc32C(joined), Checksum.Crc32C(0x1122334455667788UL, noise.AsSpan(0, length)));
            Assert.Equal(
                BitByBitCrc32C(joined),
                Checksum.Crc32C(0x1122334455667788UL, noise.AsSpan(0, length / 3), noise.AsSpan(length / 3, length - (length / 3))));
        }
    }

    [Fact]
    public void Native_libraries_are_used_where_this_project_is_tested()
    {
        Assert.True(Checksum.IsNativeXxhActive, "install libxxhash0");
        Assert.True(Checksum.IsNativeSha256Active, "install libssl3");
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(1UL)]
    [InlineData(0x9E3779B185EBCA8DUL)]
    [InlineData(ulong.MaxValue)]
    public void Managed_xxh3_equals_the_library_for_all_lengths(ulong seed)
    {
        byte[] noise = Noise(300_000, 3);
        foreach (int length in InterestingLengths())
        {
            ReadOnlySpan<byte> data = noise.AsSpan(noise.Length - length, length);
            Assert.Equal(NativeXxh3.Hash64(seed, data), ManagedXxh3.Hash64(seed, data));
            Assert.Equal(NativeXxh3.Hash128(seed, data), ManagedXxh3.Hash128(seed, data));
        }
    }

    [Theory]
    [InlineData("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")]
    [InlineData("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1")]
    public void Sha256_has_the_nist_vectors_managed_and_native(string text, string expected)
    {
        foreach (bool native in new[] { false, true })
        {
            Sha256Hasher hasher = Sha256Hasher.Create(native);
            hasher.Append(Encoding.ASCII.GetBytes(text));
            Assert.Equal(expected, hasher.Finish().ToString());
        }
    }

    [Fact]
    public void Sha256_of_a_million_a_is_the_nist_vector()
    {
        foreach (bool native in new[] { false, true })
        {
            Sha256Hasher hasher = Sha256Hasher.Create(native);
            byte[] piece = new byte[1000];
            piece.AsSpan().Fill((byte)'a');
            for (int i = 0; i < 1000; i++)
            {
                hasher.Append(piece);
            }

            Assert.Equal("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", hasher.Finish().ToString());
        }
    }

    [Fact]
    public void Sha256_in_pieces_equals_the_platform_for_all_lengths()
    {
        byte[] noise = Noise(300_000, 4);
        var random = new Random(5);
        byte[] expected = new byte[32];
        foreach (int length in InterestingLengths())
        {
            ReadOnlySpan<byte> data = noise.AsSpan(0, length);
            SHA256.HashData(data, expected);
            Sha256Hasher managed = Sha256Hasher.Create(native: false);
            Sha256Hasher native = Sha256Hasher.Create(native: true);
            for (int at = 0; at < length;)
            {
                int piece = Math.Min(length - at, random.Next(0, 200) == 0 ? 5000 : random.Next(0, 130));
                managed.Append(data.Slice(at, piece));
                native.Append(data.Slice(at, piece));
                at += piece;
            }

            Assert.Equal(new Hash256(expected), managed.Finish());
            Assert.Equal(new Hash256(expected), native.Finish());
            Assert.Equal(new Hash256(expected), Checksum.Sha256(data));
        }
    }

    [Fact]
    public void Leaf_and_node_hashes_equal_the_concatenations_they_stand_for()
    {
        byte[] noise = Noise(400, 6);
        byte[] destination = new byte[32];
        for (int salt = 0; salt <= 100; salt += 4)
        {
            for (int length = 0; length <= 200; length += 9)
            {
                Checksum.Sha256Leaf(noise.AsSpan(0, salt), noise.AsSpan(salt, length), destination);
                Assert.Equal(SHA256.HashData([0, .. noise.AsSpan(0, salt + length)]), destination);
            }
        }

        Checksum.Sha256Node(noise.AsSpan(0, 32), noise.AsSpan(32, 32), destination);
        Assert.Equal(SHA256.HashData([1, .. noise.AsSpan(0, 64)]), destination);
        noise.AsSpan(0, 32).CopyTo(destination);
        Checksum.Sha256Node(noise.AsSpan(32, 32), destination, destination);
        Assert.Equal(SHA256.HashData([1, .. noise.AsSpan(32, 32), .. noise.AsSpan(0, 32)]), destination);
    }

    [Fact]
    public void Tagged_checks_depend_on_identity_and_data()
    {
        ulong seed = Checksum.Xxh64(0, "id"u8);
        Assert.Equal(Checksum.Xxh64(seed, "data"u8), Checksum.Tagged64("id"u8, "data"u8));
        Assert.Equal(Checksum.Xxh128(seed, "data"u8), Checksum.Tagged128("id"u8, "data"u8));
        Assert.NotEqual(Checksum.Tagged64("id"u8, "data"u8), Checksum.Tagged64("iD"u8, "data"u8));
        byte[] stored = new byte[16];
        UInt128 value = Checksum.Tagged128("id"u8, "data"u8);
        Checksum.Write128(stored, value);
        Assert.Equal((ulong)value, BitConverter.ToUInt64(stored, 0));
        Assert.Equal((ulong)(value >> 64), BitConverter.ToUInt64(stored, 8));
        Assert.Equal(value, Checksum.Read128(stored));
    }

    [Fact]
    public void Checksums_allocate_nothing()
    {
        byte[] noise = Noise(20_000, 8);
        byte[] destination = new byte[32];
        Allocations.AssertNone(() =>
        {
            _ = Checksum.Crc32C(noise);
            _ = Checksum.Crc32C(1, noise);
            _ = Checksum.Xxh64(1, noise);
            _ = Checksum.Xxh128(1, noise.AsSpan(0, 100));
            _ = ManagedXxh3.Hash64(1, noise);
            _ = ManagedXxh3.Hash128(1, noise);
            Checksum.Sha256(noise, destination);
            Checksum.Sha256Leaf(noise.AsSpan(0, 16), noise.AsSpan(16, 500), destination);
            Checksum.Sha256Node(destination, destination, destination);
            Sha256Hasher hasher = Sha256Hasher.Create(native: false);
            hasher.Append(noise);
            hasher.Finish(destination);
        });
    }
}
