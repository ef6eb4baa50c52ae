// Why this file exists: `export --format` writes what other programs read; without a format it writes a bundle for another store. Invariants: the store is only read; an export shows one sequence and what the reader's scope covers; a file or directory appears whole or not at all.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Bundles;
using SourceOS.StateStore.Governance.Exports;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Exports.</summary>
internal static class ExportVerb
{
    private static readonly Option<string> Format = Inputs.OneOf("--format", "The format; without one a bundle is written, of one --workspace, --profile or --object", [.. ExportFormats.All.Select(static format => format.Name)]);
    private static readonly Option<string> Workspace = new("--workspace") { Description = "A bundle of this workspace; with workspace-state its card instead of the whole store's", HelpName = "ID" };
    private static readonly Option<string> Object = new("--object") { Description = "A bundle of this object", HelpName = "ID" };
    private static readonly Option<string> Key = new("--key") { Description = "Sign the bundle with this key; else with the newest that this machine has", HelpName = "ID" };
    private static readonly Option<string> Lines = new("--stream") { Description = "With ledger, terminal-events, guardrail-decisions: this stream of them", HelpName = "NAME" };
    private static readonly Option<string> Output = OutputFiles.Option();

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "export",
            "Write what other programs read, or a bundle for another store",
            "statestore export --format integrity-report",
            "statestore export --format contracts -o contracts/",
            "statestore export --workspace workspace:trip -o trip.bundle")
        {
            Run = VerbCommand.Sync(Run),
        };
        command.Options.Add(Format);
        command.Options.Add(Workspace);
        command.Options.Add(Object);
        command.Options.Add(Key);
        command.Options.Add(Lines);
        command.Options.Add(Output);
        return command;
    }

    private static ExitCode Run(VerbContext context)
    {
        string? path = context.Get(Output);
        if (context.Get(Format) is not { } name)
        {
            return RunBundle(context, path);
        }

        ExportFormat format = ExportFormats.Find(name)!;
        CheckOptions(context, format, path);
        try
        {
            return format.Name == RepairPlanExport.Name ? WritePlan(context, path) : Write(context, format, path);
        }
        catch (ExportRefusedException refusal)
        {
            ExitCode exit = refusal.Code == "store_not_sound" ? ExitCode.Unsafe : ExitCode.Refused;
            throw new CliException(new CliError(exit, refusal.Code, refusal.Message, context.StorePath, Next: refusal.Next));
        }
        catch (Exception exception) when (path is not null && exception is IOException or UnauthorizedAccessException)
        {
            throw CliException.InputOutput(exception.Message, path ?? "", "Name a place that can be written.");
        }
    }

    private static ExitCode RunBundle(VerbContext context, string? path)
    {
        string? profile = context.Get(GlobalOptions.Profile);
        (BundleScopeKind Kind, string? Id, string Name)[] named = [(BundleScopeKind.Workspace, context.Get(Workspace), "--workspace"), (BundleScopeKind.Object, context.Get(Object), "--object")];
        (BundleScopeKind Kind, string? Id, string Name)[] given = [.. named.Where(static scope => scope.Id is not null)];

        // Beside a workspace or an object, --profile says in which profile to read; alone it is what travels.
        (BundleScopeKind kind, string? id, string option) = given.Length > 0 ? given[0] : (BundleScopeKind.Profile, profile, "--profile");
        if (given.Length > 1 || id is null || string.IsNullOrEmpty(path) || context.Get(Lines) is not null)
        {
            throw CliException.Usage("An export has a --format, or is a bundle of one --workspace, --profile or --object into the file that --output names.", "See: statestore export --help");
        }

        return BundleVerb.Export(context, new BundleScope(kind, VerbContext.CheckId(id, option)), context.Get(Key) is { } key ? VerbContext.CheckId(key, "--key") : null, path);
    }

    private static void CheckOptions(VerbContext context, ExportFormat format, string? path)
    {
        if (format.IsDirectory && string.IsNullOrEmpty(path))
        {
            throw CliException.Usage($"The format {format.Name} makes a directory; name it with --output.");
        }

        if (context.Get(Object) is not null || context.Get(Key) is not null)
        {
            throw CliException.Usage("--object and --key go with a bundle, which has no --format.");
        }

        if (context.Get(Workspace) is not null && format.Name != "workspace-state")
        {
            throw CliException.Usage("--workspace goes with --format workspace-state.");
        }

        if (context.Get(Lines) is not null && LineTakeIn.Formats.All(known => known.Name != format.Name))
        {
            throw CliException.Usage($"--stream goes with {string.Join(", ", LineTakeIn.Formats.Select(static known => known.Name))}.");
        }
    }

    private static ExitCode Write(VerbContext context, ExportFormat format, string? path)
    {
        string? workspace = context.Get(Workspace) is { } given ? VerbContext.CheckId(given, "--workspace") : null;
        VerificationReport? report = format.WantsVerification ? VerifyVerb.Verify(context, VerificationLevel.Standard) : null;

        // A large store takes longer to write out than a snapshot may usually live.
        using StateStore store = StateStore.OpenRead(context.CheckedStorePath(), new StateStoreOptions { SnapshotMaxAgeMs = 3_600_000 });
        using ReadSnapshot snapshot = store.OpenSnapshot();
        ExportContext exported = new(snapshot, context.Scope(snapshot), report, context.StorePath, DateTimeOffset.UtcNow) { WorkspaceId = workspace, Stream = context.Get(Lines) };
        if (!string.IsNullOrEmpty(path))
        {
            int files = ExportFormats.WriteTo(format, exported, path, context.Cancellation);
            Answer(context, format, path, files, snapshot.Sequence);
            return ExitCode.Done;
        }

        using MemoryStream answer = new();
        ExportFormats.WriteTo(format, exported, answer);
        context.Out.Write(answer.GetBuffer().AsSpan(0, (int)answer.Length));
        return ExitCode.Done;
    }

    // A store that cannot be opened for reading is the one that needs a plan most.
    private static ExitCode WritePlan(VerbContext context, string? path)
    {
        RepairPlan plan = StoreRepair.Plan(context.CheckedStorePath());
        using MemoryStream document = new();
        ExportFormats.WriteRepairPlan(plan, DateTimeOffset.UtcNow, document);
        ReadOnlySpan<byte> bytes = document.GetBuffer().AsSpan(0, (int)document.Length);
        if (string.IsNullOrEmpty(path))
        {
            context.Out.Write(bytes);
            return ExitCode.Done;
        }

        OutputFiles.Write(path, bytes);
        Answer(context, ExportFormats.Find(RepairPlanExport.Name)!, path, 1, null);
        return ExitCode.Done;
    }

    private static void Answer(VerbContext context, ExportFormat format, string path, int files, ulong? sequence)
    {
        if (!context.Json)
        {
            context.Out.WriteLine($"Exported {format.Name}{(sequence is { } of ? $" as of sequence {of}" : "")} to {TerminalText.Clean(path)} ({files} files).");
            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("format"u8, format.Name);
            writer.WriteString("path"u8, path);
            writer.WriteNumber("files"u8, files);
            if (sequence is { } known)
            {
                writer.WriteNumber("sequence"u8, known);
            }

            writer.WriteEndObject();
        });
    }
}
