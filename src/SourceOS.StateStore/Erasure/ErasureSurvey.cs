// Why this file exists: which events an erasure takes follows from the log alone: those about a record that a later event purges. So an erasure that was cut off is found and
// finished by looking again. Invariants: reads only; what tells who decided what (purges, and events of the policy, audit and repair lanes that the store itself writes) stays.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Erasure;

/// <summary>Receives a frame as it shall be.</summary>
/// <param name="address">Log address of its entry.</param>
/// <param name="frame">The entry, erased; valid during the call.</param>
/// <param name="erased">Events that it loses.</param>
internal delegate void ErasedFrameSink(long address, ReadOnlySpan<byte> frame, int erased);

/// <summary>Looks for what an erasure takes.</summary>
internal sealed class ErasureSurvey(LogReader reader, Superblock superblock, LogTip tip)
{
    private const int MaxRanges = 1024;

    /// <summary>Finds the records that the log purges.</summary>
    internal SubjectSet FindPurged(CancellationToken cancellation)
    {
        PurgeVisitor visitor = new();
        Scan(visitor, null, cancellation);
        return visitor.Purged;
    }

    /// <summary>Finds the events that go, and gives each frame that holds some as it shall be.</summary>
    /// <exception cref="StateStoreException">LogDamaged when the log is not sound up to its end.</exception>
    internal ErasureReport Run(SubjectSet purged, ErasedFrameSink? sink, IReadOnlyList<string> quarantined, CancellationToken cancellation)
    {
        ErasedVisitor visitor = new(purged);
        Tally tally = new();
        Sha256Hasher leaves = Sha256Hasher.Create();
        byte[] entry = [];
        Scan(visitor, () =>
        {
            FrameHeader header = visitor.Header;
            if (visitor.Indexes.Count == 0)
            {
                return;
            }

            if (entry.Length < header.EntryLengthBytes)
            {
                entry = new byte[Math.Max(header.EntryLengthBytes, 64 << 10)];
            }

            Span<byte> frame = entry.AsSpan(0, header.EntryLengthBytes);
            ReadStatus status = reader.ReadExactly(header.Address + LogGeometry.EntryPrefixBytes, frame, out _);
            if (status != ReadStatus.Ok)
            {
                throw Damaged($"a frame cannot be read a second time ({status})", header.Address);
            }

            tally.Add(header, visitor.Indexes);
            foreach (int index in visitor.Indexes)
            {
                leaves.Append(frame.Slice(FrameHeader.LengthBytes + (index * Hash256.LengthBytes), Hash256.LengthBytes));
            }

            if (!FrameEraser.TryErase(frame, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(visitor.Indexes), out FormatFault fault))
            {
                tally.DoNotFit += fault.Code == FaultCode.DoesNotFit ? 1UL : throw Damaged(fault.ToString(), header.Address);
                return;
            }

            sink?.Invoke(header.Address, frame, visitor.Indexes.Count);
        }, cancellation);
        return tally.ToReport(purged.Count, leaves.Finish(), tip.ChainHead, quarantined);
    }

    private void Scan(FrameVisitor visitor, Action? afterFrame, CancellationToken cancellation)
    {
        FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.AtBase(superblock), tip.Address) { Visitor = visitor };
        visitor.Begin();
        ScanOutcome outcome;
        while ((outcome = scanner.MoveNext()) == ScanOutcome.Frame)
        {
            cancellation.ThrowIfCancellationRequested();
            visitor.Header = scanner.Header;
            afterFrame?.Invoke();
            visitor.Begin();
        }

        if (outcome == ScanOutcome.Fault || scanner.Position != tip.Address)
        {
            throw Damaged(outcome == ScanOutcome.Fault ? scanner.Fault.ToString() : "it ends early", scanner.Position);
        }
    }

    private static StateStoreException Damaged(string what, long address) => new(
        StateStoreErrorCode.LogDamaged, $"The log is not sound, so it cannot be said what must be erased: {what}.", $"log address {address}", "Nothing was erased. Run `statestore verify`, repair, and erase then.");

    private abstract class FrameVisitor : IFrameEventVisitor
    {
        internal FrameHeader Header { get; set; }

        internal virtual void Begin()
        {
        }

        public abstract void Visit(in FrameHeader header, in FrameEvent frameEvent, in EventView view);
    }

    private sealed class PurgeVisitor : FrameVisitor
    {
        internal SubjectSet Purged { get; } = new();

        public override void Visit(in FrameHeader header, in FrameEvent frameEvent, in EventView view)
        {
            if (view.Action == EventAction.Purge)
            {
                Purged.Add(view.SubjectKind, view.SubjectId, view.Sequence);
            }
        }
    }

    private sealed class ErasedVisitor(SubjectSet purged) : FrameVisitor
    {
        internal List<int> Indexes { get; } = [];

        internal override void Begin() => Indexes.Clear();

        public override void Visit(in FrameHeader header, in FrameEvent frameEvent, in EventView view)
        {
            if (view.HasSubject && view.Action != EventAction.Purge && !IsTrail(view) && purged.IsPurgedAfter(view.SubjectKind, view.SubjectId, view.Sequence))
            {
                Indexes.Add(frameEvent.Index);
            }
        }

        // What the store itself says of refusals, decisions and repairs names a record and carries none of its content.
        private static bool IsTrail(in EventView view) =>
            view.Action == EventAction.None && view.Lane is Lane.Policy or Lane.Audit or Lane.Repair && view.Type.StartsWith("sync."u8);
    }

    private sealed class Tally
    {
        private readonly List<SequenceRange> _ranges = [];
        private ulong _events;
        private ulong _frames;
        private long _bytes;

        internal ulong DoNotFit { get; set; }

        internal void Add(in FrameHeader header, List<int> indexes)
        {
            _frames++;
            _bytes += header.EntryLengthBytes;
            foreach (int index in indexes)
            {
                _events++;
                ulong sequence = header.FirstSequence + (ulong)index;
                if (_ranges.Count > 0 && _ranges[^1].Last + 1 == sequence)
                {
                    _ranges[^1] = _ranges[^1] with { Last = sequence };
                }
                else if (_ranges.Count < MaxRanges)
                {
                    _ranges.Add(new SequenceRange(sequence, sequence));
                }
            }
        }

        internal ErasureReport ToReport(int records, Hash256 leaves, Hash256 chainHead, IReadOnlyList<string> quarantined) => new()
        {
            Records = records,
            Events = _events,
            Frames = _frames,
            LengthBytes = _bytes,
            FramesThatDoNotFit = DoNotFit,
            Sequences = _ranges,
            LeavesHash = leaves,
            ChainHead = chainHead,
            Quarantined = quarantined,
        };
    }
}
