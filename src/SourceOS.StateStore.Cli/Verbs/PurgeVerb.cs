// Why this file exists: `purge` takes records and their history away for good. Invariants: without --apply nothing is changed; what a legal hold keeps stops it; a purge that was cut off is finished by
// --finish, whoever runs it; the answer says what still holds the bytes.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Retention;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Purges records.</summary>
internal static class PurgeVerb
{
    private static readonly Option<string> Scope = Inputs.OneOf("--scope", "What is purged", "object", "device", "profile", "workspace");
    private static readonly Argument<string> Id = new("ID") { Description = "The object, or the device, profile or workspace whose objects go", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string> Reason = new("--reason") { Description = "Why, for people; stays in the log", HelpName = "TEXT" };
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Show what would go and change nothing; this is the default" };
    private static readonly Option<bool> Apply = new("--apply") { Description = "Do it" };
    private static readonly Option<bool> Finish = new("--finish") { Description = "Finish purges that were cut off" };
    private static readonly Option<bool> AcceptLoss = new("--accept-loss") { Description = "With --apply or --finish: what repairs set aside goes too" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "purge",
            "Show what a purge would take, or take it: records and their history, unreadable for good",
            "statestore purge --scope object note:1",
            "statestore purge --scope workspace workspace:old --apply --reason \"left the project\"",
            "statestore purge --finish")
        {
            Run = RunAsync,
        };
        command.Arguments.Add(Id);
        foreach (Option option in (Option[])[Scope, Reason, DryRun, Apply, Finish, AcceptLoss])
        {
            command.Options.Add(option);
        }

        return command;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        string? given = context.Parse.GetValue(Id);
        bool finishes = context.Get(Finish);
        if (finishes && (given is not null || context.Get(Scope) is not null || context.Get(Apply)))
        {
            throw CliException.Usage("--finish goes on with what was begun; it takes no scope and no --apply.");
        }

        if (context.Get(Apply) && context.Get(DryRun))
        {
            throw CliException.Usage("--apply and --dry-run exclude each other.");
        }

        if (!finishes && (given is null || context.Get(Scope) is null))
        {
            throw CliException.Usage("Say what is purged: --scope and an id.", "For example: statestore purge --scope object note:1");
        }

        if (finishes)
        {
            return await FinishAsync(context, "").ConfigureAwait(false);
        }

        string id = VerbContext.CheckId(given!, "The id");
        PurgeScope scope = Enum.Parse<PurgeScope>(context.Get(Scope)!, ignoreCase: true);
        return context.Get(Apply) ? await ApplyAsync(context, scope, id).ConfigureAwait(false) : Show(context, scope, id);
    }

    private static ExitCode Show(VerbContext context, PurgeScope scope, string id)
    {
        PurgePlan plan;
        using (StateStore store = context.OpenRead())
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            plan = MakePlan(context, snapshot, scope, id);
        }

        ErasureReport erasure = StoreErasure.Survey(context.CheckedStorePath(), plan.Records, cancellationToken: context.Cancellation);
        Write(context, plan, erasure, "");
        return plan.Held.Count > 0 ? ExitCode.Refused : ExitCode.Done;
    }

    private static async Task<ExitCode> ApplyAsync(VerbContext context, PurgeScope scope, string id)
    {
        PurgePlan plan;
        PurgeOutcome outcome;
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            using (ReadSnapshot snapshot = store.OpenSnapshot())
            {
                plan = MakePlan(context, snapshot, scope, id);
            }

            RefuseHeld(plan);
            RefuseQuarantine(context);
            StateSession session = scope == PurgeScope.Object ? context.SessionFor(store, RecordKind.Object, id) : context.SessionForMany(store);
            outcome = await PurgeRoom.CommitAsync(session, plan, context.Get(Reason) ?? "", DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false);
        }

        if (outcome.Refused is { } refused)
        {
            _ = Receipts.Require(refused);
        }

        return await FinishAsync(context, outcome.ReportId, plan).ConfigureAwait(false);
    }

    // First what purges ask for is erased, whoever asked; then every report that waits for it is completed.
    private static async Task<ExitCode> FinishAsync(VerbContext context, string reportId, PurgePlan? plan = null)
    {
        if (plan is null)
        {
            await PurgeAgainAsync(context).ConfigureAwait(false);
        }

        ErasureReport erasure = StoreErasure.Begin(context.CheckedStorePath(), dropsQuarantine: context.Get(AcceptLoss), cancellationToken: context.Cancellation);
        StateStore store = GovernedStore.Open(context.CheckedStorePath());
        await using (store.ConfigureAwait(false))
        {
            IReadOnlyList<StoredRecord> running;
            using (ReadSnapshot snapshot = store.OpenSnapshot())
            {
                running = PurgeRoom.FindRunning(snapshot);
            }

            foreach (StoredRecord report in running)
            {
                _ = Receipts.Require(await PurgeRoom.CompleteAsync(context.SessionForMany(store), report, erasure, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false));
                reportId = reportId.Length > 0 ? reportId : report.Id;
            }
        }

        Write(context, plan, erasure, reportId.Length > 0 ? reportId : "none");
        return ExitCode.Done;
    }

    private static async Task PurgeAgainAsync(VerbContext context)
    {
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            List<PurgePlan> plans = [];
            using (ReadSnapshot snapshot = store.OpenSnapshot())
            {
                foreach (StoredRecord report in PurgeRoom.FindRunning(snapshot))
                {
                    if (PurgeRoom.TryReadScope(report, out PurgeScope scope, out string id))
                    {
                        plans.Add(PurgePlan.Make(snapshot, scope, id, context.Cancellation));
                    }
                }
            }

            foreach (PurgePlan plan in plans)
            {
                RefuseHeld(plan);
                PurgeOutcome outcome = await PurgeRoom.CommitAsync(context.SessionForMany(store), plan, "finishing a purge that was cut off", DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false);
                if (outcome.Refused is { } refused)
                {
                    _ = Receipts.Require(refused);
                }
            }
        }
    }

    private static PurgePlan MakePlan(VerbContext context, ReadSnapshot snapshot, PurgeScope scope, string id)
    {
        PurgePlan plan = PurgePlan.Make(snapshot, scope, id, context.Cancellation);
        return plan.Records.Count > 0 ? plan : throw CliException.NotFound(scope == PurgeScope.Object ? "There is no such object." : $"No record belongs to this {context.Get(Scope)}.", $"{context.Get(Scope)} {id}");
    }

    private static void RefuseHeld(PurgePlan plan)
    {
        if (plan.Held.Count > 0)
        {
            throw new CliException(new CliError(
                ExitCode.Refused, "policy_denied", $"{plan.Held.Count} objects are under a legal hold; nothing was purged.", $"object {plan.Held[0]}", Next: $"An administrator clears the hold first, if the law permits: statestore hold clear {plan.Held[0]}", Rule: "retention.legal-hold"));
        }
    }

    private static void RefuseQuarantine(VerbContext context)
    {
        int count = StoreRepair.ListQuarantine(context.CheckedStorePath()).Count(static entry => entry.LengthBytes > 0);
        if (count > 0 && !context.Get(AcceptLoss))
        {
            throw new CliException(new CliError(
                ExitCode.Refused, "loss_not_accepted", $"Repairs set {count} things aside, and any of them can hold the same bytes; nothing was purged.", context.CheckedStorePath(), Next: "Look at them with `statestore repair quarantine list`, then add --accept-loss: they go too."));
        }
    }

    private static void Write(VerbContext context, PurgePlan? plan, ErasureReport erasure, string reportId)
    {
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer => WriteJson(writer, plan, erasure, reportId));
            return;
        }

        ByteOutput output = context.Out;
        bool isDone = reportId.Length > 0;
        if (plan is not null)
        {
            foreach (IGrouping<RecordKind, (RecordKind Kind, string Id)> kind in plan.Records.GroupBy(static record => record.Kind))
            {
                int count = kind.Count();
                output.WriteLine($"{count} {(count == 1 ? RecordKinds.Get(kind.Key).Name : RecordKinds.Get(kind.Key).PluralName)}");
            }

            foreach (string held in plan.Held.Take(20))
            {
                output.WriteLine($"{context.Style.Red("held")}: {TerminalText.Clean(held)}");
            }
        }

        output.WriteLine($"{Units.Count(erasure.Events)} events in {Units.Count(erasure.Frames)} frames ({Units.Bytes(erasure.LengthBytes)}) {(isDone ? "were erased" : "would be erased")}.");
        if (erasure.Quarantined.Count > 0)
        {
            output.WriteLine($"{erasure.Quarantined.Count} things that repairs set aside {(isDone ? "went" : "would go")} with them.");
        }

        if (erasure.FramesThatDoNotFit > 0)
        {
            output.WriteLine($"{context.Style.Red("decide")}: in {erasure.FramesThatDoNotFit} frames the events that stay do not fit; purge the records beside these too.");
        }

        if (reportId == "none" && erasure.IsEmpty)
        {
            output.WriteLine("No purge waits to be finished.");
            return;
        }

        output.WriteLine("Backups, bundles and exports made before hold the bytes until they are destroyed.");
        output.WriteLine(isDone ? $"Report {TerminalText.Clean(reportId)}." : plan!.Held.Count > 0 ? "Nothing was changed: a legal hold stops it." : "Nothing was changed. Do it with --apply.");
    }

    private static void WriteJson(Utf8JsonWriter writer, PurgePlan? plan, ErasureReport erasure, string reportId)
    {
        writer.WriteStartObject();
        writer.WriteString("outcome"u8, reportId.Length == 0 ? "planned" : reportId == "none" && erasure.IsEmpty ? "nothing-to-do" : "purged");
        writer.WriteString("reportId"u8, reportId is "none" ? "" : reportId);
        if (plan is not null)
        {
            writer.WriteString("scope"u8, plan.Scope.ToString().ToLowerInvariant());
            writer.WriteString("id"u8, plan.ScopeId);
            writer.WriteStartObject("records"u8);
            foreach (IGrouping<RecordKind, (RecordKind Kind, string Id)> kind in plan.Records.GroupBy(static record => record.Kind))
            {
                writer.WriteNumber(RecordKinds.Get(kind.Key).PluralName, kind.Count());
            }

            writer.WriteEndObject();
            writer.WriteStartArray("held"u8);
            foreach (string held in plan.Held)
            {
                writer.WriteStringValue(held);
            }

            writer.WriteEndArray();
        }

        writer.WriteNumber("events"u8, erasure.Events);
        writer.WriteNumber("frames"u8, erasure.Frames);
        writer.WriteNumber("lengthBytes"u8, erasure.LengthBytes);
        writer.WriteNumber("framesThatDoNotFit"u8, erasure.FramesThatDoNotFit);
        writer.WriteString("leavesSha256"u8, erasure.LeavesHash.ToString());
        writer.WriteString("chainHead"u8, erasure.ChainHead.ToString());
        writer.WriteNumber("quarantined"u8, erasure.Quarantined.Count);
        writer.WriteEndObject();
    }
}
