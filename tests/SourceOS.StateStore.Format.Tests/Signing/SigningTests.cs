// Why this file exists: a signature that others make must be accepted and a forged one never: the vectors of RFC 8032, a published key of the signed-note
// specification's reference implementation, and every bit of a note flipped.

using System.Text;

namespace SourceOS.StateStore.Format.Tests.Signing;

public sealed class SigningTests
{
    // The example key and note of Go's sumdb/note documentation, made by another implementation.
    private const string ForeignKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    private const string ForeignNote = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        + "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    private static readonly byte[] s_seed = [.. Enumerable.Range(7, 32).Select(static i => (byte)i)];

    [Theory]
    [InlineData(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")]
    [InlineData(
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")]
    [InlineData(
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")]
    [InlineData(
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42", "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704")]
    public void Vectors_of_RFC_8032_hold(string seed, string publicKey, string message, string signature)
    {
        Assert.True(Ed25519.IsAvailable);
        byte[] said = Convert.FromHexString(message);
        byte[] made = Ed25519.Sign(Convert.FromHexString(seed), said);
        Assert.Equal(publicKey, Convert.ToHexStringLower(Ed25519.PublicKeyOf(Convert.FromHexString(seed))));
        Assert.Equal(signature, Convert.ToHexStringLower(made));
        Assert.True(Ed25519.Verify(Convert.FromHexString(publicKey), said, made));
        for (int bit = 0; bit < made.Length * 8; bit++)
        {
            byte[] forged = [.. made];
            forged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(Ed25519.Verify(Convert.FromHexString(publicKey), said, forged));
        }

        Assert.False(Ed25519.Verify(Convert.FromHexString(publicKey), [.. said, 0], made));
        Assert.False(Ed25519.Verify(Convert.FromHexString(publicKey), said, made.AsSpan(1)));
        Assert.False(Ed25519.Verify(default, said, made));
    }

    [Fact]
    public void A_note_of_another_implementation_verifies_and_is_written_back_as_it_was()
    {
        Assert.True(NoteKey.TryParse(ForeignKey, out NoteKey? key));
        Assert.Equal(ForeignKey, key.ToString());
        Assert.True(SignedNote.TryParse(Encoding.UTF8.GetBytes(ForeignNote), out SignedNote? note, out string reason), reason);
        Assert.Equal(NoteVerdict.Verified, note.Verify(key));
        Assert.Equal(ForeignNote, note.ToString());
        Assert.Equal(NoteVerdict.NotSigned, note.Verify());
        Assert.Equal(NoteVerdict.NotSigned, note.Verify(new NoteKey("PeterNeumann", Ed25519.PublicKeyOf(s_seed))));
    }

    [Fact]
    public void A_note_with_any_bit_flipped_cut_or_extended_is_not_verified()
    {
        Checkpoint checkpoint = new("log.example/1", 42, Checksum.Sha256("root"u8), 99, 7, Checksum.Sha256("records"u8));
        byte[] good = SignedNote.Sign(checkpoint.ToText(), checkpoint.Origin, s_seed).Encode();
        NoteKey key = new(checkpoint.Origin, Ed25519.PublicKeyOf(s_seed));
        Assert.Equal(NoteVerdict.Verified, Ask(good, key));
        for (int bit = 0; bit < good.Length * 8; bit++)
        {
            byte[] forged = [.. good];
            forged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(NoteVerdict.Verified, Ask(forged, key));
        }

        for (int length = 0; length < good.Length; length++)
        {
            Assert.NotEqual(NoteVerdict.Verified, Ask(good.AsSpan(0, length), key));
        }

        Assert.NotEqual(NoteVerdict.Verified, Ask([.. good, (byte)'\n'], key));
        Assert.NotEqual(NoteVerdict.Verified, Ask([(byte)'1', .. good], key));
    }

    [Fact]
    public void A_wrong_signature_of_a_trusted_key_is_not_outvoted_by_a_right_one()
    {
        SignedNote note = SignedNote.Sign("text\n", "a", s_seed);
        SignedNote other = SignedNote.Sign("other\n", "a", s_seed);
        string spliced = note.ToString() + other.ToString().Split("\n\n")[1];
        Assert.True(SignedNote.TryParse(Encoding.UTF8.GetBytes(spliced), out SignedNote? both, out _));
        Assert.Equal(NoteVerdict.BadSignature, both.Verify(new NoteKey("a", Ed25519.PublicKeyOf(s_seed))));
    }

    [Fact]
    public void A_checkpoint_reads_back_and_malformed_ones_are_refused()
    {
        Checkpoint full = new("log.example/1", 0, MerkleHash.Empty, 0, 0, MerkleHash.Empty);
        Assert.True(Checkpoint.TryParse(full.ToText(), out Checkpoint? back, out _));
        Assert.Equal(full, back);
        Checkpoint plain = new("log.example/1", ulong.MaxValue >> 16, Checksum.Sha256("x"u8));
        Assert.True(Checkpoint.TryParse(plain.ToText() + "somebody else's line\n", out back, out _));
        Assert.Equal(plain, back);
        string root = Convert.ToBase64String(MerkleHash.Empty.Bytes);
        string[] bad =
        [
            "", "a\n1\n", $"a\n01\n{root}\n", $"a\n+1\n{root}\n", $"a\n1\n{root}", $"a\n1\n{root}\n\n", $"\n1\n{root}\n", $"a\n1\n{root[..^4]}\n",
            $"a\n281474976710656\n{root}\n", $"a\n1\n{root}\nsequence 01\n", $"a\n1\n{root}\nsequence 1\nsequence 2\n", $"a\n1\n{root}\nrecords 1\n",
            $"a\n1\n{root}\nrecords 1 {root}\nrecords 1 {root}\n", $"a\n1\n {root}\n",
        ];
        Assert.All(bad, text => Assert.False(Checkpoint.TryParse(text, out _, out _), text));
    }

    [Theory]
    [InlineData("a+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
    [InlineData("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
    [InlineData("PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
    [InlineData("PeterNeumann+c74f20a3")]
    [InlineData("+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
    [InlineData("")]
    public void Malformed_keys_are_refused(string text) => Assert.False(NoteKey.TryParse(text, out _));

    private static NoteVerdict Ask(ReadOnlySpan<byte> bytes, NoteKey key) =>
        SignedNote.TryParse(bytes, out SignedNote? note, out _) ? note.Verify(key) : NoteVerdict.NotSigned;
}
