// Why this file exists: the unit of atomicity as its caller builds it. Invariants: a batch names each record at most once; every
// identifier and size is checked when it is added, so that a batch which exists can be committed; a batch is used by one thread
// and committed once.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>What a change carries beside its record. All parts are optional.</summary>
public sealed class ChangeOptions
{
    /// <summary>The sequence the record must have for the commit to happen: 0 means that it must not exist. Null means any.</summary>
    public ulong? ExpectedSequence { get; set; }

    /// <summary>The event's type; the engine's own type for the change when null (`sync.object.created` and so on).</summary>
    public string? EventType { get; set; }

    /// <summary>The lane of the event.</summary>
    public Lane Lane { get; set; } = Lane.Normal;

    /// <summary>The workspace the event names; when null the record's own, else the session's.</summary>
    public string? WorkspaceId { get; set; }

    /// <summary>The profile the event names; when null the record's own, else the session's.</summary>
    public string? ProfileId { get; set; }

    /// <summary>The policy decision that allowed the change; none when null.</summary>
    public string? DecisionId { get; set; }

    /// <summary>One JSON value in UTF-8 that the event carries, at most 65,536 bytes; empty for none.</summary>
    public ReadOnlyMemory<byte> DataJson { get; set; }

    /// <summary>When the change happened; the commit's time when null.</summary>
    public DateTimeOffset? OccurredAt { get; set; }

    /// <summary>Whether the record keeps what it says of its makers and times, because it comes from elsewhere or from an earlier version; a governed store asks who may do that (docs/decisions/0016-attribution.md).</summary>
    public bool KeepsAttribution { get; set; }

    /// <summary>Marks the record as one that the quick check at boot reads, as the tag `boot-critical` in its `policy_tags` does. The mark is that of each change: one without either takes it away.</summary>
    public bool BootCritical { get; set; }

    /// <summary>A copy with other data.</summary>
    internal ChangeOptions WithData(ReadOnlyMemory<byte> dataJson)
    {
        ChangeOptions copy = (ChangeOptions)MemberwiseClone();
        copy.DataJson = dataJson;
        return copy;
    }
}

/// <summary>A set of changes and events that become durable together or not at all. Not thread-safe; committed once.</summary>
public sealed class CommitBatch
{
    private readonly List<CommitChange> _changes = [];
    private readonly HashSet<(RecordKind Kind, string Id)> _named = [];

    /// <summary>How many changes and events the batch holds.</summary>
    public int Count => _changes.Count;

    /// <summary>Bytes of all bodies and event data in the batch.</summary>
    public long LengthBytes { get; private set; }

    internal IReadOnlyList<CommitChange> Changes => _changes;

    internal bool IsSubmitted { get; set; }

    /// <summary>Adds a record, or replaces its body.</summary>
    /// <param name="kind">The record's kind.</param>
    /// <param name="id">Its identifier, 1 to 255 bytes of UTF-8 without control characters.</param>
    /// <param name="body">An encoded body (<see cref="RecordBodyBuilder"/>, <see cref="RecordJson"/>); the batch keeps a reference, not a copy.</param>
    /// <param name="options">What else the change carries.</param>
    /// <returns>The batch.</returns>
    /// <exception cref="ArgumentException">The identifier or body is not valid for the kind, or the batch already names this record.</exception>
    public CommitBatch Put(RecordKind kind, string id, ReadOnlyMemory<byte> body, ChangeOptions? options = null)
    {
        CheckBody(kind, body);
        Add(new CommitChange(EventAction.Put, kind, id, body, options ?? new ChangeOptions()));
        return this;
    }

    /// <summary>Adds or replaces a record from its JSON document; kind and identifier come from the document.</summary>
    /// <param name="utf8Json">The document, see the format specification.</param>
    /// <param name="options">What else the change carries.</param>
    /// <returns>The batch.</returns>
    /// <exception cref="StateStoreException">With <see cref="StateStoreErrorCode.InvalidInput"/> when the document is not a valid record.</exception>
    /// <exception cref="ArgumentException">The batch already names this record.</exception>
    public CommitBatch PutJson(ReadOnlySpan<byte> utf8Json, ChangeOptions? options = null)
    {
        ParsedRecord parsed = RecordParsing.ParseOrThrow(utf8Json);
        return Put(parsed.Kind, parsed.Id, parsed.Body, options);
    }

    /// <summary>Marks a record as deleted. Its last body stays as a tombstone until it is purged. Deleting a record that does not exist is refused by the commit.</summary>
    /// <param name="kind">The record's kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="options">What else the change carries.</param>
    /// <returns>The batch.</returns>
    /// <exception cref="ArgumentException">The identifier is not valid, or the batch already names this record.</exception>
    public CommitBatch Delete(RecordKind kind, string id, ChangeOptions? options = null)
    {
        Add(new CommitChange(EventAction.Tombstone, kind, id, default, options ?? new ChangeOptions()));
        return this;
    }

    /// <summary>
    /// Removes a record, tombstone or not, and everything derived from it. Its earlier events stay readable until they are erased (<see cref="StoreErasure"/>). Purging a record that does not exist is refused by the commit.
    /// </summary>
    /// <param name="kind">The record's kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="options">What else the change carries.</param>
    /// <returns>The batch.</returns>
    /// <exception cref="ArgumentException">The identifier is not valid, or the batch already names this record.</exception>
    public CommitBatch Purge(RecordKind kind, string id, ChangeOptions? options = null)
    {
        Add(new CommitChange(EventAction.Purge, kind, id, default, options ?? new ChangeOptions()));
        return this;
    }

    /// <summary>Appends an event that changes no record.</summary>
    /// <param name="eventType">A dotted name such as `app.document.opened`, 1 to 128 bytes.</param>
    /// <param name="subjectKind">The kind of the record it is about, or null when it is about none.</param>
    /// <param name="subjectId">That record's identifier; must be null exactly when <paramref name="subjectKind"/> is.</param>
    /// <param name="options">What else the event carries; its <see cref="ChangeOptions.EventType"/> is not used.</param>
    /// <returns>The batch.</returns>
    /// <exception cref="ArgumentException">A name or size is not valid.</exception>
    public CommitBatch Append(string eventType, RecordKind? subjectKind = null, string? subjectId = null, ChangeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(eventType);
        if (subjectKind.HasValue != (subjectId is not null))
        {
            throw new ArgumentException("An event has a subject kind and a subject id, or neither.", nameof(subjectId));
        }

        Add(new CommitChange(EventAction.None, subjectKind ?? default, subjectId ?? "", default, options ?? new ChangeOptions(), eventType));
        return this;
    }

    /// <summary>Puts signatures into the events' data. A change keeps options of its own afterwards, since callers share theirs between changes.</summary>
    internal void SetData(IReadOnlyList<SignedData> signed)
    {
        foreach (SignedData one in signed)
        {
            CommitChange change = _changes[one.Index];
            LengthBytes += one.DataJson.Length - change.Options.DataJson.Length;
            change.SetData(one.DataJson);
            if (one.Body is { } body)
            {
                LengthBytes += body.Length - change.Body.Length;
                change.Amend(body);
            }
        }
    }

    /// <summary>Adds a record as another log left it, tombstone or not, to be written exactly so.</summary>
    internal void Salvage(StoredRecord record, ReadOnlyMemory<byte> dataJson)
    {
        ChangeOptions options = new() { Lane = Lane.Repair, EventType = "sync.repair.salvaged", BootCritical = record.IsBootCritical, DataJson = dataJson };
        Add(new CommitChange(record.IsTombstone ? EventAction.Tombstone : EventAction.Put, record.Kind, record.Id, record.Body, options) { IsSalvage = true });
    }

    // A body that its kind does not allow would be stored for ever and read by nobody alike: every document has one encoding.
    private static void CheckBody(RecordKind kind, ReadOnlyMemory<byte> body)
    {
        if (!RecordBodyView.TryRead(body.Span, out RecordBodyView view, out FormatFault fault) || (fault = RecordBodyRules.Check(kind, view)).IsFault)
        {
            throw new ArgumentException($"The record body is not valid: {fault}", nameof(body));
        }
    }

    private void Add(CommitChange change)
    {
        if (IsSubmitted)
        {
            throw new InvalidOperationException("The batch was submitted already; build a new one for the next commit.");
        }

        change.Validate();
        if (change.Action != EventAction.None && !_named.Add((change.Kind, change.Id)))
        {
            throw new ArgumentException($"The batch already changes {change.Kind} '{change.Id}'; a commit changes each record once.");
        }

        _changes.Add(change);
        LengthBytes += change.Body.Length + change.Options.DataJson.Length;
    }
}
