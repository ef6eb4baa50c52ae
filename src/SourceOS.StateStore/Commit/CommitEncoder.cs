// Why this file exists: turns one admitted commit into sealed frames and folds them, on the writer thread. Invariants: validation comes first,
// so a commit that is refused has changed neither fold nor frames; sequences, addresses and hashes follow exactly from the fold's header.

using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Events;

namespace SourceOS.StateStore.Commit;

/// <summary>Encodes commits of one group. Reusable; writer thread only.</summary>
internal sealed class CommitEncoder(StateFold fold, LogLayout layout, StoreId storeId, ulong writerEpoch)
{
    private const int SoftRawBytes = 256 << 10;
    private const int SaltBytes = FrameBody.SaltLengthBytes;
    private const int EventHeaderBytes = 64;
    private const int KeptBuilderBytes = 2 << 20;
    private const long KeptBytes = 16 << 20;
    private readonly List<FrameBuilder> _frames = [];
    private readonly Stack<FrameBuilder> _idle = new();
    private readonly RecordBodyBuilder _tombstones = new();
    private readonly byte[] _salts = new byte[SaltBytes * 256];
    private readonly int _maxEntryBytes = FormatLimits.MaxFrameLengthBytes(layout.PageBits);
    private long _idleBytes;
    private int _saltsUsed = SaltBytes * 256;

    /// <summary>Frames encoded since the last <see cref="Clear"/>, in log order.</summary>
    internal IReadOnlyList<FrameBuilder> Frames => _frames;

    /// <summary>Log address behind the last encoded frame.</summary>
    internal long Tail => fold.Header.LogPosition;

    /// <summary>Forgets the group's frames.</summary>
    internal void Clear()
    {
        foreach (FrameBuilder frame in _frames)
        {
            // A builder that one huge commit blew up is not kept, and all of them together are bounded, so that memory stays what ordinary groups need.
            if (frame.CapacityBytes <= KeptBuilderBytes && _idleBytes + frame.CapacityBytes <= KeptBytes)
            {
                _idle.Push(frame);
                _idleBytes += frame.CapacityBytes;
            }
        }

        _frames.Clear();
    }

    /// <summary>Encodes and folds a commit that passed every check.</summary>
    internal CommitReceipt Encode(CommitWork work, DateTimeOffset now, ulong durableFrames)
    {
        IReadOnlyList<CommitChange> changes = work.Batch.Changes;
        ulong commitId = fold.Header.LastCommitId + 1;
        ulong first = fold.Header.LastSequence + 1;
        CommitContext context = new(work.Session, commitId, Times.MicrosOf(now), durableFrames);
        uint index = 0;
        FrameBuilder frame = Take();
        ulong frameFirst = first;
        for (int i = 0; i < changes.Count; i++)
        {
            bool isFull = frame.Count > 0 && frame.RawLengthBytes >= SoftRawBytes;
            ulong sequence = first + (ulong)i;
            if (isFull || !TryAddChange(frame, changes[i], context, sequence))
            {
                Seal(frame, context, index++, frameFirst, isLast: false);
                frame = Take();
                frameFirst = sequence;
                if (!TryAddChange(frame, changes[i], context, sequence))
                {
                    throw new InvalidOperationException("An admitted change does not fit an empty frame.");
                }
            }
        }

        Seal(frame, context, index, frameFirst, isLast: true);
        return new CommitReceipt
        {
            Status = CommitStatus.Committed,
            Stage = CommitStage.Visible,
            CommitId = commitId,
            FirstSequence = first,
            LastSequence = first + (ulong)changes.Count - 1,
            CommittedAt = Times.FromMicros(context.CommitTimeMicros),
        };
    }

    /// <summary>Whether a change fits a frame of this store at all, whatever its texts are.</summary>
    internal bool FitsAnyFrame(CommitChange change)
    {
        int texts = FormatLimits.MaxEventTypeLengthBytes + (6 * FormatLimits.MaxIdentifierLengthBytes);
        int image = change.Action == EventAction.Tombstone && !change.IsSalvage ? change.TombstoneUpperBoundBytes : change.Body.Length;
        int raw = FrameBuilder.RawLengthOf(EventHeaderBytes + texts + change.Options.DataJson.Length + image);
        return raw <= FormatLimits.MaxFrameRawBodyLengthBytes && FrameBuilder.EntryLengthFor(1, raw) <= _maxEntryBytes;
    }

    private FrameBuilder Take()
    {
        if (!_idle.TryPop(out FrameBuilder? frame))
        {
            frame = new FrameBuilder(_maxEntryBytes);
        }
        else
        {
            _idleBytes -= frame.CapacityBytes;
        }

        frame.Reset();
        return frame;
    }

    private void Seal(FrameBuilder frame, in CommitContext context, uint index, ulong firstSequence, bool isLast)
    {
        // The length is known only once the body is compressed, and the address only once the length is.
        int entryLength = frame.Seal();
        long address = layout.NextEntryAddress(fold.Header.LogPosition, entryLength);
        Hash256 hash = frame.Stamp(new FrameHeader
        {
            StoreId = storeId,
            WriterEpoch = writerEpoch,
            FrameNumber = fold.Header.FrameCount,
            CommitId = context.CommitId,
            IndexInCommit = index,
            IsLastOfCommit = isLast,
            FirstSequence = firstSequence,
            Address = address,
            CommitTimeMicros = context.CommitTimeMicros,
            DurableFrames = context.DurableFrames,
            PreviousHash = fold.Header.ChainHead,
        });
        FrameHeader header = frame.Header;
        fold.EndFrame(in header, in hash, address, (uint)entryLength, LogLayout.TailAfter(address, entryLength));
        _frames.Add(frame);
    }

    private bool TryAddChange(FrameBuilder frame, CommitChange change, in CommitContext context, ulong sequence)
    {
        SessionIdentity session = context.Session;
        long nowMicros = context.CommitTimeMicros;
        RecordEnvelope existing = default;
        bool exists = change.HasSubject && fold.TryGetRecord(change.Kind, change.IdBytes, out existing);
        EventFields fields = new()
        {
            Lane = change.Options.Lane,
            Action = change.Action,
            SubjectKind = change.HasSubject ? change.Kind : default,
            Sequence = sequence,
            PreviousSequence = exists ? existing.Sequence : 0,
            OccurredAtMicros = change.Options.OccurredAt is DateTimeOffset at ? Times.MicrosOf(at) : nowMicros,
            ImageMarks = IsBootCritical(change) ? ImageMarks.BootCritical : ImageMarks.None,
            Type = change.EventType is null ? EventTypes.For(change.Kind, change.Action, exists) : Encoding.UTF8.GetBytes(change.EventType),
            Actor = Encoding.UTF8.GetBytes(session.ActorId),
            Device = Encoding.UTF8.GetBytes(session.DeviceId),
            Profile = SubjectPlaces.Profile(change, exists, existing, session),
            Workspace = SubjectPlaces.Workspace(change, exists, existing, session),
            SubjectId = change.IdBytes,
            DecisionId = change.Options.DecisionId is null ? default : Encoding.UTF8.GetBytes(change.Options.DecisionId),
            Data = change.Options.DataJson.Span,
            Image = change.Action == EventAction.Tombstone && !change.IsSalvage ? TombstoneBody(existing, session, nowMicros) : change.Body.Span,
        };
        if (!frame.CanAdd(EventWriter.Measure(in fields)))
        {
            return false;
        }

        ReadOnlySpan<byte> encoded = frame.Add(in fields, NextSalt());
        _ = EventView.TryRead(encoded, out EventView view, out _);
        fold.Apply(view);
        return true;
    }

    // What is saved from another log keeps the mark that it had; a deleted record has none.
    private static bool IsBootCritical(CommitChange change)
    {
        if (change.Options.BootCritical || change.IsSalvage || change.Action != EventAction.Put)
        {
            return change.Options.BootCritical && (change.Action == EventAction.Put || change.IsSalvage);
        }

        return RecordBodyView.TryRead(change.Body.Span, out RecordBodyView body, out _) && BootMark.IsTagged(change.Kind, body);
    }

    // A deleted object says so in its own fields, so that its tombstone answers who and when without the log.
    private ReadOnlySpan<byte> TombstoneBody(RecordEnvelope existing, SessionIdentity session, long nowMicros)
    {
        bool hasRoom = existing.Body.Length <= FormatLimits.MaxRecordBodyLengthBytes - CommitChange.TombstoneSlackBytes;
        if (existing.Kind != RecordKind.Object || !hasRoom || !RecordBodyView.TryRead(existing.Body, out RecordBodyView body, out _))
        {
            return existing.Body;
        }

        _tombstones.Clear();
        _tombstones.CopyFrom(body);
        _tombstones.SetText(ObjectSlots.State, "deleted"u8).SetText(ObjectSlots.LastModifiedByActor, session.ActorId).SetTime(ObjectSlots.UpdatedAt, nowMicros);
        return _tombstones.Build();
    }

    private ReadOnlySpan<byte> NextSalt()
    {
        if (_saltsUsed == _salts.Length)
        {
            RandomNumberGenerator.Fill(_salts);
            _saltsUsed = 0;
        }

        ReadOnlySpan<byte> salt = _salts.AsSpan(_saltsUsed, SaltBytes);
        _saltsUsed += SaltBytes;
        return salt;
    }

    private readonly record struct CommitContext(SessionIdentity Session, ulong CommitId, long CommitTimeMicros, ulong DurableFrames);
}
