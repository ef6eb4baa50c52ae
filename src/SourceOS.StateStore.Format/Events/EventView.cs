// Why this file exists: one event, read in place (format-spec/events.md). Invariants: a view exists only over bytes that passed every check of
// TryRead; it copies nothing and is valid as long as those bytes are.

using System.Runtime.InteropServices;
using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>One event over the bytes it was read from. Thread-safe as long as nobody changes those bytes.</summary>
public readonly ref struct EventView
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly Ends _ends;

    private EventView(ReadOnlySpan<byte> bytes, scoped in Ends ends)
    {
        _bytes = bytes;
        _ends = ends;
    }

    /// <summary>The event's bytes.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The lane.</summary>
    public Lane Lane => (Lane)_bytes[EventLayout.LaneAt];

    /// <summary>What the event does to its subject.</summary>
    public EventAction Action => (EventAction)_bytes[EventLayout.ActionAt];

    /// <summary>Whether the event has a subject.</summary>
    public bool HasSubject => _bytes[EventLayout.SubjectKindAt] != 0;

    /// <summary>The subject's kind; meaningless without a subject.</summary>
    public RecordKind SubjectKind => (RecordKind)_bytes[EventLayout.SubjectKindAt];

    /// <summary>The event's sequence, from 1.</summary>
    public ulong Sequence => ReadUInt64LittleEndian(_bytes[EventLayout.SequenceAt..]);

    /// <summary>Sequence of the last event that changed the same subject; 0 when there is none.</summary>
    public ulong PreviousSequence => ReadUInt64LittleEndian(_bytes[EventLayout.PreviousAt..]);

    /// <summary>When it happened, in microseconds since 1970 UTC; 0 unknown.</summary>
    public long OccurredAtMicros => ReadInt64LittleEndian(_bytes[EventLayout.OccurredAtAt..]);

    /// <summary>What is said about the image beside its bytes.</summary>
    public ImageMarks ImageMarks => (ImageMarks)ReadUInt16LittleEndian(_bytes[EventLayout.ImageFlagsAt..]);

    /// <summary>Whether the quick check at boot reads the record.</summary>
    public bool IsBootCritical => (ImageMarks & ImageMarks.BootCritical) != 0;

    /// <summary>The type, a dotted name.</summary>
    public ReadOnlySpan<byte> Type => _bytes[EventLayout.HeaderLength.._ends.Type];

    /// <summary>The acting actor; empty when unknown.</summary>
    public ReadOnlySpan<byte> Actor => _bytes[_ends.Type.._ends.Actor];

    /// <summary>The device it happened on; empty when unknown.</summary>
    public ReadOnlySpan<byte> Device => _bytes[_ends.Actor.._ends.Device];

    /// <summary>The profile it happened in; empty when unknown.</summary>
    public ReadOnlySpan<byte> Profile => _bytes[_ends.Device.._ends.Profile];

    /// <summary>The workspace it belongs to; empty when unknown.</summary>
    public ReadOnlySpan<byte> Workspace => _bytes[_ends.Profile.._ends.Workspace];

    /// <summary>The subject's identifier; empty without a subject.</summary>
    public ReadOnlySpan<byte> SubjectId => _bytes[_ends.Workspace.._ends.Subject];

    /// <summary>The policy decision that allowed it; empty when there is none.</summary>
    public ReadOnlySpan<byte> DecisionId => _bytes[_ends.Subject.._ends.Decision];

    /// <summary>One JSON value, or nothing.</summary>
    public ReadOnlySpan<byte> Data => _bytes[_ends.Decision.._ends.Data];

    /// <summary>The subject's new body; empty unless the action is put or tombstone.</summary>
    public ReadOnlySpan<byte> Image => _bytes[_ends.Data..];

    /// <summary>
    /// Reads an event: lengths, codes, text and the rules between fields. That its data is JSON and its image a body is
    /// <see cref="CheckContent"/>'s question.
    /// </summary>
    /// <param name="bytes">Exactly the event's bytes.</param>
    /// <param name="view">The event, when it is valid.</param>
    /// <param name="fault">What is wrong, when it is not.</param>
    /// <returns>Whether it is valid.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out EventView view, out FormatFault fault)
    {
        view = default;
        fault = CheckHeader(bytes);
        if (fault.IsFault)
        {
            return false;
        }

        fault = Measure(bytes, out Ends ends);
        fault = fault.IsFault ? fault : CheckRules(bytes, ends);
        fault = fault.IsFault ? fault : CheckTexts(bytes, ends);
        if (fault.IsFault)
        {
            return false;
        }

        view = new EventView(bytes, ends);
        return true;
    }

    /// <summary>Checks what reading takes on trust: that the data is one JSON value, and the image a body of the subject's kind.</summary>
    /// <returns>No fault, or the first one with its offset in the event.</returns>
    public FormatFault CheckContent()
    {
        if (!Data.IsEmpty)
        {
            FormatFault fault = JsonScanner.CheckValue(Data, FormatLimits.MaxJsonDepth);
            if (fault.IsFault)
            {
                return fault.At(_ends.Decision);
            }
        }

        if (Image.IsEmpty)
        {
            return FormatFault.None;
        }

        return RecordBodyView.TryRead(Image, out _, out FormatFault imageFault) ? FormatFault.None : imageFault.At(_ends.Data);
    }

    private static FormatFault CheckHeader(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < EventLayout.HeaderLength)
        {
            return new FormatFault(FaultCode.Truncated, bytes.Length);
        }

        if (bytes[EventLayout.VersionAt] != EventLayout.Version)
        {
            return new FormatFault(FaultCode.UnsupportedVersion, EventLayout.VersionAt);
        }

        int at =
            bytes[EventLayout.LaneAt] is < (byte)Lane.Normal or > (byte)Lane.Archive ? EventLayout.LaneAt
            : bytes[EventLayout.ActionAt] is < (byte)EventAction.None or > (byte)EventAction.Purge ? EventLayout.ActionAt
            : bytes[EventLayout.SubjectKindAt] > (byte)RecordKind.Observation ? EventLayout.SubjectKindAt
            : -1;
        if (at >= 0)
        {
            return new FormatFault(FaultCode.UnknownCode, at);
        }

        if (((ImageMarks)ReadUInt16LittleEndian(bytes[EventLayout.ImageFlagsAt..]) & ~EventLayout.KnownFlags) != 0)
        {
            return new FormatFault(FaultCode.UnknownFlag, EventLayout.ImageFlagsAt);
        }

        return ByteRules.CheckZero(bytes, EventLayout.ReservedAt, EventLayout.HeaderLength);
    }

    private static FormatFault Measure(ReadOnlySpan<byte> bytes, out Ends ends)
    {
        ends = default;
        int type = ReadUInt16LittleEndian(bytes[EventLayout.TypeLengthAt..]);
        if (type is < 1 or > FormatLimits.MaxEventTypeLengthBytes)
        {
            return new FormatFault(FaultCode.OutOfRange, EventLayout.TypeLengthAt);
        }

        ends.Type = EventLayout.HeaderLength + type;
        int end = ends.Type;
        Span<int> identifierEnds = ends.Identifiers;
        for (int i = 0; i < identifierEnds.Length; i++)
        {
            int at = EventLayout.ActorLengthAt + (i * sizeof(ushort));
            int length = ReadUInt16LittleEndian(bytes[at..]);
            if (length > FormatLimits.MaxIdentifierLengthBytes)
            {
                return new FormatFault(FaultCode.OutOfRange, at);
            }

            end += length;
            identifierEnds[i] = end;
        }

        uint data = ReadUInt32LittleEndian(bytes[EventLayout.DataLengthAt..]);
        uint image = ReadUInt32LittleEndian(bytes[EventLayout.ImageLengthAt..]);
        if (data > FormatLimits.MaxEventDataLengthBytes || image > FormatLimits.MaxRecordBodyLengthBytes)
        {
            return new FormatFault(FaultCode.OutOfRange, data > FormatLimits.MaxEventDataLengthBytes ? EventLayout.DataLengthAt : EventLayout.ImageLengthAt);
        }

        ends.Data = end + (int)data;
        int total = ends.Data + (int)image;
        if (ReadUInt32LittleEndian(bytes[EventLayout.TotalLengthAt..]) != (uint)total)
        {
            return new FormatFault(FaultCode.LengthMismatch, EventLayout.TotalLengthAt);
        }

        return bytes.Length < total ? new FormatFault(FaultCode.Truncated, bytes.Length)
            : bytes.Length > total ? new FormatFault(FaultCode.TrailingBytes, total)
            : FormatFault.None;
    }

    private static FormatFault CheckRules(ReadOnlySpan<byte> bytes, in Ends ends)
    {
        ulong sequence = ReadUInt64LittleEndian(bytes[EventLayout.SequenceAt..]);
        ulong previous = ReadUInt64LittleEndian(bytes[EventLayout.PreviousAt..]);
        var action = (EventAction)bytes[EventLayout.ActionAt];
        bool hasSubject = bytes[EventLayout.SubjectKindAt] != 0;
        bool hasImage = bytes.Length > ends.Data;
        if (sequence == 0)
        {
            return new FormatFault(FaultCode.OutOfRange, EventLayout.SequenceAt);
        }

        int at =
            previous >= sequence || (previous != 0 && !hasSubject) ? EventLayout.PreviousAt
            : hasSubject != (ends.Subject > ends.Workspace) ? EventLayout.SubjectLengthAt
            : !hasSubject && action != EventAction.None ? EventLayout.ActionAt
            : hasImage != (action is EventAction.Put or EventAction.Tombstone) ? EventLayout.ImageLengthAt
            : !hasImage && ReadUInt16LittleEndian(bytes[EventLayout.ImageFlagsAt..]) != 0 ? EventLayout.ImageFlagsAt
            : -1;
        return at >= 0 ? new FormatFault(FaultCode.RuleBroken, at) : FormatFault.None;
    }

    private static FormatFault CheckTexts(ReadOnlySpan<byte> bytes, Ends ends)
    {
        if (!Identifier.IsValidEventType(bytes[EventLayout.HeaderLength..ends.Type]))
        {
            return new FormatFault(FaultCode.InvalidIdentifier, EventLayout.HeaderLength);
        }

        int start = ends.Type;
        foreach (int end in ends.Identifiers)
        {
            if (end > start && !Identifier.IsValid(bytes[start..end]))
            {
                return new FormatFault(FaultCode.InvalidIdentifier, start);
            }

            start = end;
        }

        return FormatFault.None;
    }

    /// <summary>Where each variable part ends; the six identifiers lie side by side.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Ends
    {
        public int Type;
        public int Actor;
        public int Device;
        public int Profile;
        public int Workspace;
        public int Subject;
        public int Decision;
        public int Data;

        [System.Diagnostics.CodeAnalysis.UnscopedRef]
        public Span<int> Identifiers => MemoryMarshal.CreateSpan(ref Actor, 6);
    }
}
