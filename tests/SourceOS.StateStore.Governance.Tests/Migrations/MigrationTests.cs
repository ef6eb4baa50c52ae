// Why this file exists: a migration is looked at, applied, cut off, gone on with, rolled back and repaired forward. Invariants: looking changes nothing; nothing is migrated twice; what was changed in between is kept; what comes back is the same to
// the bit.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Agents;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Migrations;
using SourceOS.StateStore.Governance.Signing;
using SourceOS.StateStore.Governance.Tests.Gates;
using SourceOS.StateStore.Keys;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Migrations;

public sealed class MigrationTests : IDisposable
{
    private readonly MigrationWorld _world = new();

    [Fact]
    public void A_look_lists_each_object_before_and_after_and_changes_nothing()
    {
        _world.AddNotes(3);
        Done(_world.Store.Session(), Batch(MigrationWorld.Note(9, """{"body":"x","rank":"not a number"}""")));
        ulong before = _world.Store.Store.VisibleSequence;
        List<MigrationItem> items = [];
        MigrationPlan plan = MigrationRoom.Plan(_world.Store.Store, _world.Signed(), items.Add);
        Assert.Equal(before, _world.Store.Store.VisibleSequence);
        Assert.Null(plan.Refusal);
        Assert.Equal(new MigrationCounts(Migrated: 3, Refused: 1), plan.Counts);
        Assert.Equal("forward", plan.Fit!.Compatibility);
        FieldChange attributes = items[1].Changes.Single(static change => change.Field == "attributes");
        Assert.Contains("\"body\":\"text 1\"", attributes.Before, StringComparison.Ordinal);
        Assert.Contains("\"text\":\"text 1\"", attributes.After, StringComparison.Ordinal);
        Assert.Contains("\"rank\":1", attributes.After, StringComparison.Ordinal);
        Assert.Equal(["attributes", "preserved_fields", "schema_id", "schema_version"], items[1].Changes.Select(static change => change.Field));
        Assert.Contains("without loss", items[3].Reason, StringComparison.Ordinal);
        Assert.Equal(plan.PlanHash, MigrationRoom.Plan(_world.Store.Store, _world.Signed()).PlanHash);
        Done(_world.Store.Session(), Batch(MigrationWorld.Good(4)));
        Assert.NotEqual(plan.PlanHash, MigrationRoom.Plan(_world.Store.Store, _world.Signed()).PlanHash);
    }

    [Fact]
    public void What_is_applied_is_valid_kept_whole_and_told_by_events()
    {
        _world.AddNotes(10);
        MigrationFile file = _world.Signed();
        string hash = MigrationRoom.Plan(_world.Store.Store, file).PlanHash;
        MigrationResult result = _world.Apply(file, new MigrationOptions { PlanHash = hash, BatchObjects = 4 });
        Assert.Null(result.Refusal);
        Assert.Equal(("applied", 10UL), (result.Status, result.Counts.Migrated));
        string json = Encoding.UTF8.GetString(_world.Store.Get(RecordKind.Object, "note:00003")!.ToJson());
        Assert.Contains("\"x_unknown\":{\"kept\":[1,2.50,3]}", json, StringComparison.Ordinal);
        Assert.Contains("\"extra\":\"stays\"", json, StringComparison.Ordinal);
        Assert.Contains("\"preserved_fields\":{\"migration:t\":{\"/attributes/old\":{\"n\":3}}}", json, StringComparison.Ordinal);
        Assert.Contains("\"schema_version\":\"v2\"", json, StringComparison.Ordinal);
        using ReadSnapshot snapshot = _world.Store.Store.OpenSnapshot();
        List<StoredEvent> events = [.. snapshot.ReadEvents(1).Where(static item => item.Type == "sync.schema.migrated")];
        Assert.Equal(10, events.Select(static item => item.SubjectId).Distinct().Count());
        Assert.All(events, static item => Assert.Equal(Lane.Migration, item.Lane));
        Assert.Equal(10, events.Count);
        Assert.Equal(0UL, SignatureCheck.Run(_world.Store.Store).FindingCount);
        Assert.Equal("migration.status", _world.Apply(file).Refusal!.Rule);
    }

    [Fact]
    public void A_run_that_was_cut_off_is_finished_by_the_next_and_nothing_is_migrated_twice()
    {
        _world.AddNotes(40);
        MigrationFile file = _world.Signed();
        string hash = MigrationRoom.Plan(_world.Store.Store, file).PlanHash;
        int seen = 0;
        Assert.Throws<OperationCanceledException>(() => _world.Apply(file, new MigrationOptions
        {
            PlanHash = hash,
            BatchObjects = 8,
            Observer = _ => seen = seen == 19 ? throw new OperationCanceledException() : seen + 1,
        }));
        _world.Store.Reopen();
        Assert.NotEqual(hash, MigrationRoom.Plan(_world.Store.Store, file).PlanHash);
        MigrationResult result = _world.Apply(file, new MigrationOptions { PlanHash = hash, BatchObjects = 8 });
        Assert.Null(result.Refusal);
        Assert.Equal(("applied", 40UL), (result.Status, result.Counts.Migrated));
        using ReadSnapshot snapshot = _world.Store.Store.OpenSnapshot();
        Assert.Equal(40, snapshot.ReadEvents(1).Count(static item => item.Type == "sync.schema.migrated"));
    }

    [Fact]
    public void A_plan_that_does_not_fit_any_more_is_not_applied()
    {
        _world.AddNotes(2);
        MigrationFile file = _world.Signed();
        string hash = MigrationRoom.Plan(_world.Store.Store, file).PlanHash;
        Done(_world.Store.Session(), Batch(MigrationWorld.Good(1)));
        ulong before = _world.Store.Store.VisibleSequence;
        Assert.Equal("migration.plan-changed", _world.Apply(file, new MigrationOptions { PlanHash = hash }).Refusal!.Rule);
        Assert.Equal(before, _world.Store.Store.VisibleSequence);
    }

    [Fact]
    public void What_is_changed_between_look_and_commit_is_read_again()
    {
        _world.AddNotes(6);
        bool isChanged = false;
        MigrationResult result = _world.Apply(_world.Signed(), new MigrationOptions
        {
            BatchObjects = 3,
            Observer = item =>
            {
                // The first batch is in; the second was not read yet, so its object is changed under the eyes of the run by the gate below.
                if (!isChanged && item.ObjectId == "note:00000")
                {
                    isChanged = true;
                    Done(_world.Store.Session(), Batch(MigrationWorld.Note(4, """{"body":"newer","rank":"44"}""")));
                }
            },
        });
        Assert.Equal(("applied", 6UL), (result.Status, result.Counts.Migrated));
        Assert.Contains("newer", Encoding.UTF8.GetString(_world.Store.Get(RecordKind.Object, "note:00004")!.ToJson()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_changed_after_it_was_read_is_never_overwritten()
    {
        _world.AddNotes(5);
        StaleSigner stale = new(_world);
        MigrationFile file = _world.Signed();
        _world.Store.Store.Dispose();
        using StateStore store = Governance.Gates.GovernedStore.Open(_world.Store.Path, new StateStoreOptions { ReserveBytes = 0, Signer = stale });
        MigrationResult result = await MigrationRoom.ApplyAsync(store, store.OpenSession(new SessionIdentity(Admin, Device, Home)), file);
        Assert.True(stale.Changed);
        Assert.Equal(("applied", 5UL, 0UL), (result.Status, result.Counts.Migrated, result.Counts.Refused));
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Assert.Contains("changed meanwhile", Encoding.UTF8.GetString(snapshot.Get(RecordKind.Object, "note:00002")!.ToJson()), StringComparison.Ordinal);
    }

    // Signing happens between the run's read and its commit, so a change made there is one that the run could not see.
    private sealed class StaleSigner(MigrationWorld world) : IBatchSigner
    {
        private readonly ChangeSigner _signer = new(world.Folder);

        public bool Changed { get; private set; }

        public bool IsIdle => false;

        public IReadOnlyList<SignedData> Sign(StateStore store, SessionIdentity session, IReadOnlyList<ProposedChange> changes)
        {
            if (!Changed && changes.Any(static change => change.EventType == "sync.schema.migrated"))
            {
                Changed = true;
                Done(store.OpenSession(session), Batch(MigrationWorld.Note(2, """{"body":"changed meanwhile","rank":"2"}""")));
            }

            return _signer.Sign(store, session, changes);
        }
    }

    [Fact]
    public void What_does_not_fit_is_refused_put_into_quarantine_or_left_as_the_manifest_says()
    {
        Done(_world.Store.Session(), Batch(MigrationWorld.Good(1), MigrationWorld.Note(2, """{"body":"x","rank":"high"}""")));
        MigrationResult refused = _world.Apply(_world.Signed());
        Assert.Equal(("failed", 1UL, 1UL), (refused.Status, refused.Counts.Migrated, refused.Counts.Refused));
        MigrationResult quarantined = _world.Apply(_world.Signed(id: "migration:q", unfit: "quarantine"));
        Assert.Equal(("applied", 1UL), (quarantined.Status, quarantined.Counts.Quarantined));
        StoredRecord record = _world.Store.Get(RecordKind.Object, "note:00002")!;
        Assert.Equal(("quarantined", "schema:note:t1"), (record.Text("state"), record.Text("schema_id")));
        Assert.Equal(new MigrationCounts(), MigrationRoom.Plan(_world.Store.Store, _world.Signed(id: "migration:q2")).Counts);

        Done(_world.Store.Session(), Batch(MigrationWorld.Note(3, """{"body":"x","status":"unheard of"}""")));
        Assert.Equal(1UL, MigrationRoom.Plan(_world.Store.Store, _world.Signed(id: "migration:l", unfit: "leave")).Counts.Refused);
        string lenient = MigrationWorld.Steps.Replace("\"map\",", "\"map\",\"unfit\":\"leave\",", StringComparison.Ordinal).Replace("\"at\":\"/attributes/status\"", "\"at\":\"/attributes/mood\"", StringComparison.Ordinal);
        Done(_world.Store.Session(), Batch(MigrationWorld.Note(3, """{"body":"x","mood":"unheard of"}""")));
        Assert.Equal(1UL, MigrationRoom.Plan(_world.Store.Store, _world.Signed(lenient, "migration:l")).Counts.Migrated);
    }

    [Fact]
    public async Task A_roll_back_brings_every_body_back_to_the_bit_and_names_what_was_changed_since()
    {
        _world.AddNotes(12);
        Dictionary<string, byte[]> before = _world.Bodies();
        Assert.Equal("applied", _world.Apply(_world.Signed()).Status);
        string changed = Encoding.UTF8.GetString(_world.Store.Get(RecordKind.Object, "note:00005")!.ToJson()).Replace("text 5", "edited", StringComparison.Ordinal);
        Done(_world.Store.Session(), Batch(changed));
        List<MigrationItem> items = [];
        Assert.Equal(new MigrationCounts(RolledBack: 11, ChangedSince: 1), MigrationRoom.PlanRollback(_world.Store.Store, "migration:t"));
        MigrationResult partly = _world.Rollback(observer: items.Add);
        Assert.Equal(("applied", 11UL, 1UL), (partly.Status, partly.Counts.RolledBack, partly.Counts.ChangedSince));
        Assert.Equal("note:00005", items.Single(static item => item.Outcome == MigrationOutcome.ChangedSince).ObjectId);
        Dictionary<string, byte[]> after = _world.Bodies();
        Assert.All(before.Where(static pair => pair.Key != "note:00005"), pair => Assert.Equal(pair.Value, after[pair.Key]));
        Assert.Contains("edited", Encoding.UTF8.GetString(after["note:00005"]), StringComparison.Ordinal);

        // Forward again: what was rolled back comes over once more, and the record says applied.
        MigrationResult forward = (await MigrationRoom.ForwardAsync(_world.Store.Store, _world.Store.Session(), "migration:t"))!;
        Assert.Equal(("applied", 23UL), (forward.Status, forward.Counts.Migrated));
        Done(_world.Store.Session(), new CommitBatch().Delete(RecordKind.Object, "note:00005"));
        MigrationResult whole = _world.Rollback();
        Assert.Equal(("rolled_back", 0UL), (whole.Status, whole.Counts.ChangedSince));
        Assert.Equal("migration.status", _world.Rollback().Refusal!.Rule);
        after = _world.Bodies();
        Assert.All(before.Where(static pair => pair.Key != "note:00005"), pair => Assert.Equal(pair.Value, after[pair.Key]));
        Assert.Equal(0UL, SignatureCheck.Run(_world.Store.Store).FindingCount);
    }

    [Fact]
    public async Task What_is_written_at_the_old_version_afterwards_is_repaired_forward()
    {
        _world.AddNotes(2);
        _world.Apply(_world.Signed());
        Done(_world.Store.Session(), Batch(MigrationWorld.Good(7)));
        MigrationResult forward = (await MigrationRoom.ForwardAsync(_world.Store.Store, _world.Store.Session(), "migration:t"))!;
        Assert.Equal(("applied", 3UL), (forward.Status, forward.Counts.Migrated));
        Assert.Equal("schema:note:t2", _world.Store.Get(RecordKind.Object, "note:00007")!.Text("schema_id"));
        Assert.Null(await MigrationRoom.ForwardAsync(_world.Store.Store, _world.Store.Session(), "migration:none"));
    }

    [Fact]
    public void Two_migrations_are_rolled_back_one_after_the_other_and_not_in_the_wrong_order()
    {
        _world.AddNotes(4);
        Dictionary<string, byte[]> before = _world.Bodies();
        Done(_world.Store.Session(), Batch(MigrationWorld.Schema("schema:note:t3", "v3", """{"type":"object"}""")));
        Assert.Equal("applied", _world.Apply(_world.Signed()).Status);
        MigrationFile second = MigrationFile.Read(Encoding.UTF8.GetBytes("""
            {"schema":"sourceos.migration-manifest/v1alpha1","migration_id":"migration:second","object_type":"note","from":{"schema_id":"schema:note:t2","version":"v2"},"to":{"schema_id":"schema:note:t3","version":"v3"},"steps":[{"op":"wrap","at":"/attributes/text"}]}
            """));
        Assert.Equal("applied", _world.Apply(MigrationRoom.Sign(_world.Store.Store, Admin, second, _world.Folder)!).Status);
        Assert.Equal(("applied", 4UL), (_world.Rollback().Status, MigrationRoom.PlanRollback(_world.Store.Store, "migration:t")!.ChangedSince));
        Assert.Equal("rolled_back", _world.Rollback("migration:second").Status);
        Assert.Equal("rolled_back", _world.Rollback().Status);
        Dictionary<string, byte[]> after = _world.Bodies();
        Assert.All(before, pair => Assert.Equal(pair.Value, after[pair.Key]));
    }

    [Fact]
    public void A_quarantined_object_is_rolled_back_too()
    {
        Done(_world.Store.Session(), Batch(MigrationWorld.Note(2, """{"body":"x","rank":"high"}""")));
        byte[] before = _world.Bodies()["note:00002"];
        Assert.Equal(1UL, _world.Apply(_world.Signed(unfit: "quarantine")).Counts.Quarantined);
        Assert.Equal("rolled_back", _world.Rollback().Status);
        Assert.Equal(before, _world.Bodies()["note:00002"]);
    }

    [Fact]
    public async Task Objects_that_a_gate_keeps_are_listed_and_the_others_come_over()
    {
        _world.AddNotes(3);
        _world.Store.AddActor("actor:migrator", """["read","write","migrate_schema"]""", """["profile:home"]""", "human");
        Done(_world.Store.Session(), Batch(MigrationWorld.Note(8, """{"body":"elsewhere"}""").Replace("workspace:w", "workspace:far", StringComparison.Ordinal)));
        List<MigrationItem> items = [];
        MigrationResult result = await MigrationRoom.ApplyAsync(_world.Store.Store, _world.Store.Session("actor:migrator"), _world.Signed(), new MigrationOptions { Observer = items.Add });
        Assert.Equal(("failed", 3UL, 1UL), (result.Status, result.Counts.Migrated, result.Counts.Refused));
        Assert.Contains("actor.workspace-scope", items.Single(static item => item.Outcome == MigrationOutcome.Refuse).Reason, StringComparison.Ordinal);
        Assert.Equal("applied", _world.Apply(_world.Signed()).Status);
    }

    [Fact]
    public void Only_a_manifest_that_somebody_signed_who_may_is_applied()
    {
        _world.AddNotes(1);
        MigrationFile signed = _world.Signed();
        ulong before = _world.Store.Store.VisibleSequence;
        Assert.Equal("migration.unsigned", _world.Apply(MigrationWorld.Unsigned()).Refusal!.Rule);
        using PrivateKey stranger = PrivateKey.Generate();
        Assert.Equal("migration.key", _world.Apply(MigrationWorld.Unsigned().Sign(stranger)).Refusal!.Rule);
        string text = Encoding.UTF8.GetString(signed.ToRecord("planned", DateTimeOffset.UnixEpoch).Span);
        foreach (string altered in (string[])[text.Replace("\"value\":\"en\"", "\"value\":\"de\"", StringComparison.Ordinal), text.Replace("\"at\":\"/attributes/old\"", "\"at\":\"/attributes/old\",\"drop\":true", StringComparison.Ordinal)])
        {
            CommitRefusal refusal = _world.Apply(MigrationFile.Read(Encoding.UTF8.GetBytes(altered))).Refusal!;
            Assert.Equal("migration.altered", refusal.Rule);
            Assert.Contains("schema sign", refusal.Remedy, StringComparison.Ordinal);
        }

        Assert.Equal(before, _world.Store.Store.VisibleSequence);

        // White space and the order of members are not part of what was signed.
        int at = text.IndexOf("\"steps\":", StringComparison.Ordinal);
        Assert.Null(MigrationRoom.Plan(_world.Store.Store, MigrationFile.Read(Encoding.UTF8.GetBytes(text.Insert(at, " \n ")))).Refusal);
    }

    [Fact]
    public async Task A_revoked_key_or_a_signer_without_the_right_migrates_nothing()
    {
        _world.AddNotes(1);
        MigrationFile file = _world.Signed();
        _world.Store.AddActor("actor:weak", """["read","write","migrate_schema"]""", """["profile:home"]""", "human");
        KeyChange weak = await new KeyRoom(_world.Folder).CreateAsync(_world.Store.Store, _world.Store.Session(), KeyRoom.ChangesPurpose, "actor:weak");
        Assert.True(weak.Receipt.IsCommitted);
        MigrationFile byWeak = MigrationRoom.Sign(_world.Store.Store, "actor:weak", MigrationWorld.Unsigned(), _world.Folder)!;
        _world.Store.AddActor("actor:weak", """["read","write"]""", """["profile:home"]""", "human");
        Assert.Equal("migration.signer", _world.Apply(byWeak).Refusal!.Rule);
        KeyChange rotated = (await new KeyRoom(_world.Folder).RotateAsync(_world.Store.Store, _world.Store.Session(), _world.KeyId))!;
        Assert.True(rotated.Receipt.IsCommitted, rotated.Receipt.Refusal?.Reason);
        Assert.Equal("migration.key-revoked", _world.Apply(file).Refusal!.Rule);
    }

    [Fact]
    public void The_gate_lets_no_record_run_by_another_way_and_seals_what_ran()
    {
        _world.AddNotes(1);
        byte[] Record(MigrationFile file, string status) => file.ToRecord(status, DateTimeOffset.UnixEpoch).ToArray();
        _world.Store.Refused(_world.Store.Session(), new CommitBatch().PutJson(Record(MigrationWorld.Unsigned(), "running")), "migration.unsigned");
        _world.Store.Refused(_world.Store.Session(), Batch("""{"schema":"sourceos.schema-migration/v1alpha1","migration_id":"migration:empty","status":"applied"}"""), "migration.manifest");
        Done(_world.Store.Session(), new CommitBatch().PutJson(Record(MigrationWorld.Unsigned(), "planned")));
        Assert.Equal("applied", _world.Apply(_world.Signed()).Status);
        _world.Store.Refused(_world.Store.Session(), new CommitBatch().PutJson(Record(_world.Signed("""{"op":"remove","at":"/attributes/old","drop":true}"""), "applied")), "migration.sealed");
        _world.Store.AddActor("actor:reader", """["read","write"]""");
        _world.Store.Refused(_world.Store.Session("actor:reader"), new CommitBatch().PutJson(Record(_world.Signed(id: "migration:u"), "running")), "actor.capability");
    }

    [Fact]
    public void A_migration_leads_to_a_schema_that_is_there()
    {
        MigrationFile away = MigrationFile.Read(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(MigrationWorld.Unsigned().Manifest.Canonical.Span).Replace("schema:note:t2", "schema:note:t9", StringComparison.Ordinal)));
        Assert.Equal("migration.target", MigrationRoom.Plan(_world.Store.Store, away).Refusal!.Rule);
        Assert.Equal("migration.target", _world.Apply(away).Refusal!.Rule);
    }

    public void Dispose() => _world.Dispose();
}
