// Why this file exists: what reads hand out. RecordView borrows the snapshot's mapped bytes and costs nothing; StoredRecord owns a
// copy and may be kept. Invariants: a view is valid while its snapshot is; both were verified against their checksum before.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>A record read in place. Valid only while the snapshot (or gate call) it came from is; its body refuses to be read later, and spans taken from it before must not be used.</summary>
public readonly ref struct RecordView
{
    private readonly ReadSnapshot? _owner;
    private readonly ReadOnlySpan<byte> _bodyBytes;

    internal RecordView(RecordKind kind, ReadOnlySpan<byte> id, RecordEnvelope envelope, ReadSnapshot? owner)
    {
        _owner = owner;
        Kind = kind;
        Id = id;
        Sequence = envelope.Sequence;
        Surrogate = envelope.Surrogate;
        IsTombstone = envelope.IsTombstone;
        IsBootCritical = envelope.IsBootCritical;
        _bodyBytes = envelope.Body;
    }

    /// <summary>The record's kind.</summary>
    public RecordKind Kind { get; }

    /// <summary>Its identifier as UTF-8.</summary>
    public ReadOnlySpan<byte> Id { get; }

    /// <summary>Sequence of the event that made this value.</summary>
    public ulong Sequence { get; }

    /// <summary>Sequence of the event that made the record.</summary>
    public ulong Surrogate { get; }

    /// <summary>Whether the record was deleted and only its tombstone is left.</summary>
    public bool IsTombstone { get; }

    /// <summary>Whether the quick check at boot reads this record.</summary>
    public bool IsBootCritical { get; }

    /// <summary>The encoded body.</summary>
    /// <exception cref="ObjectDisposedException">The snapshot it came from was disposed.</exception>
    public ReadOnlySpan<byte> BodyBytes
    {
        get
        {
            _owner?.ThrowIfDisposed();
            return _bodyBytes;
        }
    }

    /// <summary>The body's fields, validated at each call: keep the result when reading several.</summary>
    /// <exception cref="ObjectDisposedException">The snapshot it came from was disposed.</exception>
    /// <exception cref="StateStoreException">StateDamaged when the bytes are not a body.</exception>
    public RecordBodyView Body
    {
        get
        {
            // The bytes are known to be the ones that were written; taking them apart is left to those who look inside.
            _owner?.ThrowIfDisposed();
            return RecordReading.OpenBody(Kind, Id, _bodyBytes);
        }
    }

    /// <summary>Copies the record so that it can outlive its snapshot.</summary>
    /// <returns>The copy.</returns>
    public StoredRecord ToStored() =>
        new(Kind, System.Text.Encoding.UTF8.GetString(Id), Sequence, Surrogate, IsTombstone, IsBootCritical, BodyBytes.ToArray());
}

/// <summary>A record that owns its bytes. Immutable and thread-safe.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Id">Its identifier.</param>
/// <param name="Sequence">Sequence of the event that made this value.</param>
/// <param name="Surrogate">Sequence of the event that made the record.</param>
/// <param name="IsTombstone">Whether the record was deleted and only its tombstone is left.</param>
/// <param name="IsBootCritical">Whether the quick check at boot reads this record.</param>
/// <param name="Body">The encoded body.</param>
public sealed record StoredRecord(
    RecordKind Kind, string Id, ulong Sequence, ulong Surrogate, bool IsTombstone, bool IsBootCritical, ReadOnlyMemory<byte> Body)
{
    /// <summary>Renders the record as its JSON document, in UTF-8.</summary>
    /// <returns>One JSON object without a newline.</returns>
    public byte[] ToJson() => RecordParsing.ToJson(Kind, Id, Body.Span);

    /// <summary>Reads a text field.</summary>
    /// <param name="field">The field's JSON name; must be a known field of the kind.</param>
    /// <returns>Its text, or null when it is absent or not text.</returns>
    public string? Text(string field) => RecordParsing.Text(Kind, Body.Span, field);
}

/// <summary>An event read from the log. Immutable; owns its bytes.</summary>
public sealed record StoredEvent
{
    /// <summary>Its sequence, from 1 without gaps.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>The frame that holds it.</summary>
    public required ulong FrameNumber { get; init; }

    /// <summary>The commit it belongs to.</summary>
    public required ulong CommitId { get; init; }

    /// <summary>When its commit was written.</summary>
    public required DateTimeOffset CommittedAt { get; init; }

    /// <summary>Whether its content was erased; then everything below is empty.</summary>
    public bool IsErased { get; init; }

    /// <summary>Its type, a dotted name.</summary>
    public string Type { get; init; } = "";

    /// <summary>Its lane.</summary>
    public Lane Lane { get; init; }

    /// <summary>What it did to its subject.</summary>
    public EventAction Action { get; init; }

    /// <summary>The kind of its subject; null when it has none.</summary>
    public RecordKind? SubjectKind { get; init; }

    /// <summary>The identifier of its subject; empty when it has none.</summary>
    public string SubjectId { get; init; } = "";

    /// <summary>Who caused it.</summary>
    public string ActorId { get; init; } = "";

    /// <summary>On which device.</summary>
    public string DeviceId { get; init; } = "";

    /// <summary>In which profile.</summary>
    public string ProfileId { get; init; } = "";

    /// <summary>In which workspace.</summary>
    public string WorkspaceId { get; init; } = "";

    /// <summary>The policy decision that allowed it; empty when there is none.</summary>
    public string DecisionId { get; init; } = "";

    /// <summary>Sequence of the last event before it that changed the subject's record; 0 when there is none.</summary>
    public ulong PreviousSequence { get; init; }

    /// <summary>When it happened.</summary>
    public DateTimeOffset OccurredAt { get; init; }

    /// <summary>Whether its record is marked boot critical.</summary>
    public bool IsBootCritical { get; init; }

    /// <summary>Its data, one JSON value in UTF-8, or empty.</summary>
    public ReadOnlyMemory<byte> DataJson { get; init; }

    /// <summary>The subject's body after it; empty unless the action is put or tombstone.</summary>
    public ReadOnlyMemory<byte> Image { get; init; }
}
