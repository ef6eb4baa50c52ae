// Why this file exists: the writing part of migrations: objects in batches, each commit with the record that counts them, so that the count is true after a kill too. Invariants: every object is written at the sequence that was looked at; one that
// changed meanwhile is read again; a batch that a gate refuses is taken apart, so that one object does not keep the others back; the record changes by legal moves only.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Schemas;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>One run of one migration.</summary>
internal sealed class MigrationRun(StateStore store, StateSession session, MigrationFile file, MigrationOptions options)
{
    private const int MaxAttempts = 4;
    private static readonly int s_status = Slots.Of(RecordKind.Migration, "status");
    private readonly TimeProvider _clock = options.Clock ?? TimeProvider.System;
    private MigrationProgress _progress = new(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, new MigrationCounts(), "");
    private string _status = "";
    private ulong _recordSequence;
    private ulong _lastSequence;

    private readonly record struct Write(StoredRecord Record, ReadOnlyMemory<byte> Body, MigrationOutcome Outcome, Action<string?> Report);

    /// <summary>Applies, goes on, or repairs forward.</summary>
    public async Task<MigrationResult> ApplyAsync(ObjectSchema target, bool isForward, CancellationToken cancellationToken)
    {
        Load();
        CommitRefusal? refusal = isForward ? RefuseForward() : RefuseStart() ?? RefusePlan(cancellationToken);
        if (refusal is not null)
        {
            return Result(refusal);
        }

        _progress = _progress with { Counts = _progress.Counts with { Refused = 0 }, PlanHash = options.PlanHash ?? _progress.PlanHash };
        string during = _status == "applied" ? "applied" : "running";
        if (await CommitAsync([], during, cancellationToken).ConfigureAwait(false) is { } no)
        {
            return Result(no);
        }

        ObjectMigrator migrator = new(file.Manifest, target);
        foreach (List<StoredRecord> page in ObjectPages.Read(store, (record, _) => ObjectMigrator.Waits(file.Manifest, record.Body), options.BatchObjects, cancellationToken))
        {
            if (await MigratePageAsync(migrator, page, cancellationToken).ConfigureAwait(false) is { } stopped)
            {
                return Result(stopped);
            }
        }

        string after = during == "applied" || _progress.Counts.Refused == 0 ? "applied" : "failed";
        return Result(await CommitAsync([], after, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Rolls back.</summary>
    public async Task<MigrationResult> RollbackAsync(CancellationToken cancellationToken)
    {
        Load();
        if (_status is not ("applied" or "running" or "failed"))
        {
            return Result(Refuse("migration.status", $"is {_status}; there is nothing to roll back", "See it: statestore list migrations."));
        }

        _progress = _progress with { Counts = _progress.Counts with { ChangedSince = 0, Refused = 0 } };
        if (_status == "running" && await CommitAsync([], "failed", cancellationToken).ConfigureAwait(false) is { } no)
        {
            return Result(no);
        }

        foreach (List<RollbackItem> page in new MigrationRollback(store, file.Manifest).Look(options.BatchObjects, cancellationToken))
        {
            foreach (RollbackItem left in page.Where(static item => item.Outcome == MigrationOutcome.ChangedSince))
            {
                Counted(MigrationOutcome.ChangedSince);
                options.Observer?.Invoke(left.ToItem());
            }

            List<Write> writes = [.. page.Where(static item => item.Outcome == MigrationOutcome.RollBack).Select(item => new Write(
                item.Record, item.Earlier, item.Outcome, refusal => options.Observer?.Invoke(refusal is null ? item.ToItem() : new MigrationItem(item.Record.Id, item.Record.Sequence, MigrationOutcome.Refuse, [], refusal))))];
            if (await WriteAllAsync(writes, null, cancellationToken).ConfigureAwait(false) is { } stopped)
            {
                return Result(stopped);
            }
        }

        bool isWhole = _progress.Counts is { ChangedSince: 0, Refused: 0 };
        return Result(await CommitAsync([], isWhole ? "rolled_back" : _status, cancellationToken).ConfigureAwait(false));
    }

    private async Task<CommitRefusal?> MigratePageAsync(ObjectMigrator migrator, List<StoredRecord> page, CancellationToken cancellationToken)
    {
        List<Write> writes = [];
        foreach (StoredRecord record in page)
        {
            if (Work(migrator, record) is { } write)
            {
                writes.Add(write);
            }
        }

        return await WriteAllAsync(writes, id => Again(migrator, id), cancellationToken).ConfigureAwait(false);
    }

    private Write? Work(ObjectMigrator migrator, StoredRecord record)
    {
        MigratedObject migrated = migrator.Migrate(record);
        if (migrated.Body is not null)
        {
            return new Write(record, migrated.Body, migrated.Outcome, refusal => options.Observer?.Invoke(MigrationRoom.ItemOf(record, migrated, refusal)));
        }

        Counted(MigrationOutcome.Refuse);
        options.Observer?.Invoke(MigrationRoom.ItemOf(record, migrated));
        return null;
    }

    // Somebody wrote the object after it was looked at: what it is now decides whether there is anything left to do.
    private Write? Again(ObjectMigrator migrator, string id)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return snapshot.Get(RecordKind.Object, id) is { IsTombstone: false } record && ObjectMigrator.Waits(file.Manifest, Slots.Open(record.Body)) ? Work(migrator, record) : null;
    }

    private async Task<CommitRefusal?> WriteAllAsync(List<Write> writes, Func<string, Write?>? again, CancellationToken cancellationToken)
    {
        for (int attempt = 0; writes.Count > 0 && attempt < MaxAttempts; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            CommitRefusal? refusal = await CommitAsync(writes, _status, cancellationToken).ConfigureAwait(false);
            if (refusal is null)
            {
                return null;
            }

            if (IsAboutRecord(refusal))
            {
                return refusal;
            }

            if (refusal.Rule != "engine.expected-sequence" || again is null)
            {
                break;
            }

            writes = [.. writes.Select(write => write.Record.Id == refusal.Id ? again(write.Record.Id) : write).OfType<Write>()];
        }

        return await WriteOneByOneAsync(writes, again, cancellationToken).ConfigureAwait(false);
    }

    private async Task<CommitRefusal?> WriteOneByOneAsync(List<Write> writes, Func<string, Write?>? again, CancellationToken cancellationToken)
    {
        foreach (Write first in writes)
        {
            Write? write = first;
            CommitRefusal? refusal = null;
            for (int attempt = 0; write is { } one && attempt < MaxAttempts; attempt++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                refusal = await CommitAsync([one], _status, cancellationToken).ConfigureAwait(false);
                if (refusal is null || IsAboutRecord(refusal))
                {
                    break;
                }

                bool isStale = refusal.Rule == "engine.expected-sequence" && again is not null;
                write = isStale ? again!(one.Record.Id) : one;
                if (!isStale)
                {
                    break;
                }
            }

            if (refusal is not null && IsAboutRecord(refusal))
            {
                return refusal;
            }

            if (refusal is not null && write is { } left)
            {
                Counted(MigrationOutcome.Refuse);
                left.Report($"{refusal.Reason} ({refusal.Rule})");
            }
        }

        return null;
    }

    private bool IsAboutRecord(CommitRefusal refusal) => refusal.Kind == RecordKind.Migration && refusal.Id == file.Manifest.Id;

    /// <summary>Commits objects together with the record that counts them.</summary>
    /// <returns>Why it was refused; null when it was committed.</returns>
    private async Task<CommitRefusal?> CommitAsync(IReadOnlyList<Write> writes, string status, CancellationToken cancellationToken)
    {
        MigrationProgress next = _progress;
        CommitBatch batch = new();
        foreach (Write write in writes)
        {
            next = next with { Counts = MigrationRoom.Count(next.Counts, write.Outcome) };
            batch.Put(RecordKind.Object, write.Record.Id, write.Body, new ChangeOptions
            {
                ExpectedSequence = write.Record.Sequence,
                EventType = write.Outcome switch
                {
                    MigrationOutcome.Quarantine => MigrationRollback.QuarantinedEvent,
                    MigrationOutcome.RollBack => MigrationRollback.RolledBackEvent,
                    _ => MigrationRollback.MigratedEvent,
                },
                Lane = Lane.Migration,

                // A roll back brings back exactly what was, its makers and times included.
                KeepsAttribution = write.Outcome == MigrationOutcome.RollBack,
                DataJson = Documents.Data(writer => writer.WriteString("migration"u8, file.Manifest.Id)),
            });
        }

        DateTimeOffset now = _clock.GetUtcNow();
        next = next with { CreatedAt = _recordSequence == 0 ? now : next.CreatedAt, UpdatedAt = now };
        batch.PutJson(file.ToRecord(status, next).Span, new ChangeOptions { ExpectedSequence = _recordSequence, Lane = Lane.Migration });
        CommitReceipt receipt = await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
        if (!receipt.IsCommitted)
        {
            return receipt.Refusal;
        }

        (_progress, _status, _recordSequence, _lastSequence) = (next, status, receipt.LastSequence, receipt.LastSequence);
        foreach (Write write in writes)
        {
            write.Report(null);
        }

        return null;
    }

    private void Load()
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        if (snapshot.Get(RecordKind.Migration, file.Manifest.Id) is not { } record)
        {
            return;
        }

        _recordSequence = record.Sequence;
        _status = record.IsTombstone ? "" : Slots.Text(Slots.Open(record.Body), s_status);
        _progress = record.IsTombstone ? _progress : MigrationProgress.Of(record);
    }

    private CommitRefusal? RefuseStart() => _status switch
    {
        "" or "planned" or "running" or "failed" => null,
        "applied" => Refuse("migration.status", "is applied", $"For objects that came to the old version since: statestore schema migrate --forward {file.Manifest.Id}"),
        _ => Refuse("migration.status", $"is {_status}, which is final", "Give the manifest another migration_id, sign it, and apply that."),
    };

    private CommitRefusal? RefuseForward() => _status is "applied" or "running" or "failed" ? null : Refuse("migration.status", $"is {_status} and cannot be repaired forward", "Apply it first, or make a migration of its own.");

    // The plan that a cut off run was started with is not the plan of what is left of it.
    private CommitRefusal? RefusePlan(CancellationToken cancellationToken)
    {
        if (options.PlanHash is not { } wanted || (_status is "running" or "failed" && _progress.PlanHash == wanted))
        {
            return null;
        }

        string found = MigrationRoom.Plan(store, file, null, cancellationToken).PlanHash;
        return string.Equals(found, wanted, StringComparison.OrdinalIgnoreCase)
            ? null
            : Refuse("migration.plan-changed", $"would do something else than the plan {wanted} says: its plan is {found} now", "Look at it again: statestore schema migrate FILE, and apply that plan.");
    }

    private void Counted(MigrationOutcome outcome) => _progress = _progress with { Counts = MigrationRoom.Count(_progress.Counts, outcome) };

    private MigrationResult Result(CommitRefusal? refusal) => new(refusal, _status, _progress.Counts, _lastSequence);

    private CommitRefusal Refuse(string rule, string what, string remedy) => Refusals.Of(rule, $"The migration '{file.Manifest.Id}' {what}.", remedy, RecordKind.Migration, file.Manifest.Id);
}
