// Why this file exists: migrations as people and programs handle them: sign, look, apply, roll back, repair forward. Invariants: looking writes nothing; applying writes ordinary commits through the gates; nothing is migrated twice and nothing
// that was changed in between is overwritten; a run that was cut off is finished by the same call again.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Agents;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Schemas;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>What a migration does to one object.</summary>
/// <param name="ObjectId">The object.</param>
/// <param name="Sequence">The sequence that was looked at.</param>
/// <param name="Outcome">What happens.</param>
/// <param name="Changes">The fields that differ; empty when the object stays as it is.</param>
/// <param name="Reason">Why it is refused or put into quarantine; empty otherwise.</param>
public sealed record MigrationItem(string ObjectId, ulong Sequence, MigrationOutcome Outcome, IReadOnlyList<FieldChange> Changes, string Reason);

/// <summary>What a look at a migration found.</summary>
/// <param name="PlanHash">SHA-256 of manifest and objects with what becomes of them; the same as long as nothing of that changes.</param>
/// <param name="Counts">What would happen.</param>
/// <param name="Refusal">What would keep it from being applied at all; null when nothing would.</param>
/// <param name="Fit">How the two versions of the schema fit; null when one of them is not known here.</param>
public sealed record MigrationPlan(string PlanHash, MigrationCounts Counts, CommitRefusal? Refusal, SchemaFit? Fit);

/// <summary>What a run came to.</summary>
/// <param name="Refusal">Why it did not run, or stopped; null when it ran to its end.</param>
/// <param name="Status">The status of the migration's record afterwards; empty when there is none.</param>
/// <param name="Counts">What the record counts.</param>
/// <param name="Sequence">The last sequence that the run wrote; 0 when it wrote nothing.</param>
public sealed record MigrationResult(CommitRefusal? Refusal, string Status, MigrationCounts Counts, ulong Sequence);

/// <summary>How a run works. All parts are optional.</summary>
public sealed class MigrationOptions
{
    /// <summary>The hash of the plan that was looked at; the run refuses another one. Any when null.</summary>
    public string? PlanHash { get; init; }

    /// <summary>Objects in a commit, 1 to 4,096. Default 256.</summary>
    public int BatchObjects { get; init; } = 256;

    /// <summary>Learns of each object, as soon as it is decided; nobody when null.</summary>
    public Action<MigrationItem>? Observer { get; init; }

    /// <summary>The clock for the record's times; the system clock when null.</summary>
    public TimeProvider? Clock { get; init; }
}

/// <summary>Migrations. Thread-safe: it keeps nothing.</summary>
public static class MigrationRoom
{
    private static readonly int s_status = Slots.Of(RecordKind.Migration, "status");

    /// <summary>Signs a manifest with the acting actor's key for changes.</summary>
    /// <param name="store">The store that knows the key.</param>
    /// <param name="actorId">The actor.</param>
    /// <param name="file">The manifest.</param>
    /// <param name="folder">Where private keys are.</param>
    /// <returns>The signed file; null when this machine has no such key of the actor.</returns>
    /// <exception cref="StateStoreException">The key's file cannot be used.</exception>
    public static MigrationFile? Sign(StateStore store, string actorId, MigrationFile file, KeyFolder folder)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(file);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        using PrivateKey? key = new KeyRoom(folder).LoadChangesKey(snapshot, actorId);
        return key is null ? null : file.Sign(key);
    }

    /// <summary>Looks at what a migration would do.</summary>
    /// <param name="store">The store, for reading or writing.</param>
    /// <param name="file">The manifest.</param>
    /// <param name="observer">Learns of each object; nobody when null.</param>
    /// <param name="cancellationToken">Ends the look.</param>
    /// <returns>The plan.</returns>
    /// <exception cref="StateStoreException">The store is damaged.</exception>
    public static MigrationPlan Plan(StateStore store, MigrationFile file, Action<MigrationItem>? observer = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(file);
        MigrationManifest manifest = file.Manifest;
        MigrationTarget target = MigrationTarget.Find(store, file);
        if (target.Schema is null)
        {
            return new MigrationPlan("", new MigrationCounts(), target.Refusal, null);
        }

        ObjectMigrator migrator = new(manifest, target.Schema);
        Sha256Hasher hasher = Sha256Hasher.Create();
        Span<byte> hash = stackalloc byte[Hash256.LengthBytes];
        manifest.Hash.CopyTo(hash);
        hasher.Append(hash);
        MigrationCounts counts = new();
        foreach (List<StoredRecord> page in ObjectPages.Read(store, (record, _) => ObjectMigrator.Waits(manifest, record.Body), 256, cancellationToken))
        {
            foreach (StoredRecord record in page)
            {
                MigratedObject migrated = migrator.Migrate(record);
                counts = Count(counts, migrated.Outcome);
                hasher.Append(System.Text.Encoding.UTF8.GetBytes($"{record.Id}\n{record.Sequence}\n{migrated.Outcome}\n{Checksum.Sha256(migrated.Body ?? [])}\n"));
                observer?.Invoke(ItemOf(record, migrated));
            }
        }

        return new MigrationPlan(hasher.Finish().ToString(), counts, target.Refusal, target.Fit);
    }

    /// <summary>Applies a migration, or goes on with one that was cut off.</summary>
    /// <param name="store">The store, opened for writing.</param>
    /// <param name="session">Who acts; needs `migrate_schema`, and `write` for the objects.</param>
    /// <param name="file">The signed manifest.</param>
    /// <param name="options">How; defaults when null.</param>
    /// <param name="cancellationToken">Ends the run between two commits.</param>
    /// <returns>What it came to.</returns>
    /// <exception cref="StateStoreException">A commit failed; running again goes on.</exception>
    public static Task<MigrationResult> ApplyAsync(StateStore store, StateSession session, MigrationFile file, MigrationOptions? options = null, CancellationToken cancellationToken = default) =>
        RunAsync(store, session, file, options, isForward: false, cancellationToken);

    /// <summary>Brings over what is still, or again, at the old version: the repair forward of a migration that was applied.</summary>
    /// <param name="store">The store, opened for writing.</param>
    /// <param name="session">Who acts.</param>
    /// <param name="migrationId">The migration.</param>
    /// <param name="options">How; defaults when null.</param>
    /// <param name="cancellationToken">Ends the run between two commits.</param>
    /// <returns>What it came to; null when there is no such migration.</returns>
    /// <exception cref="StateStoreException">A commit failed; running again goes on.</exception>
    public static async Task<MigrationResult?> ForwardAsync(StateStore store, StateSession session, string migrationId, MigrationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        return Find(store, migrationId) is { } file ? await RunAsync(store, session, file, options, isForward: true, cancellationToken).ConfigureAwait(false) : null;
    }

    /// <summary>Looks at what a roll back would do.</summary>
    /// <param name="store">The store, for reading or writing.</param>
    /// <param name="migrationId">The migration.</param>
    /// <param name="observer">Learns of each object; nobody when null.</param>
    /// <param name="cancellationToken">Ends the look.</param>
    /// <returns>The counts; null when there is no such migration.</returns>
    public static MigrationCounts? PlanRollback(StateStore store, string migrationId, Action<MigrationItem>? observer = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        if (Find(store, migrationId) is not { } file)
        {
            return null;
        }

        MigrationCounts counts = new();
        MigrationRollback rollback = new(store, file.Manifest);
        foreach (RollbackItem item in rollback.Look(256, cancellationToken).SelectMany(static page => page))
        {
            counts = Count(counts, item.Outcome);
            observer?.Invoke(item.ToItem());
        }

        return counts;
    }

    /// <summary>Brings the objects of a migration back to the exact bodies that they had before, except for those that were changed since.</summary>
    /// <param name="store">The store, opened for writing.</param>
    /// <param name="session">Who acts.</param>
    /// <param name="migrationId">The migration.</param>
    /// <param name="options">How; defaults when null.</param>
    /// <param name="cancellationToken">Ends the run between two commits.</param>
    /// <returns>What it came to; null when there is no such migration. Its record is `rolled_back` only when nothing of it is left.</returns>
    /// <exception cref="StateStoreException">A commit failed; running again goes on.</exception>
    public static async Task<MigrationResult?> RollbackAsync(StateStore store, StateSession session, string migrationId, MigrationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        if (Find(store, migrationId) is not { } file)
        {
            return null;
        }

        MigrationRun run = new(store, session, file, Checked(options));
        return await run.RollbackAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The status that a migration's record has.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="migrationId">The migration.</param>
    /// <returns>The status; null when there is no such migration.</returns>
    public static string? StatusOf(ReadSnapshot snapshot, string migrationId)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return snapshot.Get(RecordKind.Migration, migrationId) is { IsTombstone: false } record ? Slots.Text(Slots.Open(record.Body), s_status) : null;
    }

    internal static MigrationCounts Count(MigrationCounts counts, MigrationOutcome outcome) => outcome switch
    {
        MigrationOutcome.Migrate => counts with { Migrated = counts.Migrated + 1 },
        MigrationOutcome.Quarantine => counts with { Quarantined = counts.Quarantined + 1 },
        MigrationOutcome.RollBack => counts with { RolledBack = counts.RolledBack + 1 },
        MigrationOutcome.ChangedSince => counts with { ChangedSince = counts.ChangedSince + 1 },
        _ => counts with { Refused = counts.Refused + 1 },
    };

    internal static MigrationItem ItemOf(StoredRecord record, in MigratedObject migrated, string? refusal = null) => refusal is not null || migrated.Body is null
        ? new MigrationItem(record.Id, record.Sequence, MigrationOutcome.Refuse, [], refusal ?? migrated.Reason)
        : new MigrationItem(record.Id, record.Sequence, migrated.Outcome, FieldDiff.Of(record.ToJson(), (record with { Body = migrated.Body }).ToJson()), migrated.Reason);

    private static async Task<MigrationResult> RunAsync(StateStore store, StateSession session, MigrationFile file, MigrationOptions? options, bool isForward, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(file);
        options = Checked(options);
        MigrationTarget target = MigrationTarget.Find(store, file);
        if (target.Schema is null || target.Refusal is not null)
        {
            return new MigrationResult(target.Refusal, "", new MigrationCounts(), 0);
        }

        MigrationRun run = new(store, session, file, options);
        return await run.ApplyAsync(target.Schema, isForward, cancellationToken).ConfigureAwait(false);
    }

    private static MigrationOptions Checked(MigrationOptions? options)
    {
        options ??= new MigrationOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BatchObjects, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.BatchObjects, 4096, nameof(options));
        return options;
    }

    private static MigrationFile? Find(StateStore store, string migrationId)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return snapshot.Get(RecordKind.Migration, migrationId) is { IsTombstone: false } record ? MigrationFile.OfBody(Slots.Open(record.Body), out _) : null;
    }
}
