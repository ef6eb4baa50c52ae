// Why this file exists: what repairs leave behind can be looked at, a fence can be undone, and a plan that gives up durable data can be approved: `repair reports`, `repair rollback`, `repair approve`. Invariants: reports and approvals change nothing;
// undoing is refused once anything was written behind the fence.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Repair;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Reports, quarantine, rollback.</summary>
internal static class RepairRooms
{
    private static readonly Argument<string> FenceId = Inputs.Id("The fence's id, as `repair quarantine list` shows it");

    private static readonly Option<string> Output = OutputFiles.Option();

    private static readonly Option<string> Key = new("--key") { Description = "The key that signs; the newest of this machine by default", HelpName = "ID" };

    /// <summary>The commands.</summary>
    public static IEnumerable<VerbCommand> Create()
    {
        VerbCommand rollback = new("rollback", "Put the store that a fence set aside back in place, unless something was written since", "statestore repair rollback fence-0123456789abcdef") { Run = VerbCommand.Sync(Rollback) };
        rollback.Arguments.Add(FenceId);
        VerbCommand approve = new(
            "approve", "Sign an approval of the plan as it is now, for a repair that gives up durable data", "statestore repair approve -o approval.note", "statestore repair --apply --accept-loss --approval approval.note") { Run = VerbCommand.Sync(Approve) };
        approve.Options.Add(Output);
        approve.Options.Add(Key);
        return [new VerbCommand("reports", "Show the reports of repairs", "statestore repair reports") { Run = VerbCommand.Sync(ShowReports) }, approve, QuarantineVerb.Create(), rollback];
    }

    private static ExitCode Approve(VerbContext context)
    {
        string path = context.CheckedStorePath();
        RepairPlan plan = StoreRepair.Plan(path);
        if (!plan.IsDestructive)
        {
            throw new CliException(new CliError(ExitCode.Refused, "nothing_to_approve", "The plan as it is now gives up nothing, so there is nothing to approve.", path, Next: "Look at it: statestore repair"));
        }

        KeyFolder folder = KeyFolder.OfUser();
        using PrivateKey key = Signer(context, folder) ?? throw new CliException(new CliError(ExitCode.Refused, "no_key", "This machine has no key of the store that could sign.", folder.Path, Next: "Approve where the key is, or make one while the store is sound: statestore keys create"));
        byte[] note = RepairApproval.Sign(plan, StoreRepair.IdOf(path), key);
        if (context.Get(Output) is { } file)
        {
            OutputFiles.Write(file, note);
            context.Messages.Info($"Approved plan {plan.PlanHash[..16]} with {key.Id}.");
        }
        else
        {
            context.Out.Write(note);
        }

        return ExitCode.Done;
    }

    // The state may be what is damaged; then the caller says which key, and the repair decides whether that one counts.
    private static PrivateKey? Signer(VerbContext context, KeyFolder folder)
    {
        if (context.Get(Key) is { } given)
        {
            return folder.Load(VerbContext.CheckId(given, "--key"));
        }

        try
        {
            using StateStore store = context.OpenRead();
            using ReadSnapshot snapshot = store.OpenSnapshot();
            return new KeyRoom(folder).LoadSigner(snapshot);
        }
        catch (StateStoreException exception)
        {
            throw new CliException(new CliError(ExitCode.Refused, "no_key", $"The store cannot say which keys it has: {exception.Summary}", exception.Place ?? "", Next: "Name the key that signs with --key; its file is in " + folder.Path));
        }
    }

    private static ExitCode Rollback(VerbContext context)
    {
        string id = VerbContext.CheckId(context.Get(FenceId), "The id");
        try
        {
            StoreRepair.Rollback(context.CheckedStorePath(), id);
        }
        catch (ArgumentException exception)
        {
            throw CliException.Usage(exception.Message);
        }

        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("outcome"u8, "rolled-back");
                writer.WriteString("id"u8, id);
                writer.WriteEndObject();
            });
        }
        else
        {
            context.Out.WriteLine($"Undone: the store is as it was before {TerminalText.Clean(id)}.");
        }

        return ExitCode.Done;
    }

    private static ExitCode ShowReports(VerbContext context)
    {
        foreach (byte[] report in StoreRepair.ReadReports(context.CheckedStorePath()))
        {
            using JsonDocument document = JsonDocument.Parse(report);
            if (context.Json)
            {
                JsonLine.Write(context.Out, document.RootElement.WriteTo);
                continue;
            }

            context.Out.WriteLine($"{TerminalText.Clean(Text(document, "report_id"u8))}  {TerminalText.Clean(Text(document, "completed_at"u8))}  by {TerminalText.Clean(Text(document, "actor_id"u8))}");
            context.Out.WriteLine($"   {TerminalText.Clean(Text(document, "summary"u8))}");
        }

        return ExitCode.Done;
    }

    private static string Text(JsonDocument report, ReadOnlySpan<byte> name) =>
        report.RootElement.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
