// Why this file exists: `plan` makes sync plans and moves them through their life. Invariants: making a plan transfers nothing; what is blocked is shown with its reason and what would let it go.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Plans;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Sync plans.</summary>
internal static class PlanVerb
{
    private const int BlockedShown = 20;
    private static readonly Argument<string> Operation = new("OPERATION") { Description = string.Join(", ", PlanRoom.Operations) };
    private static readonly Option<string> Object = new("--object") { Description = "For one object", HelpName = "ID" };
    private static readonly Option<string> Workspace = new("--workspace") { Description = "For the objects of a workspace", HelpName = "ID" };
    private static readonly Option<string> OfProfile = new("--of-profile") { Description = "For the objects of a profile", HelpName = "ID" };
    private static readonly Option<string> For = new("--for") { Description = "For which actor", HelpName = "ACTOR" };
    private static readonly Argument<string> Id = Inputs.Id("The plan's identifier");
    private static readonly Option<string> Error = new("--error") { Description = "What went wrong", HelpName = "TEXT" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("plan", "Plan transfers and follow them; `plans` lists them", "statestore plan create replicate --workspace workspace:default", "statestore plan cancel sync-plan:0f3a");
        VerbCommand create = new("create", "Say what would go, what is blocked and why", "statestore plan create replicate --workspace workspace:default", "statestore plan create export --object object:alpha --json") { Run = CreateAsync };
        Operation.AcceptOnlyFromAmong([.. PlanRoom.Operations]);
        create.Arguments.Add(Operation);
        foreach (Option option in (Option[])[Object, Workspace, OfProfile, For])
        {
            create.Options.Add(option);
        }

        group.Subcommands.Add(create);
        foreach ((string verb, string status, string what) in (IEnumerable<(string, string, string)>)[
            ("start", "running", "Say that a plan is being carried out"), ("complete", "completed", "Say that a plan was carried out"),
            ("fail", "failed", "Say that a plan failed"), ("cancel", "cancelled", "Give a plan up"), ("retry", "planned", "Judge a failed or blocked plan again, by the state and the policy of now")])
        {
            VerbCommand move = new(verb, what, $"statestore plan {verb} sync-plan:0f3a") { Run = context => MoveAsync(context, status) };
            move.Arguments.Add(Id);
            if (verb == "fail")
            {
                move.Options.Add(Error);
            }

            group.Subcommands.Add(move);
        }

        return group;
    }

    private static async Task<ExitCode> CreateAsync(VerbContext context)
    {
        PlanRequest request = new(context.Get(Operation), Checked(context, Object), Checked(context, Workspace), Checked(context, OfProfile), Checked(context, For) ?? "");
        if (new[] { request.ObjectId, request.WorkspaceId, request.ProfileId }.Count(static id => id is not null) != 1)
        {
            throw CliException.Usage("A plan is about one of --object, --workspace and --of-profile.");
        }

        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            StateSession session = request.ObjectId is { } id ? context.SessionFor(store, RecordKind.Object, id) : context.SessionForMany(store);
            PlanResult plan = await PlanRoom.CreateAsync(store, session, request, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false)
                ?? throw CliException.NotFound("There is no such object.", $"object {request.ObjectId}");
            Receipts.Require(plan.Receipt);
            Write(context, plan);
            return plan.Status == "blocked" ? ExitCode.No : ExitCode.Done;
        }
    }

    private static void Write(VerbContext context, PlanResult plan)
    {
        if (!context.Json)
        {
            context.Out.WriteLine($"{TerminalText.Clean(plan.Id)} is {plan.Status}. {TerminalText.Clean(plan.Sentence)}");
            foreach (PlanBlock block in plan.Blocked.Take(BlockedShown))
            {
                context.Out.WriteLine($"  blocked {TerminalText.Clean(block.ObjectId)}: {TerminalText.Clean(block.Reason)} {TerminalText.Clean(block.Remedy)}");
            }

            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("plan"u8, plan.Id);
            writer.WriteString("status"u8, plan.Status);
            writer.WriteStartArray("objects"u8);
            foreach (string id in plan.Objects)
            {
                writer.WriteStringValue(id);
            }

            writer.WriteEndArray();
            writer.WriteStartArray("blocked"u8);
            foreach (PlanBlock block in plan.Blocked)
            {
                writer.WriteStartObject();
                writer.WriteString("object"u8, block.ObjectId);
                writer.WriteString("rule"u8, block.Rule);
                writer.WriteString("reason"u8, block.Reason);
                writer.WriteString("remedy"u8, block.Remedy);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteString("sentence"u8, plan.Sentence);
            writer.WriteBoolean("truncated"u8, plan.IsTruncated);
            writer.WriteNumber("sequence"u8, plan.Receipt.LastSequence);
            writer.WriteEndObject();
        });
    }

    private static async Task<ExitCode> MoveAsync(VerbContext context, string status)
    {
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            StateSession session = context.SessionFor(store, RecordKind.Plan, id);
            if (status == "planned")
            {
                PlanResult plan = await PlanRoom.RetryAsync(store, session, id, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false)
                    ?? throw CliException.NotFound("There is no such plan.", $"plan {id}", "See the plans: statestore plans");
                Receipts.Require(plan.Receipt);
                Write(context, plan);
                return plan.Status == "blocked" ? ExitCode.No : ExitCode.Done;
            }

            string? error = status == "failed" ? context.Get(Error) ?? "not said" : null;
            CommitReceipt? receipt = await PlanRoom.MoveAsync(store, session, id, status, error, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false);
            PutVerb.WriteAnswer(context, RecordKinds.Get(RecordKind.Plan), id, Receipts.Require(receipt ?? throw CliException.NotFound("There is no such plan.", $"plan {id}", "See the plans: statestore plans")), "Moved");
        }

        return ExitCode.Done;
    }

    private static string? Checked(VerbContext context, Option<string> option) => context.Get(option) is { } given ? VerbContext.CheckId(given, option.Name) : null;
}
