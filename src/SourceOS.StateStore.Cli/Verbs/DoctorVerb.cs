// Why this file exists: `doctor` verifies the store, looks at what is open in it, and says what to do next, most important first. Invariants: it only reads; each step
// it names is a command that exists; it exits like `verify`, and 1 as well when something else needs doing.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Schemas;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Says what to do next.</summary>
internal static class DoctorVerb
{
    private static readonly Option<string> Level = Inputs.OneOf("--level", "How much to prove; standard by default", "quick", "standard", "deep");
    private const int MaxDriftLooked = 1000;

    private sealed record Step(string What, string Why, string Command);

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("doctor", "Verify, classify what is wrong, and say what to do next", "statestore doctor", "statestore doctor --level quick --json") { Run = VerbCommand.Sync(Run) };
        command.Options.Add(Level);
        return command;
    }

    private static ExitCode Run(VerbContext context)
    {
        VerificationReport report = VerifyVerb.Verify(context, VerifyVerb.LevelOf(context.Get(Level)));
        StatusView status = StatusView.Read(context);
        List<Step> steps = [];
        string command = $"statestore --store {ErrorMapping.Quote(context.StorePath)}";
        AddDamage(steps, report, command);
        if (status.Error is { } error && report.Verdict == VerificationVerdict.Clean)
        {
            steps.Add(new Step("Find out why the store cannot be read", error.Message, $"{command} verify --level standard"));
        }

        if (status.Error is null)
        {
            AddSetup(steps, context, command);
            AddOpenWork(steps, context, command);
            AddDrift(steps, context, command);
        }

        ExitCode exit = VerifyVerb.ExitOf(report);
        exit = exit == ExitCode.Done && status.Error is { } failure ? failure.Exit : exit == ExitCode.Done && steps.Count > 0 ? ExitCode.No : exit;
        if (context.Json)
        {
            WriteJson(context, report, status, steps);
        }
        else
        {
            WriteText(context, report, status, steps);
        }

        return exit;
    }

    private static void AddDamage(List<Step> steps, VerificationReport report, string command)
    {
        if (Of(report, FindingClass.Durable) is { Count: > 0 } durable)
        {
            bool isAutomatic = durable.TrueForAll(static finding => finding.AutoRepair);
            steps.Add(new Step(
                "Stop writing, and learn the extent of the damage to durable data",
                $"{durable[0].Message} At stake: {durable[0].LossIfIgnored}.",
                $"{command} verify --level standard"));
            steps.Add(new Step("See what a repair would keep and what it would not", isAutomatic ? "Repair needs no decision for these." : "A person must decide before anything is changed.", $"{command} repair --dry-run"));
        }

        if (Of(report, FindingClass.Rebuildable) is { Count: > 0 } rebuildable)
        {
            steps.Add(new Step("Rebuild what can be rebuilt from the log", rebuildable[0].Message, $"{command} repair --apply"));
        }

        if (report.Findings.FirstOrDefault(static finding => finding.Class == FindingClass.Protective) is { } protective)
        {
            steps.Add(new Step("Make the log's parity again", $"{protective.Message} Until then {protective.LossIfIgnored}.", $"{command} repair --apply"));
        }
    }

    private static List<Finding> Of(VerificationReport report, FindingClass wanted) =>
        [.. report.Findings.Where(finding => finding.Class == wanted && finding.Severity == FindingSeverity.Error)];

    private static void AddSetup(List<Step> steps, VerbContext context, string command)
    {
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        if (LocalIdentity.Device(snapshot) is null || LocalIdentity.Profile(snapshot) is null)
        {
            steps.Add(new Step("Set the store up", "It has no trusted local device or no profile, so changes cannot be attributed.", $"{command} init"));
        }

        string actor = context.Parse.GetValue(GlobalOptions.Actor) ?? LocalIdentity.ActorOfUser(Environment.UserName);
        if (LocalIdentity.Resolve(snapshot, actor, default, out _) != LocalIdentityFault.None)
        {
            steps.Add(new Step("Choose whom to act as", $"The actor '{actor}' is not registered here, or is revoked.", $"{command} actors"));
        }
    }

    private static void AddOpenWork(List<Step> steps, VerbContext context, string command)
    {
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        if (!context.TryScope(snapshot, out ReadScope scope))
        {
            // Whom to act as is a step of its own; what waits is theirs to see who may.
            return;
        }

        foreach (OpenWork work in OpenWorkScan.Read(snapshot, scope))
        {
            steps.Add(new Step(work.What, work.Why, $"{command} {string.Join(' ', work.Arguments.Select(ErrorMapping.Quote))}"));
        }
    }

    // Quick means that a large store is looked at in part; `schema drift` looks at all of it.
    private static void AddDrift(List<Step> steps, VerbContext context, string command)
    {
        try
        {
            using StateStore store = context.OpenRead();
            List<DriftedObject> drifted = [.. DriftRoom.Find(store, maxLooked: MaxDriftLooked, cancellationToken: context.Cancellation).Where(static item => item.Warnings.Any(static warning => warning.IsMisfit))];
            if (drifted.Count > 0)
            {
                DriftWarning first = drifted[0].Warnings.First(static warning => warning.IsMisfit);
                steps.Add(new Step($"Look at objects that no longer fit their schema ({drifted.Count} among the first {MaxDriftLooked})", $"{drifted[0].ObjectId}: {first.Message}", $"{command} schema drift"));
            }
        }
        catch (StateStoreException exception)
        {
            // The quick check does not read objects; what it could not see shows here, and is a step and not the end of the advice.
            steps.Add(new Step("Find out why objects cannot be read", exception.Message, $"{command} verify --level standard"));
        }
    }

    private static void WriteText(VerbContext context, VerificationReport report, StatusView status, List<Step> steps)
    {
        ByteOutput output = context.Out;
        output.WriteLine($"{report.Verdict.ToString().ToLowerInvariant()} ({report.Level.ToString().ToLowerInvariant()} check), store {status.HealthWord}");
        foreach (FindingClass wanted in Enum.GetValues<FindingClass>())
        {
            int count = report.Findings.Count(finding => finding.Class == wanted);
            if (count > 0)
            {
                output.WriteLine($"  {count} findings on {wanted.ToString().ToLowerInvariant()} data");
            }
        }

        for (int i = 0; i < steps.Count; i++)
        {
            output.WriteLine($"{i + 1}. {TerminalText.Clean(steps[i].What)}");
            output.WriteLine($"   {TerminalText.Clean(steps[i].Why)}");
            output.WriteLine($"   {context.Style.Bold(TerminalText.Clean(steps[i].Command))}");
        }

        if (steps.Count == 0)
        {
            output.WriteLine(report.Level == VerificationLevel.Deep ? "Nothing needs doing." : "Nothing needs doing. The deepest check: statestore verify --level deep");
        }
    }

    private static void WriteJson(VerbContext context, VerificationReport report, StatusView status, List<Step> steps) => JsonLine.Write(context.Out, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("verdict"u8, report.Verdict.ToString().ToLowerInvariant());
        writer.WriteString("level"u8, report.Level.ToString().ToLowerInvariant());
        writer.WriteString("health"u8, status.HealthWord);
        writer.WriteStartObject("findings"u8);
        foreach (FindingClass wanted in Enum.GetValues<FindingClass>())
        {
            writer.WriteNumber(wanted.ToString().ToLowerInvariant(), report.Findings.Count(finding => finding.Class == wanted));
        }

        writer.WriteEndObject();
        writer.WriteStartArray("steps"u8);
        for (int i = 0; i < steps.Count; i++)
        {
            writer.WriteStartObject();
            writer.WriteNumber("order"u8, i + 1);
            writer.WriteString("what"u8, steps[i].What);
            writer.WriteString("why"u8, steps[i].Why);
            writer.WriteString("command"u8, steps[i].Command);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    });
}
