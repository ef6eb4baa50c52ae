// Why this file exists: `repair` shows what would be done, and does it when asked. Invariants: without --apply nothing is changed; --apply does exactly the plan it
// shows, or the one in --plan, and refuses when the store is not the one that was planned for; what a person must decide is never decided here.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Repair;
using SourceOS.StateStore.Governance.Signing;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Repairs the store.</summary>
internal static class RepairVerb
{
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Show the plan and change nothing; this is the default" };
    private static readonly Option<bool> Apply = new("--apply") { Description = "Do it" };
    private static readonly Option<string> PlanFile = new("--plan") { Description = "With --apply: only this plan, as --dry-run --json printed it", HelpName = "FILE" };

    private static readonly Option<bool> AcceptLoss = new("--accept-loss") { Description = "With --apply: accept that the events which the plan names are given up" };

    private static readonly Option<string> Approval = new("--approval") { Description = "With --accept-loss: a signed approval of this plan, as `repair approve` made it", HelpName = "FILE" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "repair",
            "Show what a repair would do, or do it",
            "statestore repair",
            "statestore repair --dry-run --json > plan.json && statestore repair --apply --plan plan.json")
        {
            Run = RunAsync,
        };
        command.Options.Add(DryRun);
        command.Options.Add(Apply);
        command.Options.Add(PlanFile);
        command.Options.Add(AcceptLoss);
        command.Options.Add(Approval);

        // The grammar asks a command that has others below it for one of them, unless it has an action of its own; what runs is Run.
        command.SetAction(static _ => 0);
        foreach (VerbCommand verb in RepairRooms.Create())
        {
            command.Subcommands.Add(verb);
        }

        return command;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        bool isApplying = context.Get(Apply);
        string? planFile = context.Get(PlanFile);
        if (isApplying && context.Get(DryRun))
        {
            throw CliException.Usage("--apply and --dry-run exclude each other.");
        }

        if ((planFile is not null || context.Get(AcceptLoss)) && !isApplying)
        {
            throw CliException.Usage(planFile is not null ? "--plan needs --apply." : "--accept-loss needs --apply.");
        }

        if (context.Get(Approval) is not null && !context.Get(AcceptLoss))
        {
            throw CliException.Usage("--approval needs --accept-loss.");
        }

        string path = context.CheckedStorePath();
        RepairPlan plan = StoreRepair.Plan(path);
        RepairOutcome? outcome = null;
        if (isApplying)
        {
            if (plan.IsDestructive && !context.Get(AcceptLoss))
            {
                throw new CliException(new CliError(
                    ExitCode.Refused, "loss_not_accepted", $"Nothing was changed: {plan.HumanReview[0]}", path, Next: "Restore a backup if there is one; else: statestore repair --apply --accept-loss"));
            }

            string hash = planFile is null ? plan.PlanHash : ReadHash(planFile, context.Cancellation);
            if (!string.Equals(hash, plan.PlanHash, StringComparison.OrdinalIgnoreCase))
            {
                throw new CliException(new CliError(
                    ExitCode.Refused, "plan_outdated", "The plan does not fit the store as it is now; nothing was changed.", planFile ?? "", Next: "Plan again, look at it, and apply that one."));
            }

            outcome = await StoreRepair.ApplyAsync(
                path, hash, Identity(context), new StateStoreOptions { Signer = ChangeSigner.ForRepair() }, acceptsLoss: context.Get(AcceptLoss), consent: Consent(context)).ConfigureAwait(false);
        }

        if (context.Json)
        {
            JsonLine.Write(context.Out, writer => RepairPlanJson.Write(writer, plan, outcome));
        }
        else
        {
            WriteText(context, plan, outcome);
        }

        return plan.HumanReview.Count > 0 && outcome is null ? ExitCode.Unsafe : ExitCode.Done;
    }

    private static RepairConsent Consent(VerbContext context)
    {
        byte[]? approval = context.Get(Approval) is { } file ? InputFiles.ReadDocument(file, context.Cancellation) : null;
        return RepairApproval.Judge(approval, new KeyRoom(KeyFolder.OfUser()));
    }

    // A store that cannot be read cannot say who is registered; then the caller's own actor signs, and the report names it.
    private static SessionIdentity Identity(VerbContext context)
    {
        string? given = context.Parse.GetValue(GlobalOptions.Actor);
        string actor = given is null ? LocalIdentity.ActorOfUser(Environment.UserName) : VerbContext.CheckId(given, "--actor");
        try
        {
            using StateStore store = context.OpenRead();
            return context.Identity(store);
        }
        catch (StateStoreException exception)
        {
            context.Messages.Warning($"The store cannot be read before the repair ({exception.Summary}); {actor} is taken at its word.");
            return new SessionIdentity(actor);
        }
    }

    private static string ReadHash(string file, CancellationToken cancellationToken)
    {
        byte[] json = InputFiles.ReadDocument(file, cancellationToken);
        Utf8JsonReader reader = new(json);
        try
        {
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            if (document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("planHash"u8, out JsonElement hash) && hash.ValueKind == JsonValueKind.String)
            {
                return hash.GetString()!;
            }
        }
        catch (JsonException)
        {
            throw CliException.BadData("The plan is not JSON.", file, "Make one with: statestore repair --dry-run --json", "invalid_json");
        }

        throw CliException.BadData("The plan has no planHash.", file, "Make one with: statestore repair --dry-run --json");
    }

    private static void WriteText(VerbContext context, RepairPlan plan, RepairOutcome? outcome)
    {
        ByteOutput output = context.Out;
        if (plan.Steps.Count == 0 && plan.HumanReview.Count == 0)
        {
            output.WriteLine("Nothing needs repair.");
            return;
        }

        output.WriteLine($"Plan {plan.PlanHash[..16]}");
        foreach (RepairStep step in plan.Steps)
        {
            output.WriteLine($"{step.Order}. {ErrorMapping.SnakeCase(step.Action.ToString()).Replace('_', ' ')}: {TerminalText.Clean(step.Target)}");
            WriteUnlessEmpty(output, "keeps", step.Preserves);
            WriteUnlessEmpty(output, "rebuilds", step.Rebuilds);
            WriteUnlessEmpty(output, "sets aside", step.Quarantines);
        }

        foreach (string review in plan.HumanReview)
        {
            output.WriteLine($"{context.Style.Red("decide")}: {TerminalText.Clean(review)}");
        }

        if (plan.LostEvents > 0 || plan.LostRecords > 0)
        {
            string which = plan.LostRanges.Count > 0 ? $" (sequences {string.Join(", ", plan.LostRanges.Take(16))}{(plan.LostRanges.Count > 16 ? " and more" : "")})" : "";
            output.WriteLine($"Lost whatever is done: {plan.LostEvents} events{which}, {plan.LostRecords} records.");
        }

        output.WriteLine(outcome is null
            ? plan.IsBlocked ? "Nothing was changed: a person must decide first."
                : $"Nothing was changed. Do it with: statestore repair --apply{(plan.IsDestructive ? " --accept-loss" : "")}"
            : $"{outcome.Outcome}{(outcome.ReportId.Length > 0 ? $", report {TerminalText.Clean(outcome.ReportId)}" : "")}.");
    }

    private static void WriteUnlessEmpty(ByteOutput output, string name, string text)
    {
        if (text.Length > 0)
        {
            output.WriteLine($"   {name} {TerminalText.Clean(text)}");
        }
    }
}
