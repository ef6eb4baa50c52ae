// Why this file exists: `doctor` looks at everything that is quick to look at and says what to do next, most important first. Invariants: it only reads; each step
// it names is a command that exists; it exits like `verify`, and 1 as well when something else needs doing.

using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Says what to do next.</summary>
internal static class DoctorVerb
{
    private sealed record Step(string What, string Why, string Command);

    /// <summary>The command.</summary>
    public static VerbCommand Create() => new("doctor", "Check quickly, classify what is wrong, and say what to do next", "statestore doctor", "statestore doctor --json")
    {
        Run = VerbCommand.Sync(Run),
    };

    private static ExitCode Run(VerbContext context)
    {
        VerificationReport report = VerifyVerb.Verify(context, VerificationLevel.Quick);
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

    private static void WriteText(VerbContext context, VerificationReport report, StatusView status, List<Step> steps)
    {
        ByteOutput output = context.Out;
        output.WriteLine($"{report.Verdict.ToString().ToLowerInvariant()} (quick check), store {status.HealthWord}");
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
            output.WriteLine("Nothing needs doing. The complete check: statestore verify");
        }
    }

    private static void WriteJson(VerbContext context, VerificationReport report, StatusView status, List<Step> steps) => JsonLine.Write(context.Out, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("verdict"u8, report.Verdict.ToString().ToLowerInvariant());
        writer.WriteString("level"u8, "quick"u8);
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
