// Why this file exists: proofs are checked by others, so that ours must be RFC 9162's, and a wrong one must fail.

namespace SourceOS.StateStore.Format.Tests;

public sealed class MerkleProofTests
{
    private const int Largest = 40;

    private static readonly Hash256[] Leaves = [.. Enumerable.Range(0, Largest).Select(i => MerkleHash.Leaf([(byte)i]))];

    private static Hash256 Root(int start, int count)
    {
        var frontier = new MerkleFrontier();
        for (int i = start; i < start + count; i++)
        {
            frontier.Append(Leaves[i]);
        }

        return frontier.Root();
    }

    private static Hash256[] Path(Func<MerkleRange[], int> make)
    {
        var ranges = new MerkleRange[MerkleProof.MaxPathLength];
        int count = make(ranges);
        return [.. ranges.Take(count).Select(r => Root((int)r.Start, (int)r.Count))];
    }

    // RFC 9162, 2.1.3.1, word for word.
    private static List<Hash256> PathByDefinition(int index, int start, int count)
    {
        if (count == 1)
        {
            return [];
        }

        int split = 1;
        while (split * 2 < count)
        {
            split *= 2;
        }

        return index < split
            ? [.. PathByDefinition(index, start, split), Root(start + split, count - split)]
            : [.. PathByDefinition(index - split, start + split, count - split), Root(start, split)];
    }

    [Fact]
    public void Inclusion_proofs_are_those_of_the_definition_and_hold()
    {
        for (int size = 1; size <= Largest; size++)
        {
            Hash256 root = Root(0, size);
            for (int index = 0; index < size; index++)
            {
                Hash256[] path = Path(r => MerkleProof.InclusionRanges((ulong)index, (ulong)size, r));
                Assert.Equal(PathByDefinition(index, 0, size), path);
                Assert.True(MerkleProof.VerifyInclusion(Leaves[index], (ulong)index, (ulong)size, path, root));
            }
        }
    }

    [Fact]
    public void Consistency_proofs_hold()
    {
        for (int size = 1; size <= Largest; size++)
        {
            for (int earlier = 1; earlier <= size; earlier++)
            {
                Hash256[] path = Path(r => MerkleProof.ConsistencyRanges((ulong)earlier, (ulong)size, r));
                Assert.True(MerkleProof.VerifyConsistency((ulong)earlier, Root(0, earlier), (ulong)size, Root(0, size), path), $"{earlier} to {size}");
            }

            Assert.True(MerkleProof.VerifyConsistency(0, MerkleHash.Empty, (ulong)size, Root(0, size), []));
        }

        Assert.True(MerkleProof.VerifyConsistency(0, MerkleHash.Empty, 0, MerkleHash.Empty, []));
        Assert.False(MerkleProof.VerifyConsistency(0, MerkleHash.Empty, 0, Root(0, 1), []));
        Assert.False(MerkleProof.VerifyConsistency(0, Root(0, 1), 3, Root(0, 3), []));
    }

    [Fact]
    public void The_well_known_tree_has_its_published_proofs()
    {
        Hash256[] leaves = [.. new[] { "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f" }
            .Select(d => MerkleHash.Leaf(Convert.FromHexString(d)))];
        Hash256[] inclusion = Parse(
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
        Hash256 root = Parse("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")[0];
        Assert.True(MerkleProof.VerifyInclusion(leaves[0], 0, 8, inclusion, root));
        Hash256[] consistency = Parse(
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
        Assert.True(MerkleProof.VerifyConsistency(1, leaves[0], 8, root, consistency));
    }

    [Fact]
    public void A_wrong_proof_fails()
    {
        var random = new Random(1);
        for (int round = 0; round < 20_000; round++)
        {
            int size = random.Next(2, Largest + 1);
            int index = random.Next(size);
            int earlier = random.Next(1, size);
            Hash256[] inclusion = Path(r => MerkleProof.InclusionRanges((ulong)index, (ulong)size, r));
            Hash256[] consistency = Path(r => MerkleProof.ConsistencyRanges((ulong)earlier, (ulong)size, r));
            Hash256 root = Root(0, size);
            Hash256 earlierRoot = Root(0, earlier);
            int damage = random.Next(6);
            (ulong wrongIndex, ulong wrongEarlier) = ((ulong)index, (ulong)earlier);
            Hash256 leaf = Leaves[index];
            switch (damage)
            {
                case 0:
                    inclusion[random.Next(inclusion.Length)] = leaf;
                    consistency[random.Next(consistency.Length)] = Leaves[random.Next(size)] == earlierRoot ? default : MerkleHash.Node(root, root);
                    break;
                case 1: (inclusion, consistency) = (inclusion[1..], consistency[..^1]); break;
                case 2: (inclusion, consistency) = ([.. inclusion, root], [.. consistency, root]); break;
                case 3: (leaf, earlierRoot) = (root, root); break;
                case 4: (wrongIndex, wrongEarlier) = ((ulong)((index + 1) % size), (ulong)(earlier % size) + 1); break;
                default: root = default; break;
            }

            Assert.False(MerkleProof.VerifyInclusion(leaf, wrongIndex, (ulong)size, inclusion, root), $"{damage} {index} {size}");
            Assert.False(MerkleProof.VerifyConsistency(wrongEarlier, earlierRoot, (ulong)size, root, consistency), $"{damage} {earlier} {size}");
        }
    }

    [Fact]
    public void Sizes_that_make_no_sense_are_refused()
    {
        Hash256 hash = Leaves[0];
        Assert.False(MerkleProof.VerifyInclusion(hash, 1, 1, [], hash));
        Assert.False(MerkleProof.VerifyInclusion(hash, 0, 0, [], hash));
        Assert.False(MerkleProof.VerifyConsistency(3, hash, 2, hash, [hash, hash]));
        Assert.False(MerkleProof.VerifyConsistency(3, hash, 5, hash, []));
        Assert.False(MerkleProof.VerifyInclusion(hash, ulong.MaxValue - 1, ulong.MaxValue, [.. Enumerable.Repeat(hash, 200)], hash));
        Assert.Throws<ArgumentOutOfRangeException>(() => MerkleProof.InclusionRanges(1, 1, new MerkleRange[64]));
        Assert.Throws<ArgumentOutOfRangeException>(() => MerkleProof.ConsistencyRanges(0, 1, new MerkleRange[64]));
        Assert.Throws<ArgumentOutOfRangeException>(() => MerkleProof.ConsistencyRanges(2, 1, new MerkleRange[64]));
        Assert.InRange(MerkleProof.InclusionRanges(MerkleFrontier.MaxLeafCount / 3, MerkleFrontier.MaxLeafCount, new MerkleRange[64]), 40, 64);
    }

    private static Hash256[] Parse(params string[] hashes) => [.. hashes.Select(h => Hash256.TryParse(h, out Hash256 hash) ? hash : default)];
}
