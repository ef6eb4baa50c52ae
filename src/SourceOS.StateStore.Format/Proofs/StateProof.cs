// Why this file exists: what a proof says, and whether a signed root agrees (format-spec/proofs.md). Invariants: a check needs the proof and a checkpoint and nothing else; content of
// any kind gives a verdict with a reason, never an exception; what is not bound to the root is not believed.

using System.Globalization;

namespace SourceOS.StateStore.Format;

/// <summary>What a check of a proof came to.</summary>
/// <param name="Holds">Whether the proof holds against the checkpoint.</param>
/// <param name="Statement">What is proven, or why it is not, as a sentence.</param>
public readonly record struct ProofVerdict(bool Holds, string Statement);

/// <summary>A proof about a log or its state. Immutable, thread-safe.</summary>
public abstract record StateProof
{
    private protected StateProof()
    {
    }

    /// <summary>Which log: the origin of its checkpoints.</summary>
    public required string Origin { get; init; }

    /// <summary>Hashes of the proof, in the order of RFC 9162.</summary>
    public required IReadOnlyList<Hash256> Path { get; init; }

    /// <summary>Checks the proof against a checkpoint. Whether the checkpoint is signed by somebody trusted is for <see cref="SignedNote.Verify"/> to say.</summary>
    /// <param name="checkpoint">The root.</param>
    /// <returns>Whether it holds, and what it says.</returns>
    public ProofVerdict Check(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return string.Equals(Origin, checkpoint.Origin, StringComparison.Ordinal)
            ? CheckContent(checkpoint)
            : new ProofVerdict(false, $"The proof is about {Origin}, the root about {checkpoint.Origin}.");
    }

    private protected abstract ProofVerdict CheckContent(Checkpoint checkpoint);

    private protected static ProofVerdict No(string why) => new(false, why);
}

/// <summary>An event stood in the log.</summary>
public sealed record EventProof : StateProof
{
    /// <summary>The event's sequence.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>Its salt; empty when the event was erased.</summary>
    public required ReadOnlyMemory<byte> Salt { get; init; }

    /// <summary>Its bytes; empty when it was erased.</summary>
    public required ReadOnlyMemory<byte> Event { get; init; }

    /// <summary>Its leaf hash, for an erased event; otherwise it follows from salt and event and is null.</summary>
    public required Hash256? Leaf { get; init; }

    /// <summary>Proof that the leaf is in its frame's tree.</summary>
    public required IReadOnlyList<Hash256> EventPath { get; init; }

    /// <summary>The 256 bytes of the frame's header.</summary>
    public required ReadOnlyMemory<byte> FrameHeader { get; init; }

    /// <summary>Size of the log tree that <see cref="StateProof.Path"/> is about.</summary>
    public required ulong Size { get; init; }

    private protected override ProofVerdict CheckContent(Checkpoint checkpoint)
    {
        if (Size != checkpoint.Size)
        {
            return No($"The proof is about a log of {Size} frames, the root about one of {checkpoint.Size}.");
        }

        if (!Format.FrameHeader.TryDecode(FrameHeader.Span, out FrameHeader header, out FormatFault fault) || FrameHeader.Length != Format.FrameHeader.LengthBytes)
        {
            return No($"The frame's header is not valid: {fault}.");
        }

        if (!string.Equals(Checkpoint.OriginOf(new Guid(header.StoreId.Bytes, bigEndian: true)), Origin, StringComparison.Ordinal))
        {
            return No("The frame belongs to another store.");
        }

        if (Sequence < header.FirstSequence || Sequence > header.LastSequence)
        {
            return No($"The frame holds the sequences {header.FirstSequence} to {header.LastSequence}, not {Sequence}.");
        }

        bool isErased = Leaf is not null;
        if (isErased != Event.IsEmpty || isErased != Salt.IsEmpty || (!isErased && Salt.Length != FrameBody.SaltLengthBytes))
        {
            return No("A proof has a salt and an event, or the leaf of an erased one.");
        }

        Hash256 leaf = Leaf ?? MerkleHash.Leaf([.. Salt.Span, .. Event.Span]);
        if (!MerkleProof.VerifyInclusion(leaf, Sequence - header.FirstSequence, (ulong)header.EventCount, [.. EventPath], header.EventsRoot))
        {
            return No("The event is not in the frame.");
        }

        Hash256 frame = MerkleHash.Leaf(Format.FrameHeader.HashOf(FrameHeader.Span).Bytes);
        if (!MerkleProof.VerifyInclusion(frame, header.FrameNumber, Size, [.. Path], checkpoint.Root))
        {
            return No("The frame is not in the log.");
        }

        return isErased ? new ProofVerdict(true, $"Event {Sequence} stood in the log with this leaf; its content was erased.") : CheckEvent(header);
    }

    private ProofVerdict CheckEvent(in FrameHeader header)
    {
        if (!EventView.TryRead(Event.Span, out EventView view, out FormatFault fault) || view.Sequence != Sequence)
        {
            return No($"What stands in the log at sequence {Sequence} is not a valid event: {fault}.");
        }

        string type = System.Text.Encoding.UTF8.GetString(view.Type);
        string actor = System.Text.Encoding.UTF8.GetString(view.Actor);
        return new ProofVerdict(true, $"Event {Sequence} ({type}, by {(actor.Length > 0 ? actor : "an unnamed actor")}) stands in frame {header.FrameNumber} of the log of {Size} frames.");
    }
}

/// <summary>A log grew out of an earlier one: nothing that stood in it was changed or taken away.</summary>
public sealed record ConsistencyProof : StateProof
{
    /// <summary>Frames of the earlier log.</summary>
    public required ulong EarlierSize { get; init; }

    /// <summary>Root of the earlier log.</summary>
    public required Hash256 EarlierRoot { get; init; }

    /// <summary>Frames of the later log.</summary>
    public required ulong Size { get; init; }

    /// <summary>Root of the later log.</summary>
    public required Hash256 Root { get; init; }

    private protected override ProofVerdict CheckContent(Checkpoint checkpoint)
    {
        bool isEarlier = checkpoint.Size == EarlierSize && checkpoint.Root == EarlierRoot;
        bool isLater = checkpoint.Size == Size && checkpoint.Root == Root;
        if (!isEarlier && !isLater)
        {
            return No("The root is neither the earlier nor the later one of the proof.");
        }

        return MerkleProof.VerifyConsistency(EarlierSize, EarlierRoot, Size, Root, [.. Path])
            ? new ProofVerdict(true, $"The log of {Size} frames with root {Root} grew out of the log of {EarlierSize} frames with root {EarlierRoot}; the signed root is the {(isLater ? "later" : "earlier")} one.")
            : No("The later log did not grow out of the earlier one.");
    }
}

/// <summary>A record had a value when the checkpoint was made.</summary>
public sealed record RecordProof : StateProof
{
    /// <summary>The record's leaf data: see <see cref="RecordLeaf"/>.</summary>
    public required ReadOnlyMemory<byte> Record { get; init; }

    /// <summary>Its place among the sorted records.</summary>
    public required ulong Index { get; init; }

    /// <summary>Number of records.</summary>
    public required ulong Count { get; init; }

    private protected override ProofVerdict CheckContent(Checkpoint checkpoint)
    {
        if (checkpoint.RecordsRoot is not { } root || checkpoint.RecordCount is not { } count || checkpoint.Sequence is not { } sequence)
        {
            return No("The root says nothing about records.");
        }

        if (Count != count || !MerkleProof.VerifyInclusion(MerkleHash.Leaf(Record.Span), Index, Count, [.. Path], root))
        {
            return No("The record does not have this value under this root.");
        }

        return RecordLeaf.TryDecode(Record.Span, out RecordLeaf leaf)
            ? new ProofVerdict(true, string.Create(CultureInfo.InvariantCulture, $"At sequence {sequence}, {RecordKinds.Get(leaf.Kind).Name} {leaf.Id} had exactly this value, made by event {leaf.Sequence}{(leaf.IsTombstone ? "; it was deleted" : "")}."))
            : No("What stands under the root is not a record.");
    }
}
