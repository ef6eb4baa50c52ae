// Why this file exists: makes the proofs and checkpoints of one snapshot. Invariants: everything a proof says comes from bytes that were verified on the way; the records tree is built
// from records in key order; each proof is checked against the snapshot's own roots before it is handed out.

using System.Buffers;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Proofs;

/// <summary>Proves things about one snapshot. Reads in proportion to the log (events, consistency) or to the records (checkpoints, records). One thread at a time.</summary>
/// <param name="store">The store.</param>
/// <param name="snapshot">A snapshot of it; keep it open meanwhile.</param>
public sealed class Prover(StateStore store, ReadSnapshot snapshot)
{
    private readonly string _origin = Checkpoint.OriginOf(store.Id);

    /// <summary>Frames in the snapshot's log.</summary>
    public ulong Size => snapshot.Header.FrameCount;

    /// <summary>The checkpoint of the snapshot: its size, its roots, its sequence.</summary>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The checkpoint, to be signed.</returns>
    /// <exception cref="StateStoreException">The state is damaged, or the snapshot is too old.</exception>
    public Checkpoint MakeCheckpoint(CancellationToken cancellationToken = default)
    {
        MerkleFrontier records = new();
        _ = WalkRecords(records, null, [], cancellationToken);
        return new Checkpoint(_origin, Size, snapshot.Header.Frontier.Root(), snapshot.Sequence, records.LeafCount, records.Root());
    }

    /// <summary>Proves that an event stands in the log.</summary>
    /// <param name="sequence">The event.</param>
    /// <param name="size">Frames of the log that the proof is about; null for all. Give the size of the checkpoint that the checker has.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The proof, or null when that log does not hold the event.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The size is 0 or above <see cref="Size"/>.</exception>
    /// <exception cref="StateStoreException">The log or the state is damaged, or the log does not start at frame 0.</exception>
    public EventProof? ProveEvent(ulong sequence, ulong? size = null, CancellationToken cancellationToken = default)
    {
        ulong of = CheckSize(size ?? Size);
        using EventReader events = snapshot.OpenEvents();
        if (sequence == 0 || events.ReadFrame(snapshot.View, sequence) is not { } entry)
        {
            return null;
        }

        _ = FrameView.TryRead(entry.Span, out FrameView frame, out _);
        FrameHeader header = frame.Header;
        if (header.FrameNumber >= of)
        {
            return null;
        }

        _ = frame.TryOpenBody(new FrameScratch(), out FrameBody body, out _);
        int index = (int)(sequence - header.FirstSequence);
        FrameEvent item = body[index];
        if (!item.IsErased && !frame.VerifyEvent(in item))
        {
            throw new StateStoreException(StateStoreErrorCode.LogDamaged, $"The event with sequence {sequence} does not match its leaf.", $"frame {header.FrameNumber}", "Run `statestore verify` to see the damage.");
        }

        MerkleRange[] ranges = new MerkleRange[MerkleProof.MaxPathLength];
        int count = MerkleProof.InclusionRanges((ulong)index, (ulong)header.EventCount, ranges);
        List<Hash256> eventPath = [];
        foreach (MerkleRange range in ranges.AsSpan(0, count))
        {
            eventPath.Add(MerkleHash.Root(frame.LeafHashes.Slice((int)range.Start * Hash256.LengthBytes, (int)range.Count * Hash256.LengthBytes)));
        }

        count = MerkleProof.InclusionRanges(header.FrameNumber, of, ranges);
        return new EventProof
        {
            Origin = _origin,
            Sequence = sequence,
            Salt = item.IsErased ? default : item.Salt.ToArray(),
            Event = item.IsErased ? default : item.EventBytes.ToArray(),
            Leaf = item.IsErased ? frame.LeafHash(index) : null,
            EventPath = eventPath,
            FrameHeader = frame.HeaderBytes.ToArray(),
            Size = of,
            Path = Roots(ranges.AsSpan(0, count), cancellationToken),
        };
    }

    /// <summary>Proves that the log grew out of an earlier one.</summary>
    /// <param name="earlierSize">Frames of the earlier log, at least 1.</param>
    /// <param name="size">Frames of the later log; at least as many, at most <see cref="Size"/>.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The proof.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of range.</exception>
    /// <exception cref="StateStoreException">The log or the state is damaged, or the log does not start at frame 0.</exception>
    public ConsistencyProof ProveConsistency(ulong earlierSize, ulong size, CancellationToken cancellationToken = default)
    {
        CheckSize(size);
        ArgumentOutOfRangeException.ThrowIfZero(earlierSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(earlierSize, size);
        MerkleRange[] ranges = new MerkleRange[MerkleProof.MaxPathLength + 2];
        int count = MerkleProof.ConsistencyRanges(earlierSize, size, ranges);
        ranges[count] = new MerkleRange(0, earlierSize);
        ranges[count + 1] = new MerkleRange(0, size);
        Hash256[] roots = Roots(ranges.AsSpan(0, count + 2), cancellationToken);
        return new ConsistencyProof
        {
            Origin = _origin, EarlierSize = earlierSize, EarlierRoot = roots[count], Size = size, Root = roots[count + 1], Path = roots[..count],
        };
    }

    /// <summary>Proves a record's value against the checkpoint of this snapshot, or of any other moment since which no record changed.</summary>
    /// <param name="kind">The record's kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The proof, or null when there is no such record.</returns>
    /// <exception cref="StateStoreException">The state is damaged, or the snapshot is too old.</exception>
    public RecordProof? ProveRecord(RecordKind kind, string id, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(id);
        MerkleFrontier whole = new();
        Found? found = WalkRecords(whole, (kind, System.Text.Encoding.UTF8.GetBytes(id)), [], cancellationToken);
        if (found is null)
        {
            return null;
        }

        MerkleRange[] ranges = new MerkleRange[MerkleProof.MaxPathLength];
        int count = MerkleProof.InclusionRanges(found.Index, whole.LeafCount, ranges);
        (MerkleRange Range, MerkleFrontier Tree)[] parts = [.. ranges[..count].Select(static range => (range, new MerkleFrontier()))];
        _ = WalkRecords(new MerkleFrontier(), null, parts, cancellationToken);
        return new RecordProof { Origin = _origin, Record = found.Leaf, Index = found.Index, Count = whole.LeafCount, Path = [.. parts.Select(static part => part.Tree.Root())] };
    }

    private Hash256[] Roots(ReadOnlySpan<MerkleRange> ranges, CancellationToken cancellationToken)
    {
        using LogReader log = snapshot.OpenLog();
        return LogTree.Roots(snapshot.View, log, ranges, store.Superblock, cancellationToken);
    }

    private ulong CheckSize(ulong size)
    {
        ArgumentOutOfRangeException.ThrowIfZero(size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, Size);
        return size;
    }

    private Found? WalkRecords(MerkleFrontier whole, (RecordKind Kind, byte[] Id)? wanted, (MerkleRange Range, MerkleFrontier Tree)[] parts, CancellationToken cancellationToken)
    {
        Found? found = null;
        ArrayBufferWriter<byte> leaf = new();
        foreach (RecordKindInfo kind in RecordKinds.All)
        {
            foreach (RecordView record in snapshot.Range(kind.Kind, includeTombstones: true))
            {
                cancellationToken.ThrowIfCancellationRequested();
                leaf.ResetWrittenCount();
                byte flags = (byte)((record.IsTombstone ? 1 : 0) | (record.IsBootCritical ? 2 : 0));
                RecordLeaf.Write(leaf, kind.Kind, record.Id, record.Sequence, record.Surrogate, flags, record.BodyBytes);
                ulong index = whole.LeafCount;
                Hash256 hash = MerkleHash.Leaf(leaf.WrittenSpan);
                whole.Append(hash);
                foreach ((MerkleRange range, MerkleFrontier tree) in parts)
                {
                    if (index >= range.Start && index - range.Start < range.Count)
                    {
                        tree.Append(hash);
                    }
                }

                if (wanted is { } key && key.Kind == kind.Kind && record.Id.SequenceEqual(key.Id))
                {
                    found = new Found(index, leaf.WrittenSpan.ToArray());
                }
            }
        }

        return found;
    }

    private sealed record Found(ulong Index, byte[] Leaf);
}
