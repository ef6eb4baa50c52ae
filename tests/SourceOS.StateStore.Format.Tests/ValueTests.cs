// Why this file exists: hashes and store ids are compared and shown everywhere, so that the small things about them must be right.

namespace SourceOS.StateStore.Format.Tests;

public sealed class ValueTests
{
    [Fact]
    public void A_store_id_is_its_bytes()
    {
        byte[] bytes = [.. Enumerable.Range(1, 16).Select(i => (byte)i)];
        var id = new StoreId(bytes);
        Assert.Equal(bytes, id.Bytes.ToArray());
        Assert.Equal("0102030405060708090a0b0c0d0e0f10", id.ToString());
        Assert.True(StoreId.TryParse("0102030405060708090A0b0c0d0e0f10", out StoreId parsed));
        Assert.True(parsed == id && parsed.Equals((object)id) && parsed.GetHashCode() == id.GetHashCode());
        Assert.False(StoreId.TryParse("0102030405060708090a0b0c0d0e0f1", out _));
        Assert.False(StoreId.TryParse("0102030405060708090a0b0c0d0e0f1g", out _));
        byte[] copy = new byte[16];
        id.CopyTo(copy);
        Assert.Equal(bytes, copy);
        Assert.Throws<ArgumentException>(() => id.CopyTo(new byte[15]));
        Assert.Throws<ArgumentException>(() => new StoreId(new byte[15]));
        for (int bit = 0; bit < 128; bit++)
        {
            bytes[bit >> 3] ^= (byte)(1 << (bit & 7));
            Assert.True(new StoreId(bytes) != id);
            bytes[bit >> 3] ^= (byte)(1 << (bit & 7));
        }
    }

    [Fact]
    public void A_hash_is_its_bytes()
    {
        byte[] bytes = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
        var hash = new Hash256(bytes);
        Assert.Equal(bytes, hash.Bytes.ToArray());
        Assert.Equal(Convert.ToHexStringLower(bytes), hash.ToString());
        Assert.True(hash.Equals((object)new Hash256(bytes)) && hash.GetHashCode() == new Hash256(bytes).GetHashCode());
        Assert.Throws<ArgumentException>(() => new Hash256(new byte[33]));
        Assert.Throws<ArgumentException>(() => hash.CopyTo(new byte[31]));
        for (int bit = 0; bit < 256; bit++)
        {
            bytes[bit >> 3] ^= (byte)(1 << (bit & 7));
            Assert.True(new Hash256(bytes) != hash);
            Assert.False(new Hash256(bytes) == hash);
            bytes[bit >> 3] ^= (byte)(1 << (bit & 7));
        }
    }

    [Fact]
    public void Only_zero_is_zero()
    {
        Assert.True(default(StoreId).IsZero && default(Hash256).IsZero);
        for (int at = 0; at < 32; at++)
        {
            byte[] bytes = new byte[32];
            bytes[at] = 1;
            Assert.False(new Hash256(bytes).IsZero);
            Assert.Equal(at >= 16, new StoreId(bytes.AsSpan(0, 16)).IsZero);
        }
    }

    [Fact]
    public void A_hash_in_a_document_has_one_text()
    {
        var hash = new Hash256([.. Enumerable.Range(200, 32).Select(i => (byte)i)]);
        byte[] text = new byte[HashText.LengthBytes];
        Assert.Equal(71, HashText.Write(hash, text));
        Assert.Equal("sha256:" + hash, System.Text.Encoding.ASCII.GetString(text));
        Assert.True(HashText.TryParse(text, out Hash256 back) && back == hash);
        for (int at = 0; at < text.Length; at++)
        {
            foreach (byte other in "gGA/:`\0"u8)
            {
                byte[] copy = [.. text];
                copy[at] = other;
                Assert.Equal(copy.AsSpan().SequenceEqual(text), HashText.TryParse(copy, out _));
            }
        }

        Assert.False(HashText.TryParse(text.AsSpan(1), out _));
    }
}
