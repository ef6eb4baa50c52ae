// Why this file exists: the inbox of conflicts: recording one, settling one. Invariants: recording marks the object in the same commit; a resolution changes object and conflict in one commit, names who chose
// what and why, and applies only to the versions that the conflict was about.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Workspace;

namespace SourceOS.StateStore.Governance.Conflicts;

/// <summary>What settling a conflict came to.</summary>
/// <param name="ConflictId">The conflict.</param>
/// <param name="Option">What was chosen.</param>
/// <param name="Effect">What it did, in a sentence.</param>
/// <param name="Receipt">The commit; a refused one changed nothing.</param>
public sealed record ConflictOutcome(string ConflictId, string Option, string Effect, CommitReceipt Receipt);

/// <summary>What is recorded of a conflict.</summary>
/// <param name="ObjectId">The object.</param>
/// <param name="Type">What kind of conflict, such as `divergent-edit` or `checksum-mismatch`.</param>
/// <param name="Versions">The versions.</param>
/// <param name="Actors">Who made them.</param>
/// <param name="Devices">On which devices.</param>
public sealed record ConflictReport(string ObjectId, string Type, ConflictVersions Versions, IReadOnlyList<string> Actors, IReadOnlyList<string> Devices);

/// <summary>Records and settles conflicts. Thread-safe: it keeps nothing.</summary>
public static class ConflictRoom
{
    /// <summary>The options.</summary>
    public static IReadOnlyList<string> Options { get; } = ["merge", "fork", "skip"];

    private static readonly int s_card = Slots.Of(RecordKind.Conflict, "decision_card");
    private static readonly int s_status = Slots.Of(RecordKind.Conflict, "status");
    private static readonly int s_updated = Slots.Of(RecordKind.Conflict, "updated_at");
    private static readonly int s_objectState = Slots.Of(RecordKind.Object, "state");

    /// <summary>Records a conflict and marks its object, in one commit.</summary>
    public static async Task<(string ConflictId, CommitReceipt Receipt)> RecordAsync(StateStore store, StateSession session, ConflictReport report, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(report);
        StoredRecord current;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            current = snapshot.Get(RecordKind.Object, report.ObjectId) ?? throw new ArgumentException($"There is no object '{report.ObjectId}'.", nameof(report));
        }

        string id = NewId.Of("conflict");
        CommitBatch batch = new();
        Add(batch, current, report, id, now);
        return (id, await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Settles a conflict.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who chooses.</param>
    /// <param name="conflictId">The conflict.</param>
    /// <param name="option">One of <see cref="Options"/>.</param>
    /// <param name="reason">Why.</param>
    /// <param name="now">Now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What happened; null when there is no such conflict.</returns>
    public static async Task<ConflictOutcome?> ResolveAsync(
        StateStore store, StateSession session, string conflictId, string option, string reason, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        if (!Options.Contains(option, StringComparer.Ordinal))
        {
            throw new ArgumentException($"'{option}' is not one of {string.Join(", ", Options)}.", nameof(option));
        }

        CommitBatch batch = new();
        string effect;
        FileCheck? file = ReadFile(store, conflictId, cancellationToken);
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            if (snapshot.Get(RecordKind.Conflict, conflictId) is not { IsTombstone: false } conflict)
            {
                return null;
            }

            if (conflict.Text("status") is "resolved" or "closed")
            {
                return new ConflictOutcome(conflictId, option, "", Refuse(conflictId, "conflict.settled", $"Conflict '{conflictId}' is {conflict.Text("status")} already.", "Nothing is left to do."));
            }

            StoredRecord? subject = conflict.Text("object_id") is { Length: > 0 } objectId && Identifier.IsValid(objectId) ? snapshot.Get(RecordKind.Object, objectId) : null;
            ConflictVersions? versions = Versions(conflict, subject);
            CommitReceipt? refused;
            if (file is not null && subject is { IsTombstone: false })
            {
                ChecksumMismatch.SettleBy by = new(session.Identity, now, ForkId(subject.Id, conflict.Id));
                refused = ChecksumMismatch.Settle(batch, option, conflict, subject, file, by, out effect) is { } no ? CommitReceipt.Refused(CommitStatus.Denied, no) : null;
            }
            else
            {
                refused = Settle(batch, option, conflict, subject, versions, out effect);
            }

            if (refused is not null)
            {
                return new ConflictOutcome(conflictId, option, "", refused);
            }

            AddConflict(batch, conflict, new Choice(option, reason, session.Identity.ActorId, now));
        }

        return new ConflictOutcome(conflictId, option, effect, await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Adds a conflict to a batch, and marks its object unless that was deleted: a mark would bring it back.</summary>
    internal static void Add(CommitBatch batch, StoredRecord current, ConflictReport report, string id, DateTimeOffset now, ReadOnlyMemory<byte> dataJson = default, ConflictProposal? proposal = null)
    {
        IConflictDriver driver = ConflictDrivers.For(current.Text("object_type") ?? "");
        proposal ??= driver.Propose(report.Versions);
        ReadOnlyMemory<byte> document = Documents.Build(RecordKind.Conflict, id, writer => Describe(writer, report, current, driver, proposal, now));
        batch.PutJson(document.Span, new ChangeOptions { ExpectedSequence = 0, EventType = "sync.conflict.created", DataJson = dataJson });
        if (!current.IsTombstone)
        {
            byte[] marked = Documents.Changed(current, builder => builder.SetText(s_objectState, "conflicted"));
            batch.Put(RecordKind.Object, report.ObjectId, marked, new ChangeOptions { ExpectedSequence = current.Sequence });
        }
    }

    // A file that is not what its record says is judged by the file as it is now; one whose tree is not here is judged by the versions like any other.
    private static FileCheck? ReadFile(StateStore store, string conflictId, CancellationToken cancellationToken)
    {
        string objectId;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            if (snapshot.Get(RecordKind.Conflict, conflictId) is not { IsTombstone: false } conflict || conflict.Text("conflict_type") != ChecksumMismatch.ConflictType || conflict.Text("status") is "resolved" or "closed")
            {
                return null;
            }

            objectId = conflict.Text("object_id") ?? "";
        }

        return Identifier.IsValid(objectId) && WorkspaceReader.Check(store, objectId, cancellationToken) is { Verdict: not (FileVerdict.Elsewhere or FileVerdict.NotAFile) } check ? check : null;
    }

    private readonly record struct Choice(string Option, string Reason, string ActorId, DateTimeOffset Now);

    private static CommitReceipt? Settle(CommitBatch batch, string option, StoredRecord conflict, StoredRecord? subject, ConflictVersions? versions, out string effect)
    {
        if (subject is null or { IsTombstone: true } || versions is null)
        {
            // Such a conflict came from elsewhere, or its object is gone: there is nothing here to change, and the choice itself is what is kept.
            effect = subject is null or { IsTombstone: true } ? "The object is not here; the choice is recorded." : "The other version is not recorded here; the choice is recorded and the object stays as it is.";
            if (subject is { IsTombstone: false })
            {
                AddObject(batch, subject, null);
            }

            return null;
        }

        switch (option)
        {
            case "merge":
                ConflictProposal proposal = ConflictDrivers.For(subject.Text("object_type") ?? "").Propose(versions);
                if (proposal.Merged is null)
                {
                    effect = "";
                    return Refuse(conflict.Id, "conflict.merge", proposal.Reason, "Choose fork or skip, or write the merged object and choose skip.");
                }

                AddObject(batch, subject, proposal.Merged);
                effect = $"Merged: {proposal.Reason}";
                return null;
            case "fork":
                string forkId = ForkId(subject.Id, conflict.Id);
                AddObject(batch, subject, null);
                batch.PutJson(JsonEdit.Set(versions.Theirs, "object_id", writer => writer.WriteStringValue(forkId)), new ChangeOptions { ExpectedSequence = 0, KeepsAttribution = true });
                effect = $"Both are kept; the other version is '{forkId}'.";
                return null;
            default:
                AddObject(batch, subject, null);
                effect = "The object stays as it is.";
                return null;
        }
    }

    private static void AddObject(CommitBatch batch, StoredRecord subject, byte[]? merged)
    {
        ChangeOptions options = new() { ExpectedSequence = subject.Sequence };
        if (merged is not null)
        {
            batch.PutJson(JsonEdit.Set(merged, "state", static writer => writer.WriteStringValue("active"u8)), options);
        }
        else if (subject.Text("state") == "conflicted")
        {
            batch.Put(RecordKind.Object, subject.Id, Documents.Changed(subject, static builder => builder.SetText(s_objectState, "active")), options);
        }
    }

    private static void AddConflict(CommitBatch batch, StoredRecord conflict, Choice choice)
    {
        byte[] card = Slots.Open(conflict.Body).TryGetJson(s_card, out ReadOnlySpan<byte> stored) && stored.Length > 0 && stored[0] == (byte)'{' ? stored.ToArray() : "{}"u8.ToArray();
        card = JsonEdit.Set(card, "selected_option", writer => writer.WriteStringValue(choice.Option));
        card = JsonEdit.Set(card, "rationale", writer => writer.WriteStringValue(choice.Reason));
        card = JsonEdit.Set(card, "selected_by", writer => writer.WriteStringValue(choice.ActorId));
        card = JsonEdit.Set(card, "selected_at", writer => writer.WriteStringValue(Documents.TimeText(choice.Now)));
        byte[] body = Documents.Changed(conflict, builder => builder.SetJson(s_card, card).SetText(s_status, "resolved").SetTime(s_updated, choice.Now));
        batch.Put(RecordKind.Conflict, conflict.Id, body, new ChangeOptions
        {
            ExpectedSequence = conflict.Sequence,
            EventType = "sync.conflict.resolved",
            DataJson = Documents.Data(writer =>
            {
                writer.WriteString("option"u8, choice.Option);
                writer.WriteString("reason"u8, choice.Reason);
            }),
        });
    }

    // The versions stand in the decision card, so that they travel with the conflict and need no event of another device's log.
    private static ConflictVersions? Versions(StoredRecord conflict, StoredRecord? subject)
    {
        if (subject is null or { IsTombstone: true } || !Slots.Open(conflict.Body).TryGetJson(s_card, out ReadOnlySpan<byte> card))
        {
            return null;
        }

        using JsonDocument json = JsonDocument.Parse(card.ToArray());
        if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("theirs", out JsonElement theirs))
        {
            return null;
        }

        byte[] other = System.Text.Encoding.UTF8.GetBytes(theirs.GetRawText());
        bool isObject = RecordJson.TryParse(other, out RecordKind kind, out _, out _, out _) && kind == RecordKind.Object;
        byte[] origin = json.RootElement.TryGetProperty("origin", out JsonElement stated) && stated.ValueKind == JsonValueKind.Object ? System.Text.Encoding.UTF8.GetBytes(stated.GetRawText()) : [];
        return isObject ? new ConflictVersions(origin, subject.ToJson(), other) : null;
    }

    private static void Describe(Utf8JsonWriter writer, ConflictReport report, StoredRecord current, IConflictDriver driver, ConflictProposal proposal, DateTimeOffset now)
    {
        writer.WriteString("object_id"u8, report.ObjectId);
        writer.WriteString("object_type"u8, current.Text("object_type") ?? "");
        Documents.WriteOptional(writer, "workspace_id", current.Text("workspace_id"));
        Documents.WriteOptional(writer, "profile_id", current.Text("profile_id"));
        Documents.WriteList(writer, "actors", report.Actors);
        Documents.WriteList(writer, "devices", report.Devices);
        Documents.WriteOptional(writer, "schema_version", current.Text("schema_version"));
        writer.WriteString("severity"u8, proposal.IsAutomatic ? "automatic"u8 : "review_required"u8);
        writer.WriteString("merge_policy"u8, driver.MergePolicy);
        writer.WriteStartObject("decision_card"u8);
        Documents.WriteList(writer, "options", Options);
        writer.WriteString("recommended_option"u8, proposal.Recommended);
        if (!report.Versions.Origin.IsEmpty)
        {
            writer.WritePropertyName("origin"u8);
            writer.WriteRawValue(report.Versions.Origin.Span);
        }

        writer.WritePropertyName("theirs"u8);
        writer.WriteRawValue(report.Versions.Theirs.Span);
        writer.WriteEndObject();
        writer.WriteString("user_explanation"u8, proposal.Reason);
        writer.WriteString("created_at"u8, Documents.TimeText(now));
        writer.WriteString("status"u8, "open"u8);
        writer.WriteString("conflict_type"u8, report.Type);
    }

    // The fork's name follows from object and conflict, so that settling the same conflict on two devices makes one fork.
    private static string ForkId(string objectId, string conflictId)
    {
        string suffix = "~" + Convert.ToHexStringLower(Checksum.Sha256(System.Text.Encoding.UTF8.GetBytes(conflictId)).Bytes[..8]);
        string id = objectId + suffix;
        return Identifier.IsValid(id) ? id : "object" + suffix;
    }

    private static CommitReceipt Refuse(string conflictId, string rule, string reason, string remedy) =>
        CommitReceipt.Refused(CommitStatus.Denied, new CommitRefusal(rule, reason, remedy, RecordKind.Conflict, conflictId));
}
