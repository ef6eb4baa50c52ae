// Why this file exists: how a group of frames becomes durable: pages, tail slot, one sync (format-spec/segments.md). Invariants: used by the
// writer thread only; nothing is durable before SyncGroup returns; after the first failure every call throws.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Events;

namespace SourceOS.StateStore.Log;

/// <summary>The append side of the log with its tail slots.</summary>
internal sealed class LogWriter : IDisposable
{
    private readonly SegmentFiles _files;
    private readonly EventLog _log;
    private readonly SlotKeeper _slots;
    private readonly StoreId _storeId;
    private readonly TimeProvider _clock;
    private readonly byte[] _slotBuffer = new byte[TailSlot.LengthBytes];
    private long _durableTail;
    private bool _isConfirmed;

    internal LogWriter(SegmentFiles files, EventLog log, SlotKeeper slots, StoreId storeId, ulong writerEpoch, LogTip tip, TimeProvider clock)
    {
        _files = files;
        _log = log;
        _slots = slots;
        _storeId = storeId;
        WriterEpoch = writerEpoch;
        Tip = tip;
        _clock = clock;
        _durableTail = tip.Address;
        DurableFrameCount = tip.FrameCount;
        _isConfirmed = true;
    }

    /// <summary>The end of what is durable.</summary>
    internal LogTip Tip { get; private set; }

    /// <summary>The epoch of this writer.</summary>
    internal ulong WriterEpoch { get; }

    /// <summary>Frames known to be durable.</summary>
    internal ulong DurableFrameCount { get; private set; }

    /// <summary>Whether the last group waits for its confirmation.</summary>
    internal bool NeedsConfirmation => !_isConfirmed;

    /// <summary>Hears up to which address the log is durable and a slot says so. Called on the writer thread; must not throw.</summary>
    internal Action<long>? Confirmed { get; set; }

    /// <summary>Where entries land.</summary>
    internal LogLayout Layout => _log.Layout;

    /// <summary>Bytes that the log's segments take.</summary>
    internal long LengthBytes => (long)_files.SegmentCount * _files.SegmentBytes;

    /// <summary>Makes sure that the log has room up to an address.</summary>
    /// <exception cref="StateStoreException">No space (retryable, nothing changed).</exception>
    internal void Reserve(long untilAddress) => _log.Reserve(untilAddress);

    /// <summary>Appends a stamped frame; it must land where it was stamped for.</summary>
    internal void Append(FrameBuilder frame)
    {
        long expectedAddress = frame.Header.Address;
        if (!_log.TryAppend(new StampedFrame(frame), out long address) || address != expectedAddress)
        {
            throw new StateStoreException(
                StateStoreErrorCode.LogDamaged,
                $"A frame landed at {address} instead of {expectedAddress}.",
                $"log address {expectedAddress}",
                "Nothing was acknowledged. Close the store and open it again.");
        }
    }

    /// <summary>Writes everything appended and the tail slot, and syncs once. Returns when the group is durable.</summary>
    internal void SyncGroup(LogTip tip)
    {
        _log.Flush();
        WriteSlot(tip, _durableTail, isCleanClose: false, stateTransaction: 0, stateGeneration: 0);
        _files.SyncDirty();
        _slots.Synced();
        Confirmed?.Invoke(_durableTail);
        _durableTail = tip.Address;
        Tip = tip;
        DurableFrameCount = tip.FrameCount;
        _isConfirmed = false;
    }

    /// <summary>Writes, without a sync, that everything up to the tail is durable.</summary>
    internal void Confirm()
    {
        WriteSlot(Tip, Tip.Address, isCleanClose: false, stateTransaction: 0, stateGeneration: 0);
        _isConfirmed = true;
        Confirmed?.Invoke(Tip.Address);
    }

    /// <summary>Writes and syncs the slot of an open or a clean close.</summary>
    internal void WriteSyncedSlot(bool isCleanClose, ulong stateTransaction, ulong stateGeneration)
    {
        WriteSlot(Tip, Tip.Address, isCleanClose, stateTransaction, stateGeneration);
        _files.SyncDirty();
        _slots.Synced();
        _isConfirmed = true;
        Confirmed?.Invoke(Tip.Address);
    }

    /// <summary>Makes every slot but the newest zero, durably: a slot holds a copy of a block of the log, and an erasure leaves no copy.</summary>
    internal void ClearOtherSlots()
    {
        for (int segment = _files.FirstSegment; segment < _files.EndSegment; segment++)
        {
            for (int index = 0; index < 2; index++)
            {
                if (_files.Contains(segment) && !_slots.IsSynced(segment, index))
                {
                    _files.ReadSlot(segment, index, _slotBuffer);
                    if (_slotBuffer.AsSpan().ContainsAnyExcept((byte)0))
                    {
                        Array.Clear(_slotBuffer);
                        _files.WriteSlot(segment, index, _slotBuffer);
                    }
                }
            }
        }

        _files.SyncDirty();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _log.Dispose();
        _files.Dispose();
    }

    private void WriteSlot(LogTip tip, long durableBefore, bool isCleanClose, ulong stateTransaction, ulong stateGeneration)
    {
        long segment = TailSlot.SegmentOf(tip.Address, _files.SegmentBits);
        (int index, ulong generation) = _slots.Next(segment);
        TailSlot slot = new()
        {
            SlotIndex = index,
            IsCleanClose = isCleanClose,
            StoreId = _storeId,
            SegmentNumber = segment,
            Generation = generation,
            DurableBefore = durableBefore,
            Tail = tip.Address,
            FrameCount = tip.FrameCount,
            LastSequence = tip.LastSequence,
            WriterEpoch = WriterEpoch,
            ChainHead = tip.ChainHead,
            WrittenAtMicros = Times.MicrosOf(_clock.GetUtcNow()),
            StateTransaction = stateTransaction,
            StateGeneration = stateGeneration,
        };
        slot.Encode(_slotBuffer, _log.TailBlock[..slot.BlockLength]);
        _files.WriteSlot((int)segment, index, _slotBuffer);
    }

    private readonly struct StampedFrame(FrameBuilder frame) : IEventLogEntry
    {
        public int LengthBytes => frame.EntryLengthBytes;

        public void Write(Span<byte> destination) => frame.WriteTo(destination);
    }
}
