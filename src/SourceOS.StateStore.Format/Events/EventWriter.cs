// Why this file exists: writes one event (format-spec/events.md). Invariants: what Write accepts, EventView reads, once the sequence is known; nothing
// allocates unless the caller is to be refused.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>Measures and writes events. Thread-safe.</summary>
public static class EventWriter
{
    /// <summary>Length of the event that the fields make.</summary>
    /// <param name="fields">The fields; their lengths need not be within bounds.</param>
    /// <returns>The length in bytes.</returns>
    public static int Measure(in EventFields fields) =>
        EventLayout.HeaderLength + fields.Type.Length + fields.Actor.Length + fields.Device.Length + fields.Profile.Length
        + fields.Workspace.Length + fields.SubjectId.Length + fields.DecisionId.Length + fields.Data.Length + fields.Image.Length;

    /// <summary>Whether the fields make a valid event, apart from sequences, which may be unknown yet.</summary>
    /// <param name="fields">The fields.</param>
    /// <param name="reason">Why not, as a sentence for people; empty when they do.</param>
    /// <returns>Whether they do.</returns>
    public static bool IsValid(in EventFields fields, out string reason)
    {
        reason = FindFault(fields) ?? "";
        return reason.Length == 0;
    }

    /// <summary>Writes the event.</summary>
    /// <param name="destination">At least <see cref="Measure"/> bytes.</param>
    /// <param name="fields">The fields.</param>
    /// <returns>The number of bytes written.</returns>
    /// <exception cref="ArgumentException">The fields break a rule of the format, or the destination is too short.</exception>
    public static int Write(Span<byte> destination, in EventFields fields)
    {
        string? fault = FindFault(fields);
        if (fault is not null)
        {
            ThrowHelper.Argument(fault, nameof(fields));
        }

        int length = Measure(fields);
        ThrowHelper.ThrowIfShort(destination, length, nameof(destination));
        Span<byte> header = destination[..EventLayout.HeaderLength];
        header.Clear();
        header[EventLayout.VersionAt] = EventLayout.Version;
        header[EventLayout.LaneAt] = (byte)fields.Lane;
        header[EventLayout.ActionAt] = (byte)fields.Action;
        header[EventLayout.SubjectKindAt] = (byte)fields.SubjectKind;
        WriteUInt32LittleEndian(header[EventLayout.TotalLengthAt..], (uint)length);
        WriteUInt64LittleEndian(header[EventLayout.SequenceAt..], fields.Sequence);
        WriteUInt64LittleEndian(header[EventLayout.PreviousAt..], fields.PreviousSequence);
        WriteInt64LittleEndian(header[EventLayout.OccurredAtAt..], fields.OccurredAtMicros);
        WriteUInt16LittleEndian(header[EventLayout.ImageFlagsAt..], (ushort)fields.ImageMarks);
        WriteUInt16LittleEndian(header[EventLayout.TypeLengthAt..], (ushort)fields.Type.Length);
        WriteUInt16LittleEndian(header[EventLayout.ActorLengthAt..], (ushort)fields.Actor.Length);
        WriteUInt16LittleEndian(header[EventLayout.DeviceLengthAt..], (ushort)fields.Device.Length);
        WriteUInt16LittleEndian(header[EventLayout.ProfileLengthAt..], (ushort)fields.Profile.Length);
        WriteUInt16LittleEndian(header[EventLayout.WorkspaceLengthAt..], (ushort)fields.Workspace.Length);
        WriteUInt16LittleEndian(header[EventLayout.SubjectLengthAt..], (ushort)fields.SubjectId.Length);
        WriteUInt16LittleEndian(header[EventLayout.DecisionLengthAt..], (ushort)fields.DecisionId.Length);
        WriteUInt32LittleEndian(header[EventLayout.DataLengthAt..], (uint)fields.Data.Length);
        WriteUInt32LittleEndian(header[EventLayout.ImageLengthAt..], (uint)fields.Image.Length);
        Span<byte> rest = destination[EventLayout.HeaderLength..];
        rest = Put(rest, fields.Type);
        rest = Put(rest, fields.Actor);
        rest = Put(rest, fields.Device);
        rest = Put(rest, fields.Profile);
        rest = Put(rest, fields.Workspace);
        rest = Put(rest, fields.SubjectId);
        rest = Put(rest, fields.DecisionId);
        rest = Put(rest, fields.Data);
        _ = Put(rest, fields.Image);
        return length;
    }

    /// <summary>Sets the sequences of a written event in place.</summary>
    /// <param name="eventBytes">The event.</param>
    /// <param name="sequence">Its sequence, from 1.</param>
    /// <param name="previousSequence">Sequence of the last event that changed the same subject, below its own; 0 when there is none.</param>
    public static void PatchSequence(Span<byte> eventBytes, ulong sequence, ulong previousSequence)
    {
        ThrowHelper.ThrowIfShort(eventBytes, EventLayout.HeaderLength, nameof(eventBytes));
        ThrowHelper.ThrowIfArgument(sequence == 0 || previousSequence >= sequence, "A previous sequence is below its event's, which is at least 1.", nameof(sequence));
        WriteUInt64LittleEndian(eventBytes[EventLayout.SequenceAt..], sequence);
        WriteUInt64LittleEndian(eventBytes[EventLayout.PreviousAt..], previousSequence);
    }

    private static Span<byte> Put(Span<byte> destination, ReadOnlySpan<byte> value)
    {
        value.CopyTo(destination);
        return destination[value.Length..];
    }

    private static string? FindFault(in EventFields fields)
    {
        bool hasSubject = fields.SubjectKind != 0;
        bool hasImage = !fields.Image.IsEmpty;
        return
            fields.Lane is < Lane.Normal or > Lane.Archive ? "The event has no known lane."
            : fields.Action is < EventAction.None or > EventAction.Purge ? "The event has no known action."
            : fields.SubjectKind > RecordKind.Observation ? "The subject has no known kind."
            : (fields.ImageMarks & ~EventLayout.KnownFlags) != 0 ? "An unknown image flag is set."
            : !Identifier.IsValidEventType(fields.Type) ? "The event's type is not a dotted name of 1 to 128 bytes."
            : hasSubject == fields.SubjectId.IsEmpty ? "An event has a subject kind and a subject id, or neither."
            : !hasSubject && fields.Action != EventAction.None ? "An event without a subject changes no record."
            : !hasSubject && fields.PreviousSequence != 0 ? "An event without a subject has no previous sequence."
            : hasImage != (fields.Action is EventAction.Put or EventAction.Tombstone) ? "An image is there exactly for the actions put and tombstone."
            : !hasImage && fields.ImageMarks != ImageMarks.None ? "An event without an image has no image flags."
            : fields.Data.Length > FormatLimits.MaxEventDataLengthBytes ? "The event's data is longer than 65,536 bytes."
            : fields.Image.Length > FormatLimits.MaxRecordBodyLengthBytes ? "The record's body is longer than 1,048,576 bytes."
            : fields.PreviousSequence != 0 && fields.Sequence != 0 && fields.PreviousSequence >= fields.Sequence ? "A previous sequence is below its event's."
            : !IsText(fields.Actor) ? "The actor is not an identifier."
            : !IsText(fields.Device) ? "The device is not an identifier."
            : !IsText(fields.Profile) ? "The profile is not an identifier."
            : !IsText(fields.Workspace) ? "The workspace is not an identifier."
            : !IsText(fields.SubjectId) ? "The subject id is not an identifier."
            : !IsText(fields.DecisionId) ? "The policy decision id is not an identifier."
            : null;
    }

    private static bool IsText(ReadOnlySpan<byte> text) => text.IsEmpty || Identifier.IsValid(text);
}
