// Why this file exists: `schema sign` and `schema migrate`: a manifest is signed, looked at, applied, rolled back or repaired forward. Invariants: without --apply nothing is changed; each object is listed as soon as it is decided, so memory stays
// small; what is refused says by which rule and what would make it pass.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Agents;
using SourceOS.StateStore.Governance.Migrations;
using SourceOS.StateStore.Governance.Schemas;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Migrations.</summary>
internal static class SchemaMigrateVerb
{
    private static readonly Argument<string> Unsigned = new("FILE") { Description = "A migration manifest, signed or not; - for standard input" };
    private static readonly Argument<string?> Source = new("FILE") { Description = "A migration manifest, signed to be applied; - for standard input", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "List each object before and after and change nothing; this is the default" };
    private static readonly Option<bool> Apply = new("--apply") { Description = "Do it, in batches of ordinary commits; running it again goes on after an interruption" };
    private static readonly Option<string> PlanHash = new("--plan-hash") { Description = "With --apply: only if the plan is still this one", HelpName = "HASH" };
    private static readonly Option<string> Rollback = new("--rollback") { Description = "Instead of a file: bring the objects of this migration back to what they were", HelpName = "ID" };
    private static readonly Option<string> Forward = new("--forward") { Description = "Instead of a file: bring over what is still, or again, at the old version", HelpName = "ID" };
    private static readonly Option<int?> Batch = Inputs.Count("--batch", "Objects in a commit, at most 4096; 256 by default");

    /// <summary>The commands.</summary>
    public static VerbCommand[] Create()
    {
        VerbCommand sign = new("sign", "Sign a migration manifest with the acting actor's key for changes, and print the signed one", "statestore schema sign notes-v2.json > signed.json") { Run = VerbCommand.Sync(Sign) };
        sign.Arguments.Add(Unsigned);
        VerbCommand migrate = new(
            "migrate",
            "Show what a migration would do to each object, apply it, roll it back, or repair it forward",
            "statestore schema migrate notes-v2.json",
            "statestore schema migrate signed.json --apply --plan-hash 0123...",
            "statestore schema migrate --rollback migration:notes-v2 --apply")
        {
            Run = MigrateAsync,
        };
        migrate.Arguments.Add(Source);
        foreach (Option option in (Option[])[DryRun, Apply, PlanHash, Rollback, Forward, Batch])
        {
            migrate.Options.Add(option);
        }

        return [sign, migrate];
    }

    private static ExitCode Sign(VerbContext context)
    {
        MigrationFile file = Read(context, context.Get(Unsigned));
        using StateStore store = context.OpenRead();
        string actor = context.Identity(store).ActorId;
        MigrationFile signed = MigrationRoom.Sign(store, actor, file, KeyFolder.OfUser()) ?? throw new CliException(new CliError(
            ExitCode.Refused, "no_key", $"This machine has no key for changes of actor '{actor}'.", $"actor {actor}", Next: "Make one: statestore keys create --purpose changes"));
        context.Out.Write(signed.ToRecord("planned", DateTimeOffset.UtcNow).Span);
        context.Out.Write("\n"u8);
        return ExitCode.Done;
    }

    private static async Task<ExitCode> MigrateAsync(VerbContext context)
    {
        string? source = context.Parse.GetValue(Source);
        string? rollback = context.Get(Rollback) is { } back ? VerbContext.CheckId(back, "--rollback") : null;
        string? forward = context.Get(Forward) is { } on ? VerbContext.CheckId(on, "--forward") : null;
        if (new[] { source, rollback, forward }.Count(static given => given is not null) != 1)
        {
            throw CliException.Usage("Name one of: a manifest, --rollback ID, --forward ID.", "For example: statestore schema migrate signed.json");
        }

        if (context.Get(Apply) && context.Get(DryRun))
        {
            throw CliException.Usage("--apply and --dry-run exclude each other.");
        }

        if (context.Get(PlanHash) is not null && (source is null || !context.Get(Apply)))
        {
            throw CliException.Usage("--plan-hash goes with a manifest and --apply.");
        }

        if (context.Get(Batch) > 4096)
        {
            throw CliException.Usage("--batch takes a number from 1 to 4096.");
        }

        MigrationFile? file = source is null ? null : Read(context, source);
        return context.Get(Apply) ? await ApplyAsync(context, file, rollback, forward).ConfigureAwait(false) : Show(context, file, rollback, forward);
    }

    private static MigrationFile Read(VerbContext context, string source)
    {
        try
        {
            return MigrationFile.Read(InputFiles.ReadDocument(source, context.Cancellation));
        }
        catch (StateStoreException exception) when (exception.Code == StateStoreErrorCode.InvalidInput)
        {
            throw CliException.BadData(exception.Summary, $"{(source == "-" ? "standard input" : source)}, {exception.Place}", "See docs/schemas.md for what a manifest is.", "invalid_manifest");
        }
    }

    private static ExitCode Show(VerbContext context, MigrationFile? file, string? rollback, string? forward)
    {
        using StateStore store = context.OpenRead();
        if (rollback is not null)
        {
            MigrationCounts found = MigrationRoom.PlanRollback(store, rollback, item => WriteItem(context, item), context.Cancellation) ?? throw Missing(rollback);
            Finish(context, new Summary(rollback, StatusOf(store, rollback), false, "", null, found, null));
            return found.ChangedSince > 0 ? ExitCode.No : ExitCode.Done;
        }

        if (forward is not null)
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            file = snapshot.Get(Format.RecordKind.Migration, forward) is { IsTombstone: false } record ? MigrationFile.Read(record.ToJson()) : throw Missing(forward);
        }

        MigrationPlan plan = MigrationRoom.Plan(store, file!, item => WriteItem(context, item), context.Cancellation);
        Finish(context, new Summary(file!.Manifest.Id, StatusOf(store, file.Manifest.Id), false, plan.PlanHash, plan.Refusal, plan.Counts, plan.Fit) { Manifest = file.Manifest });
        return plan.Counts.Refused > 0 || plan.PlanHash.Length == 0 ? ExitCode.No : ExitCode.Done;
    }

    private static async Task<ExitCode> ApplyAsync(VerbContext context, MigrationFile? file, string? rollback, string? forward)
    {
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            StateSession session = context.SessionForMany(store);
            MigrationOptions options = new() { PlanHash = context.Get(PlanHash), BatchObjects = context.Get(Batch) ?? 256, Observer = item => WriteItem(context, item) };
            MigrationResult? result = file is not null ? await MigrationRoom.ApplyAsync(store, session, file, options, context.Cancellation).ConfigureAwait(false)
                : rollback is not null ? await MigrationRoom.RollbackAsync(store, session, rollback, options, context.Cancellation).ConfigureAwait(false)
                : await MigrationRoom.ForwardAsync(store, session, forward!, options, context.Cancellation).ConfigureAwait(false);
            string id = file?.Manifest.Id ?? rollback ?? forward!;
            if (result is null)
            {
                throw Missing(id);
            }

            if (result.Refusal is { } refusal)
            {
                throw new CliException(Receipts.ToError(CommitStatus.Denied, refusal));
            }

            Finish(context, new Summary(id, result.Status, true, "", null, result.Counts, null));
            return result.Counts.Refused > 0 || (rollback is not null && result.Counts.ChangedSince > 0) ? ExitCode.No : ExitCode.Done;
        }
    }

    private static string StatusOf(StateStore store, string id)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return MigrationRoom.StatusOf(snapshot, id) ?? "";
    }

    private static CliException Missing(string id) => CliException.NotFound("There is no such migration, or its record holds no manifest.", $"migration {id}", "See them: statestore list migrations");

    private static void WriteItem(VerbContext context, MigrationItem item)
    {
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("object"u8, item.ObjectId);
                writer.WriteNumber("sequence"u8, item.Sequence);
                writer.WriteString("outcome"u8, ErrorMapping.SnakeCase(item.Outcome.ToString()));
                writer.WriteString("reason"u8, item.Reason);
                writer.WriteStartArray("changes"u8);
                foreach (FieldChange change in item.Changes)
                {
                    writer.WriteStartObject();
                    writer.WriteString("field"u8, change.Field);
                    WriteRaw(writer, "before", change.Before);
                    WriteRaw(writer, "after", change.After);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
                writer.WriteEndObject();
            });
            return;
        }

        context.Out.WriteLine($"{TerminalText.Clean(item.ObjectId)}: {ErrorMapping.SnakeCase(item.Outcome.ToString()).Replace('_', ' ')}{(item.Reason.Length > 0 ? $": {TerminalText.Clean(item.Reason)}" : "")}");
        foreach (FieldChange change in item.Changes)
        {
            context.Out.WriteLine($"  {TerminalText.Clean(change.Field)}: {TerminalText.Clean(change.Before ?? "nothing")} -> {TerminalText.Clean(change.After ?? "nothing")}");
        }
    }

    private static void WriteRaw(Utf8JsonWriter writer, string name, string? json)
    {
        writer.WritePropertyName(name);
        if (json is null)
        {
            writer.WriteNullValue();
        }
        else
        {
            writer.WriteRawValue(json);
        }
    }

    private sealed record Summary(string Id, string Status, bool Applied, string PlanHash, CommitRefusal? Refusal, MigrationCounts Counts, SchemaFit? Fit)
    {
        public MigrationManifest? Manifest { get; init; }
    }

    private static void Finish(VerbContext context, Summary summary)
    {
        string why = "";
        IReadOnlyList<string>? reverse = summary.Manifest?.Reverse(out why);
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer => WriteSummary(writer, summary, reverse, why));
            return;
        }

        MigrationCounts counts = summary.Counts;
        context.Out.WriteLine($"{TerminalText.Clean(summary.Id)}{(summary.Status.Length > 0 ? $" is {summary.Status}" : "")}: {counts.Migrated} migrated, {counts.Quarantined} into quarantine, {counts.Refused} refused, {counts.RolledBack} rolled back, {counts.ChangedSince} changed since.");
        if (summary.Fit is { } fit)
        {
            context.Out.WriteLine($"Compatibility of the versions: {fit.Compatibility}.");
        }

        if (summary.Manifest is not null)
        {
            context.Out.WriteLine(reverse is null ? TerminalText.Clean(why) : $"Every step can be reversed by a step ({reverse.Count}).");
        }

        if (summary.Refusal is { } refusal)
        {
            context.Out.WriteLine($"Not to be applied as it is: {TerminalText.Clean(refusal.Reason)} ({refusal.Rule}) {TerminalText.Clean(refusal.Remedy)}");
        }

        if (!summary.Applied)
        {
            context.Out.WriteLine(summary.PlanHash.Length > 0 ? $"Nothing was changed. Plan {summary.PlanHash}; do it with --apply." : "Nothing was changed.");
        }
    }

    private static void WriteSummary(Utf8JsonWriter writer, Summary summary, IReadOnlyList<string>? reverse, string why)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("summary"u8);
        writer.WriteString("migration"u8, summary.Id);
        writer.WriteString("status"u8, summary.Status);
        writer.WriteBoolean("applied"u8, summary.Applied);
        writer.WriteString("planHash"u8, summary.PlanHash);
        writer.WriteStartObject("counts"u8);
        writer.WriteNumber("migrated"u8, summary.Counts.Migrated);
        writer.WriteNumber("quarantined"u8, summary.Counts.Quarantined);
        writer.WriteNumber("refused"u8, summary.Counts.Refused);
        writer.WriteNumber("rolledBack"u8, summary.Counts.RolledBack);
        writer.WriteNumber("changedSince"u8, summary.Counts.ChangedSince);
        writer.WriteEndObject();
        if (summary.Refusal is { } refusal)
        {
            writer.WriteStartObject("refusal"u8);
            writer.WriteString("rule"u8, refusal.Rule);
            writer.WriteString("reason"u8, refusal.Reason);
            writer.WriteString("remedy"u8, refusal.Remedy);
            writer.WriteEndObject();
        }
        else
        {
            writer.WriteNull("refusal"u8);
        }

        writer.WriteString("compatibility"u8, summary.Fit?.Compatibility);
        writer.WriteString("irreversible"u8, why);
        writer.WriteStartArray("reverse"u8);
        foreach (string step in reverse ?? [])
        {
            writer.WriteRawValue(step);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}
