// Why this file exists: one checked change of a batch. Invariants: once validated, encoding it cannot fail for its own sake.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>A change as the batch keeps it.</summary>
internal sealed class CommitChange(
    EventAction action, RecordKind kind, string id, ReadOnlyMemory<byte> body, ChangeOptions options, string? eventType = null)
{
    internal EventAction Action { get; } = action;

    internal RecordKind Kind { get; } = kind;

    internal string Id { get; } = id;

    internal ReadOnlyMemory<byte> Body { get; private set; } = body;

    internal ChangeOptions Options { get; private set; } = options;

    internal string? EventType { get; } = eventType ?? options.EventType;

    /// <summary>Whether the body is written as it is, also for a tombstone and where nothing was before: the record comes from another log.</summary>
    internal bool IsSalvage { get; init; }

    /// <summary>Takes the body that is written instead of the caller's.</summary>
    internal void Amend(ReadOnlyMemory<byte> amended) => Body = amended;

    internal bool HasSubject => Id.Length > 0;

    /// <summary>How much longer than the last body a tombstone can be: three replaced fields and their slots.</summary>
    internal const int TombstoneSlackBytes = 1024;

    /// <summary>For deletes: the most bytes the tombstone can have, known once the record was found.</summary>
    internal int TombstoneUpperBoundBytes { get; set; } = FormatLimits.MaxRecordBodyLengthBytes;

    internal byte[] IdBytes { get; private set; } = [];

    internal void Validate()
    {
        if (Action != EventAction.None || HasSubject || Kind != default)
        {
            if (!RecordKinds.IsDefined(Kind))
            {
                throw new ArgumentException($"{(int)Kind} is not a record kind.");
            }

            IdBytes = CheckIdentifier(Id, "record id");
        }

        if (EventType is not null && !EventTypes.IsValid(EventType))
        {
            throw new ArgumentException($"'{EventType}' is not an event type: use lower-case dotted names of at most {FormatLimits.MaxEventTypeLengthBytes} bytes, such as app.note.opened.");
        }

        CheckOptional(Options.WorkspaceId, "workspace id");
        CheckOptional(Options.ProfileId, "profile id");
        CheckOptional(Options.DecisionId, "decision id");
        if (!Enum.IsDefined(Options.Lane))
        {
            throw new ArgumentException($"{(int)Options.Lane} is not a lane.");
        }

        if (Body.Length > FormatLimits.MaxRecordBodyLengthBytes)
        {
            throw new ArgumentException($"The body of {Kind} '{Id}' has {Body.Length} bytes; the bound is {FormatLimits.MaxRecordBodyLengthBytes}. Keep content in files and its hash in the record.");
        }

        if (Options.DataJson.Length > 0)
        {
            RecordParsing.CheckEventData(Options.DataJson.Span);
        }
    }

    internal void SetData(ReadOnlyMemory<byte> dataJson)
    {
        RecordParsing.CheckEventData(dataJson.Span);
        Options = Options.WithData(dataJson);
    }

    internal static byte[] CheckIdentifier(string text, string what)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!Identifier.IsValid(text))
        {
            throw new ArgumentException($"'{Shorten(text)}' is not a valid {what}: use 1 to 255 bytes of UTF-8 without control characters.");
        }

        return Encoding.UTF8.GetBytes(text);
    }

    private static void CheckOptional(string? text, string what)
    {
        if (!string.IsNullOrEmpty(text))
        {
            CheckIdentifier(text, what);
        }
    }

    private static string Shorten(string text)
    {
        string visible = string.Concat(text.Take(40).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
        return text.Length > 40 ? visible + "..." : visible;
    }
}
