// Why this file exists: reads events from the log by sequence, for history, subscriptions and states of the past. Invariants: a frame is verified
// completely (place, hash of its leaves, body checksum, each event against its leaf) before an event of it is handed out; not thread-safe.

using System.Buffers;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.State;

namespace SourceOS.StateStore;

/// <summary>Reads events; keeps the last frame, since neighbours are asked for next.</summary>
internal sealed class EventReader(LogReader log, StoreId storeId) : IDisposable
{
    private const int Attempts = 8;
    private readonly FrameScratch _scratch = new();
    private byte[] _entry = [];
    private byte[] _raw = [];
    private int[] _starts = [];
    private FrameHeader _header;
    private int _entryLength;
    private int _rawLength;
    private ulong _firstSequence;
    private int _eventCount;

    /// <summary>Reads one event; null when the log does not reach that far or its base lies above it.</summary>
    internal StoredEvent? Read(StateView view, ulong sequence)
    {
        if (sequence == 0 || !Load(view, sequence))
        {
            return null;
        }

        int index = (int)(sequence - _firstSequence);
        return ToStored(FrameBody.OverChecked(_raw.AsSpan(0, _rawLength), in _header).GetAt(index, _starts[index]), sequence);
    }

    /// <summary>Reads and verifies the frame that holds a sequence; null as for <see cref="Read"/>. Valid until the next read.</summary>
    internal ReadOnlyMemory<byte>? ReadFrame(StateView view, ulong sequence) => Load(view, sequence) ? new ReadOnlyMemory<byte>(_entry, 0, _entryLength) : (ReadOnlyMemory<byte>?)null;

    /// <inheritdoc/>
    public void Dispose() => log.Dispose();

    private StoredEvent ToStored(FrameEvent item, ulong sequence)
    {
        ref readonly FrameHeader header = ref _header;
        if (item.IsErased)
        {
            return new StoredEvent
            {
                Sequence = sequence,
                FrameNumber = header.FrameNumber,
                CommitId = header.CommitId,
                CommittedAt = Times.FromMicros(header.CommitTimeMicros),
                IsErased = true,
            };
        }

        EventView view = default;
        if (item.LeafHash() != LeafHash(item.Index) || !EventView.TryRead(item.EventBytes, out view, out _) || view.Sequence != sequence)
        {
            ThrowDamaged(header.Address, header.FrameNumber, $"the event with sequence {sequence} does not match its leaf");
        }

        return new StoredEvent
        {
            Sequence = sequence,
            FrameNumber = header.FrameNumber,
            CommitId = header.CommitId,
            CommittedAt = Times.FromMicros(header.CommitTimeMicros),
            Type = Encoding.UTF8.GetString(view.Type),
            Lane = view.Lane,
            Action = view.Action,
            SubjectKind = view.HasSubject ? view.SubjectKind : null,
            SubjectId = Encoding.UTF8.GetString(view.SubjectId),
            ActorId = Encoding.UTF8.GetString(view.Actor),
            DeviceId = Encoding.UTF8.GetString(view.Device),
            ProfileId = Encoding.UTF8.GetString(view.Profile),
            WorkspaceId = Encoding.UTF8.GetString(view.Workspace),
            DecisionId = Encoding.UTF8.GetString(view.DecisionId),
            PreviousSequence = view.PreviousSequence,
            OccurredAt = Times.FromMicros(view.OccurredAtMicros),
            IsBootCritical = view.IsBootCritical,
            DataJson = view.Data.ToArray(),
            Image = view.Image.ToArray(),
        };
    }

    private bool Load(StateView view, ulong sequence)
    {
        if (_eventCount > 0 && sequence >= _firstSequence && sequence - _firstSequence < (ulong)_eventCount)
        {
            return true;
        }

        _eventCount = 0;
        if (!view.TryFindFrame(sequence, out ulong first, out FrameEntry place))
        {
            return false;
        }

        int length = checked((int)place.EntryLengthBytes);
        if (length > FormatLimits.MaxFrameLengthBytes(FormatLimits.MaxPageBits))
        {
            ThrowDamaged(place.Address, place.FrameNumber, "the frame table names an impossible length");
        }

        if (_entry.Length < length)
        {
            _entry = new byte[Math.Max(length, 64 << 10)];
        }

        for (int attempt = 1; ; attempt++)
        {
            ReadStatus status = log.ReadExactly(place.Address + 4, _entry.AsSpan(0, length), out _);
            if (status != ReadStatus.Ok)
            {
                ThrowDamaged(place.Address, place.FrameNumber, $"it cannot be read ({status})");
            }

            string flaw = Verify(place, first, length);
            if (flaw.Length == 0)
            {
                break;
            }

            // An erasure in another process writes frames where they stand: bytes that change between two looks are not damage yet.
            if (attempt == Attempts || !HasChanged(place.Address, length))
            {
                ThrowDamaged(place.Address, place.FrameNumber, flaw);
            }
        }

        _firstSequence = first;
        _eventCount = (int)place.EventCount;
        return true;
    }

    private bool HasChanged(long address, int length)
    {
        byte[] again = new byte[length];
        return log.ReadExactly(address + 4, again, out _) != ReadStatus.Ok || !again.AsSpan().SequenceEqual(_entry.AsSpan(0, length));
    }

    // What is wrong with the frame that was read; empty when nothing is.
    private string Verify(in FrameEntry place, ulong first, int length)
    {
        if (!FrameView.TryRead(_entry.AsSpan(0, length), out FrameView frame, out FormatFault fault))
        {
            return fault.ToString();
        }

        FrameHeader header = frame.Header;
        bool isPlace = header.Address == place.Address
            && header.FrameNumber == place.FrameNumber
            && header.FirstSequence == first
            && header.EventCount == (int)place.EventCount
            && header.StoreId == storeId;
        if (!isPlace || !frame.VerifyLeaves())
        {
            return "it is not the frame that the state names";
        }

        if (!frame.TryOpenBody(_scratch, out FrameBody body, out fault))
        {
            return fault.ToString();
        }

        _entryLength = length;
        _header = header;
        Keep(body);
        return "";
    }

    // What was checked once is kept decoded, with a directory, so that a scan costs one step an event and not a decoded frame.
    private void Keep(FrameBody body)
    {
        _rawLength = body.Raw.Length;
        if (_raw.Length < _rawLength)
        {
            _raw = new byte[Math.Max(_rawLength, 64 << 10)];
        }

        if (_starts.Length < body.Count)
        {
            _starts = new int[Math.Max(body.Count, 256)];
        }

        body.Raw.CopyTo(_raw);
        body.GetStarts(_starts);
    }

    private Hash256 LeafHash(int index) => new(_entry.AsSpan(FrameHeader.LengthBytes + (index * Hash256.LengthBytes), Hash256.LengthBytes));

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void ThrowDamaged(long address, ulong frameNumber, string what) => throw new StateStoreException(
        StateStoreErrorCode.LogDamaged,
        $"A frame of the log is damaged: {what}.",
        $"frame {frameNumber}, log address {address}",
        "Run `statestore verify` to see the whole damage.");
}
