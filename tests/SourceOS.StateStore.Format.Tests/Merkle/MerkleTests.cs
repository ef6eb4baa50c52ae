// Why this file exists: tree hashes must be those of RFC 6962, since proofs are checked by others' code.

using System.Globalization;

namespace SourceOS.StateStore.Format.Tests;

public sealed class MerkleTests
{
    // The tree that certificate transparency implementations test with: its leaf data and the roots of its first n leaves.
    private static readonly string[] LeafData =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    private static readonly string[] Roots =
    [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    private static Hash256 Definition(ReadOnlySpan<Hash256> leaves)
    {
        if (leaves.Length <= 1)
        {
            return leaves.Length == 0 ? MerkleHash.Empty : leaves[0];
        }

        int split = 1;
        while (split * 2 < leaves.Length)
        {
            split *= 2;
        }

        return MerkleHash.Node(Definition(leaves[..split]), Definition(leaves[split..]));
    }

    private static Hash256[] Leaves(int count) =>
        [.. Enumerable.Range(0, count).Select(i => MerkleHash.Leaf(BitConverter.GetBytes(i)))];

    private static byte[] Join(Hash256[] leaves) => [.. leaves.SelectMany(h => h.Bytes.ToArray())];

    [Fact]
    public void Roots_are_those_of_the_well_known_tree()
    {
        var frontier = new MerkleFrontier();
        Assert.Equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", frontier.Root().ToString());
        var leaves = new List<Hash256>();
        for (int i = 0; i < LeafData.Length; i++)
        {
            Hash256 leaf = MerkleHash.Leaf(Convert.FromHexString(LeafData[i]));
            leaves.Add(leaf);
            frontier.Append(leaf);
            Assert.Equal(Roots[i], frontier.Root().ToString());
            Assert.Equal(Roots[i], MerkleHash.Root(Join([.. leaves])).ToString());
        }
    }

    [Fact]
    public void Roots_equal_the_recursive_definition()
    {
        Hash256[] leaves = Leaves(300);
        byte[] joined = Join(leaves);
        var frontier = new MerkleFrontier();
        for (int count = 0; count <= leaves.Length; count++)
        {
            Hash256 expected = Definition(leaves.AsSpan(0, count));
            Assert.Equal(expected, MerkleHash.Root(joined.AsSpan(0, count * 32)));
            Assert.Equal(expected, frontier.Root());
            Assert.Equal((ulong)count, frontier.LeafCount);
            if (count < leaves.Length)
            {
                frontier.Append(leaves[count]);
            }
        }
    }

    [Fact]
    public void Frontier_comes_back_from_its_bytes_and_goes_on()
    {
        Hash256[] leaves = Leaves(70);
        var frontier = new MerkleFrontier();
        byte[] bytes = new byte[MerkleFrontier.MaxHashes * 32];
        foreach (Hash256 leaf in leaves)
        {
            frontier.Append(leaf);
            int length = frontier.Encode(bytes);
            Assert.Equal(frontier.EncodedLengthBytes, length);
            var copy = new MerkleFrontier();
            Assert.True(copy.TryDecode(frontier.LeafCount, bytes.AsSpan(0, length), out FormatFault fault), fault.ToString());
            Assert.True(copy.ContentEquals(frontier));
            copy.Append(leaves[0]);
            var other = new MerkleFrontier();
            other.CopyFrom(frontier);
            other.Append(leaves[0]);
            Assert.Equal(other.Root(), copy.Root());
            Assert.False(copy.ContentEquals(frontier));
        }
    }

    [Fact]
    public void Frontier_refuses_a_wrong_length_or_count_and_stays_as_it_is()
    {
        var frontier = new MerkleFrontier();
        frontier.Append(MerkleHash.Leaf("a"u8));
        Hash256 root = frontier.Root();
        Assert.False(frontier.TryDecode(3, new byte[32], out FormatFault fault));
        Assert.Equal(FaultCode.LengthMismatch, fault.Code);
        Assert.False(frontier.TryDecode(1UL << 48, new byte[32], out fault));
        Assert.Equal(FaultCode.OutOfRange, fault.Code);
        Assert.Equal(root, frontier.Root());
        Assert.Equal(1UL, frontier.LeafCount);
    }

    [Fact]
    public void Frontier_holds_the_largest_count_and_refuses_one_more()
    {
        var frontier = new MerkleFrontier();
        Hash256[] hashes = Leaves(48);
        frontier.Set(MerkleFrontier.MaxLeafCount, hashes);
        _ = frontier.Root();
        Assert.Throws<InvalidOperationException>(() => frontier.Append(hashes[0]));
        Assert.Throws<ArgumentException>(() => frontier.Set(3, hashes.AsSpan(0, 1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => frontier.Set(MerkleFrontier.MaxLeafCount + 1, hashes.AsSpan(0, 1)));
        frontier.Set(MerkleFrontier.MaxLeafCount - 1, hashes.AsSpan(0, 47));
        frontier.Append(hashes[0]);
        Assert.Equal(MerkleFrontier.MaxLeafCount, frontier.LeafCount);
    }

    [Fact]
    public void Hash_text_form_comes_back()
    {
        Hash256 hash = MerkleHash.Leaf("x"u8);
        Assert.True(Hash256.TryParse(hash.ToString(), out Hash256 parsed));
        Assert.Equal(hash, parsed);
        Assert.True(Hash256.TryParse(hash.ToString().ToUpper(CultureInfo.InvariantCulture), out parsed));
        Assert.Equal(hash, parsed);
        Assert.False(Hash256.TryParse(hash.ToString().AsSpan(1), out _));
        Assert.False(Hash256.TryParse(hash.ToString()[1..] + "g", out _));
    }
}
