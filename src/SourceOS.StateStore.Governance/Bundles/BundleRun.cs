// Why this file exists: the commits of one import. Invariants: a batch holds changes of one session, so of one profile; a batch that a gate refuses is tried again change by change, so that one bad record does not keep the others
// out; the event that ends the import is the last commit, and what it remembers never goes back.

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Conflicts;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>One import. Not thread-safe.</summary>
internal sealed class BundleRun
{
    private const int MaxBatchChanges = 256;
    private const long MaxBatchBytes = 1 << 20;
    private readonly StateStore _store;
    private readonly BundlePlan _plan;
    private readonly BundleImportRequest _request;
    private readonly DateTimeOffset _now;
    private readonly string _homeProfile;
    private readonly List<(BundleChange Change, BundleEntry Entry)> _waiting = [];
    private readonly List<string> _conflicts = [];
    private readonly List<BundleRefusal> _refused = [];
    private SessionIdentity _waitingFor;
    private long _waitingBytes;
    private long _created;
    private long _updated;
    private long _referred;

    internal BundleRun(StateStore store, BundlePlan plan, BundleImportRequest request, DateTimeOffset now)
    {
        (_store, _plan, _request, _now, _waitingFor) = (store, plan, request, now, request.Caller);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        _homeProfile = request.Caller.ProfileId.Length > 0 ? request.Caller.ProfileId : LocalIdentity.Profile(snapshot) ?? "";
    }

    /// <summary>Registers the bridge when it is not there, in the caller's name and within the caller's own scope.</summary>
    /// <returns>Why not; null when the bridge is there.</returns>
    internal async Task<CommitRefusal?> RegisterBridgeAsync(CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> document;
        using (ReadSnapshot snapshot = _store.OpenSnapshot())
        {
            if (snapshot.Get(RecordKind.Actor, _request.BridgeId) is not null)
            {
                return null;
            }

            RecordBodyView caller = Slots.Open(snapshot.Get(RecordKind.Actor, _request.Caller.ActorId)!.Body);
            IReadOnlyList<string> workspaces = Slots.List(caller, Slots.Actor.WorkspaceScope), profiles = Slots.List(caller, Slots.Actor.ProfileScope);
            document = Documents.Build(RecordKind.Actor, _request.BridgeId, writer =>
            {
                writer.WriteString("actor_type"u8, BundleImport.BridgeType);
                writer.WriteString("display_name"u8, "Import bridge");
                Documents.WriteList(writer, "workspace_scope", workspaces);
                Documents.WriteList(writer, "profile_scope", profiles);
                Documents.WriteList(writer, "capabilities", [Capabilities.Read, Capabilities.Write, Capabilities.MigrateSchema]);
                writer.WriteString("trust_level"u8, "local"u8);
                writer.WriteString("created_at"u8, Documents.TimeText(_now));
            });
        }

        CommitBatch batch = new CommitBatch().PutJson(document.Span, new ChangeOptions { ExpectedSequence = 0 });
        return (await Session(_request.Caller).CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false)).Refusal;
    }

    /// <summary>Takes a change in, now or with those that follow.</summary>
    internal async Task AddAsync(BundleChange change, BundleEntry entry, CancellationToken cancellationToken)
    {
        // Whom and where the store knows is administration, which a person answers for and a bridge has no right to.
        bool isName = entry.Kind is RecordKind.Profile or RecordKind.Actor;
        string profile = entry.Kind == RecordKind.Object ? Slots.Profile(RecordKind.Object, Slots.Open(entry.Body)) : "";
        SessionIdentity identity = isName ? _request.Caller : new SessionIdentity(_request.BridgeId, _request.Caller.DeviceId, profile.Length > 0 ? profile : _homeProfile);
        bool isFull = _waiting.Count >= MaxBatchChanges || _waitingBytes + entry.Body.Length > MaxBatchBytes;
        if (isFull || identity != _waitingFor || (_waiting.Count > 0 && _waiting[^1].Entry.Kind != entry.Kind))
        {
            await FlushAsync(cancellationToken).ConfigureAwait(false);
        }

        _waitingFor = identity;
        _waiting.Add((change, entry));
        _waitingBytes += entry.Body.Length;
    }

    /// <summary>Commits what waits, and the event that ends the import.</summary>
    internal async Task<BundleImportResult> FinishAsync(CancellationToken cancellationToken)
    {
        await FlushAsync(cancellationToken).ConfigureAwait(false);
        ulong sequence = 0;
        if (_plan.IsNews || _created + _updated + _referred + _conflicts.Count > 0)
        {
            SessionIdentity identity = new(_request.BridgeId, _request.Caller.DeviceId, _homeProfile);
            CommitReceipt receipt = await Session(identity).CommitAsync(Closing(), CommitWait.Visible, cancellationToken).ConfigureAwait(false);
            sequence = receipt.LastSequence;
            if (receipt.Refusal is { } refusal)
            {
                _refused.Add(new BundleRefusal(RecordKind.Plan, BundleMemory.RecordId(_plan.Manifest.SourceStore), refusal));
                sequence = 0;
            }
        }

        return new BundleImportResult(null, _created, _updated, _referred, _conflicts, _refused, sequence);
    }

    private StateSession Session(SessionIdentity identity) => _store.OpenSession(identity);

    private async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (_waiting.Count == 0)
        {
            return;
        }

        if (!await TryCommitAsync(_waiting, cancellationToken).ConfigureAwait(false))
        {
            foreach ((BundleChange Change, BundleEntry Entry) single in _waiting)
            {
                await TryCommitAsync([single], cancellationToken).ConfigureAwait(false);
            }
        }

        _waiting.Clear();
        _waitingBytes = 0;
    }

    // False when several were refused together; one alone is told and done with.
    private async Task<bool> TryCommitAsync(List<(BundleChange Change, BundleEntry Entry)> changes, CancellationToken cancellationToken)
    {
        CommitBatch batch = new();
        CommitRefusal? refusal = null;
        using (ReadSnapshot snapshot = _store.OpenSnapshot())
        {
            foreach ((BundleChange change, BundleEntry entry) in changes)
            {
                refusal ??= Add(batch, snapshot, change, entry);
            }
        }

        if (refusal is null)
        {
            refusal = (await Session(_waitingFor).CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false)).Refusal;
        }

        if (refusal is null)
        {
            changes.ForEach(change => Count(change.Change));
            return true;
        }

        if (changes.Count > 1)
        {
            return false;
        }

        _refused.Add(new BundleRefusal(changes[0].Entry.Kind, changes[0].Entry.Id, refusal));
        return true;
    }

    private void Count(BundleChange change)
    {
        if (change.Action == BundleAction.Conflict)
        {
            _conflicts.Add(change.ConflictId);
        }
        else if (change.Kind != RecordKind.Object)
        {
            _referred++;
        }
        else if (change.Action == BundleAction.Create)
        {
            _created++;
        }
        else
        {
            _updated++;
        }
    }

    private CommitRefusal? Add(CommitBatch batch, ReadSnapshot snapshot, BundleChange change, BundleEntry entry)
    {
        byte[] data = Documents.Data(writer =>
        {
            writer.WriteString("bundle"u8, _plan.Manifest.BundleId);
            writer.WriteString("source_store"u8, _plan.Manifest.SourceStore.ToString("D"));
            writer.WriteNumber("source_sequence"u8, entry.Sequence);
        });
        if (change.Action != BundleAction.Conflict)
        {
            batch.Put(entry.Kind, entry.Id, entry.Body, new ChangeOptions { ExpectedSequence = change.LocalSequence, DataJson = data, KeepsAttribution = true });
            return null;
        }

        StoredRecord? current = snapshot.Get(RecordKind.Object, entry.Id);
        if (current is null || current.Sequence != change.LocalSequence)
        {
            return new CommitRefusal("engine.expected-sequence", $"The object '{entry.Id}' changed while the bundle was taken in.", "Import the bundle again.", RecordKind.Object, entry.Id, change.LocalSequence, current?.Sequence ?? 0);
        }

        try
        {
            ConflictRoom.Add(batch, current, Report(snapshot, change, entry, current), change.ConflictId, _now, data);
            return null;
        }
        catch (StateStoreException exception) when (exception.Code == StateStoreErrorCode.InvalidInput)
        {
            return new CommitRefusal("conflict.too-large", $"The two versions of '{entry.Id}' do not fit into one conflict record: {exception.Summary}", "Compare them by hand: import the bundle into an empty store.", RecordKind.Object, entry.Id);
        }
    }

    private static ConflictReport Report(ReadSnapshot snapshot, BundleChange change, BundleEntry entry, StoredRecord current)
    {
        StoredRecord theirs = new(RecordKind.Object, entry.Id, entry.Sequence, entry.Sequence, false, false, entry.Body);
        byte[] origin = change.BaseSequence > 0 ? snapshot.GetAsOf(RecordKind.Object, entry.Id, change.BaseSequence)?.ToJson() ?? [] : [];
        return new ConflictReport(
            entry.Id,
            current.IsTombstone ? "deleted-here" : "divergent-edit",
            new ConflictVersions(origin, current.ToJson(), theirs.ToJson()),
            Both(current, theirs, "last_modified_by_actor"),
            Both(current, theirs, "owning_device"));
    }

    private static List<string> Both(StoredRecord ours, StoredRecord theirs, string field) =>
        [.. new[] { ours.Text(field), theirs.Text(field) }.OfType<string>().Where(static text => text.Length > 0).Distinct(StringComparer.Ordinal)];

    private CommitBatch Closing()
    {
        BundleManifest manifest = _plan.Manifest;
        BundleMemory? last;
        using (ReadSnapshot snapshot = _store.OpenSnapshot())
        {
            last = BundleMemory.Find(snapshot, manifest.SourceStore);
        }

        bool goesBack = last is not null && _plan.Age is BundleAge.Older or BundleAge.Forked;
        string sentence = string.Create(
            CultureInfo.InvariantCulture,
            $"Bundle {manifest.BundleId} of store {manifest.SourceStore:D} at sequence {manifest.SourceSequence}: {_created} objects created, {_updated} updated, {_conflicts.Count} conflicts, {_refused.Count} refused.");
        ReadOnlyMemory<byte> document = Documents.Build(RecordKind.Plan, BundleMemory.RecordId(manifest.SourceStore), writer =>
        {
            writer.WriteString("source_actor"u8, _request.BridgeId);
            writer.WriteString("target_actor"u8, _request.Caller.ActorId);
            writer.WriteString("operation_class"u8, "import"u8);
            writer.WriteString("conflict_policy"u8, "object_type_specific"u8);
            writer.WriteString("status"u8, "completed"u8);
            writer.WriteString("user_explanation"u8, sentence);
            writer.WriteString("created_at"u8, last?.Record.Text("created_at") ?? Documents.TimeText(_now));
            writer.WriteString("updated_at"u8, Documents.TimeText(_now));
            writer.WriteStartObject("bundle"u8);
            writer.WriteString("id"u8, goesBack ? last!.BundleId : manifest.BundleId);
            writer.WriteNumber("source_sequence"u8, goesBack ? last!.Sequence : manifest.SourceSequence);
            writer.WriteString("source_root"u8, goesBack ? last!.Root : manifest.Checkpoint.Root.ToString());
            writer.WriteEndObject();
        });
        return new CommitBatch().PutJson(document.Span, new ChangeOptions { ExpectedSequence = last?.Record.Sequence ?? 0, EventType = BundleImport.EventType, DataJson = Documents.Data(WriteEvent) });
    }

    private void WriteEvent(Utf8JsonWriter writer)
    {
        BundleManifest manifest = _plan.Manifest;
        writer.WriteString("bundle"u8, manifest.BundleId);
        writer.WriteString("source_store"u8, manifest.SourceStore.ToString("D"));
        writer.WriteNumber("source_sequence"u8, manifest.SourceSequence);
        writer.WriteString("source_root"u8, manifest.Checkpoint.Root.ToString());
        writer.WriteString("digest"u8, manifest.Digest.ToString());
        writer.WriteString("requested_by"u8, _request.Caller.ActorId);
        writer.WriteBoolean("signature_checked"u8, _plan.IsVouchedFor);
        writer.WriteNumber("created"u8, _created);
        writer.WriteNumber("updated"u8, _updated);
        writer.WriteNumber("references"u8, _referred);
        writer.WriteNumber("conflicts"u8, _conflicts.Count);
        writer.WriteNumber("refused"u8, _refused.Count);
        writer.WriteNumber("equal"u8, _plan.Objects(BundleAction.Equal));
        writer.WriteNumber("ahead"u8, _plan.Objects(BundleAction.Ahead));
        writer.WriteNumber("older"u8, _plan.Objects(BundleAction.Older));
        writer.WriteNumber("known_conflicts"u8, _plan.Objects(BundleAction.KnownConflict));
    }
}
