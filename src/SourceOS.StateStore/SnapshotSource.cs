// Why this file exists: what snapshots need from the store they came from, the same for the writer and for readers in other processes.
// Invariants: the map under a snapshot outlives it: what snapshots read from is given back when the store is closed and the last snapshot
// is disposed, whichever comes last.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.State;

namespace SourceOS.StateStore;

/// <summary>Opens snapshots and what they read from.</summary>
internal abstract class SnapshotSource(StoreLayout layout, Superblock superblock, StateStoreOptions options, StoreFiles files)
{
    private readonly Lock _holdersGate = new();
    private long _openSnapshots;
    private bool _isReleased;

    internal StoreLayout Layout { get; } = layout;

    internal Superblock Superblock { get; private protected set; } = superblock;

    internal StateStoreOptions Options { get; } = options;

    internal StoreFiles Files { get; } = files;

    internal int MaxAgeMs => Options.SnapshotMaxAgeMs;

    internal long OpenSnapshots => Interlocked.Read(ref _openSnapshots);

    /// <summary>Highest sequence on the medium, as far as this process knows.</summary>
    internal abstract ulong DurableSequence { get; }

    /// <summary>Why the store takes no commits; null when it does, or never did.</summary>
    internal abstract StateStoreException? Fault { get; }

    internal abstract ReadSnapshot OpenSnapshot();

    /// <summary>Waits until new events may be visible; returns at once when <paramref name="seen"/> is not the newest any more.</summary>
    internal abstract ValueTask WaitForNewsAsync(ulong seen, CancellationToken cancellationToken);

    internal EventReader OpenEvents() => new(OpenLog(), Superblock.StoreId);

    internal LogReader OpenLog() => new(Layout, new LogGeometry(Superblock.PageBits, Superblock.SegmentBits), Files);

    internal StateStoreStatus Describe(StateView view)
    {
        StateHeader header = view.Roots.Header;
        List<KindStatus> kinds = [];
        foreach (RecordKindInfo info in RecordKinds.All)
        {
            KindCount count = header.Kinds[(int)info.Kind];
            if (count.Live > 0 || count.Tombstones > 0)
            {
                kinds.Add(new KindStatus(info.Kind, count.Live, count.Tombstones));
            }
        }

        List<LaneStatus> lanes = [];
        foreach (Lane lane in Enum.GetValues<Lane>())
        {
            LaneCount count = header.Lanes[(int)lane - 1];
            lanes.Add(new LaneStatus(lane, count.Events, count.LastSequence, count.Events == 0 ? null : Times.FromMicros(count.LastTimeMicros)));
        }

        StateStoreException? fault = Fault;
        return new StateStoreStatus
        {
            StoreId = StoreIds.ToGuid(Superblock.StoreId),
            FormatVersion = Superblock.FormatVersion,
            Health = fault is null ? StoreHealth.Healthy : StoreHealth.Degraded,
            NextAction = fault is null ? "" : $"Close the store and open it again: {fault.Summary}",
            Sequence = header.LastSequence,
            DurableSequence = Math.Max(header.LastSequence, DurableSequence),
            FrameCount = header.FrameCount,
            LogRoot = header.Frontier.Root().ToString(),
            StateGeneration = header.Generation,
            Kinds = kinds,
            Lanes = lanes,
            LogLengthBytes = header.LogPosition,
            StateLengthBytes = (long)(view.Roots.Meta.LastPage + 1) * view.Roots.Meta.PageSizeBytes,
            LastCommitAt = header.FrameCount == 0 ? null : Times.FromMicros(header.CommitTimeMicros),
        };
    }

    /// <summary>Says that the store is closed; what snapshots read from goes with the last of them.</summary>
    private protected void Release()
    {
        lock (_holdersGate)
        {
            _isReleased = true;
            if (_openSnapshots == 0)
            {
                GiveBack();
            }
        }
    }

    /// <summary>Gives back what snapshots read from. Called once, when nothing reads any more.</summary>
    private protected abstract void GiveBack();

    /// <summary>Opens a snapshot over a pin; the pin is the snapshot's from here on.</summary>
    private protected ReadSnapshot Track(IDisposable pin, StateView view)
    {
        lock (_holdersGate)
        {
            if (_isReleased)
            {
                pin.Dispose();
                throw new StateStoreException(StateStoreErrorCode.Closed, "The store is closed.", Layout.StorePath, "Open it again.");
            }

            _openSnapshots++;
        }

        return new ReadSnapshot(this, new TrackedPin(this, pin), view);
    }

    private void Untrack(IDisposable pin)
    {
        pin.Dispose();
        lock (_holdersGate)
        {
            if (--_openSnapshots == 0 && _isReleased)
            {
                GiveBack();
            }
        }
    }

    private sealed class TrackedPin(SnapshotSource source, IDisposable pin) : IDisposable
    {
        public void Dispose() => source.Untrack(pin);
    }
}

/// <summary>The store id as callers see it.</summary>
internal static class StoreIds
{
    internal static Guid ToGuid(StoreId id) => new(id.Bytes, bigEndian: true);
}
