// Why this file exists: `export` without a format and `import-bundle`: records carried to a store that no network reaches. Invariants: an export only reads, and names what does not travel and why; a bundle appears whole or not at
// all; an import verifies the whole file before it opens the store for writing, and with --dry-run writes nothing.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Bundles;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Bundles.</summary>
internal static class BundleVerb
{
    private const int Shown = 20;
    private static readonly Argument<string> Source = new("FILE") { Description = "A bundle" };
    private static readonly Option<string> RootKey = new("--root-key") { Description = "The verifier key that must have signed the bundle, or a file that holds it", HelpName = "KEY" };
    private static readonly Option<string> Bridge = new("--bridge") { Description = $"The import bridge that the changes are made by, registered when it is not there; {BundleImport.DefaultBridge} by default", HelpName = "ID" };
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Verify the bundle and show what would happen; nothing is written" };
    private static readonly Option<bool> AllowOlder = new("--allow-older") { Description = "Take a bundle in that is older than what came from its store; no object goes back by it" };

    /// <summary>The `import-bundle` command.</summary>
    public static VerbCommand CreateImport()
    {
        VerbCommand command = new(
            "import-bundle",
            "Verify a bundle and take it in through the gates; what differs becomes a conflict",
            "statestore import-bundle trip.bundle --root-key root.key --dry-run",
            "statestore import-bundle trip.bundle --root-key root.key --json")
        {
            Run = ImportAsync,
        };
        command.Arguments.Add(Source);
        foreach (Option option in (Option[])[RootKey, Bridge, DryRun, AllowOlder])
        {
            command.Options.Add(option);
        }

        return command;
    }

    /// <summary>Writes a bundle.</summary>
    /// <param name="context">The invocation.</param>
    /// <param name="scope">What travels.</param>
    /// <param name="keyId">The key that signs; null for the newest that there is.</param>
    /// <param name="path">The file.</param>
    public static ExitCode Export(VerbContext context, BundleScope scope, string? keyId, string path)
    {
        using StateStore store = StateStore.OpenRead(context.CheckedStorePath(), new StateStoreOptions { SnapshotMaxAgeMs = 3_600_000 });
        using ReadSnapshot snapshot = store.OpenSnapshot();
        BundleRequest request = new(scope, context.Scope(snapshot), CallerOf(context, snapshot));
        BundleExport export = BundleExport.Prepare(store, snapshot, request, DateTimeOffset.UtcNow, context.Cancellation)
            ?? throw CliException.NotFound($"There is nothing of this {scope.KindName} to export.", scope.Id, $"See what there is: statestore list objects --where {scope.KindName}_id={scope.Id}");
        if (export.Report.Manifest is null)
        {
            BundleBlock first = export.Report.Blocked[0];
            throw new CliException(new CliError(
                ExitCode.Refused, "nothing_may_travel", $"None of {export.Report.Blocked.Count} objects may leave; first '{first.ObjectId}': {first.Reason}", first.ObjectId, Next: first.Remedy, Rule: first.Rule));
        }

        using PrivateKey? key = new KeyRoom(KeyFolder.OfUser()).LoadSigner(snapshot, keyId);
        if (key is null && keyId is not null)
        {
            throw CliException.NotFound("There is no such key, or it is revoked.", keyId, "See: statestore keys list");
        }

        OutputFiles.Write(path, stream => export.WriteTo(stream, key, context.Cancellation));
        if (key is null)
        {
            context.Messages.Warning("The bundle is not signed: it shows accidents, not forgeries. Make a key with: statestore keys create");
        }

        WriteExport(context, export.Report, key?.Id ?? "", path);
        return ExitCode.Done;
    }

    // The owner of the files who is nobody in the store may copy them anyway; everybody else is asked for the right to export.
    private static string? CallerOf(VerbContext context, ReadSnapshot snapshot)
    {
        string? given = context.Get(GlobalOptions.Actor);
        string own = LocalIdentity.ActorOfUser(Environment.UserName);
        return given ?? (snapshot.Get(RecordKind.Actor, own) is null ? null : own);
    }

    private static async Task<ExitCode> ImportAsync(VerbContext context)
    {
        string path = context.Get(Source);
        NoteKey? trusted = context.Get(RootKey) is { } given ? ProofVerb.ReadKey(given, context.Cancellation) : null;
        string bridge = context.Get(Bridge) is { } named ? VerbContext.CheckId(named, "--bridge") : BundleImport.DefaultBridge;
        using Stream file = InputFiles.Open(path);
        if (!file.CanSeek)
        {
            throw CliException.BadData("A bundle is read twice, so it must be a file and not a pipe.", path);
        }

        using BufferedStream bundle = new(file, 1 << 16);
        BundlePlan plan;
        using (StateStore reading = context.OpenRead())
        {
            plan = BundlePlanner.Plan(reading, bundle, path, trusted, context.Cancellation);
        }

        if (trusted is null)
        {
            context.Messages.Warning("Who made the bundle was not checked; name the key that must have signed it with --root-key.");
        }

        Require(BundleImport.Judge(plan, context.Get(AllowOlder)));
        if (context.Get(DryRun))
        {
            WriteImport(context, plan, null);
            return ExitCode.Done;
        }

        bundle.Position = 0;
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            BundleImportRequest request = new(context.IdentityForMany(store), bridge, context.Get(AllowOlder));
            BundleImportResult result = await BundleImport.ApplyAsync(store, bundle, path, plan, request, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false);
            Require(result.Refusal);
            WriteImport(context, plan, result);
            return result.Refused.Count > 0 ? ExitCode.Refused : ExitCode.Done;
        }
    }

    private static void Require(CommitRefusal? refusal)
    {
        if (refusal is not null)
        {
            throw new CliException(Receipts.ToError(CommitStatus.Denied, refusal));
        }
    }

    private static void WriteExport(VerbContext context, BundleReport report, string keyId, string path)
    {
        BundleManifest manifest = report.Manifest!;
        if (!context.Json)
        {
            context.Out.WriteLine($"Exported {manifest.Scope.KindName} {TerminalText.Clean(manifest.Scope.Id)} as of sequence {manifest.SourceSequence} to {TerminalText.Clean(path)}");
            context.Out.WriteLine($"  {Units.Count(manifest.ObjectCount)} objects and {Units.Count(manifest.EntryCount - manifest.ObjectCount)} that they refer to, {Units.Bytes(manifest.EntriesLengthBytes)}, signature {(keyId.Length > 0 ? "yes" : "no")}");
            foreach (BundleBlock block in report.Blocked.Take(Shown))
            {
                context.Messages.Warning($"{TerminalText.Clean(block.ObjectId)} stays: {block.Rule}: {TerminalText.Clean(block.Reason)}");
            }

            if (report.Blocked.Count > Shown)
            {
                context.Messages.Warning($"{Units.Count(report.Blocked.Count - Shown)} more stay; --json lists them.");
            }

            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            WriteManifest(writer, manifest);
            writer.WriteBoolean("signed"u8, keyId.Length > 0);
            writer.WriteString("key"u8, keyId);
            writer.WriteString("path"u8, path);
            writer.WriteStartArray("blocked"u8);
            foreach (BundleBlock block in report.Blocked)
            {
                writer.WriteStartObject();
                writer.WriteString("object"u8, block.ObjectId);
                writer.WriteString("rule"u8, block.Rule);
                writer.WriteString("reason"u8, block.Reason);
                writer.WriteString("remedy"u8, block.Remedy);
                writer.WriteBoolean("needsReview"u8, block.NeedsReview);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        });
    }

    private static void WriteImport(VerbContext context, BundlePlan plan, BundleImportResult? result)
    {
        long Of(BundleAction action) => plan.Objects(action);
        if (!context.Json)
        {
            BundleManifest manifest = plan.Manifest;
            context.Out.WriteLine($"{(result is null ? "Would take in" : result.Sequence == 0 ? "Nothing new in" : "Took in")} {manifest.Scope.KindName} {TerminalText.Clean(manifest.Scope.Id)} of store {manifest.SourceStore:D} at sequence {manifest.SourceSequence}");
            context.Out.WriteLine($"  {Units.Count(result?.Created ?? Of(BundleAction.Create))} created, {Units.Count(result?.Updated ?? Of(BundleAction.Update))} updated, {Units.Count(Of(BundleAction.Equal))} equal, {Units.Count(Of(BundleAction.Ahead))} ahead here, {Units.Count(Of(BundleAction.Older))} older");
            context.Out.WriteLine($"  {Units.Count(result?.ConflictIds.Count ?? Of(BundleAction.Conflict))} conflicts, {Units.Count(Of(BundleAction.KnownConflict))} known already, {Units.Count(result?.Refused.Count ?? 0)} refused");
            foreach (BundleRefusal refused in (result?.Refused ?? []).Take(Shown))
            {
                context.Messages.Warning($"{TerminalText.Clean(refused.Id)} was refused: {refused.Refusal.Rule}: {TerminalText.Clean(refused.Refusal.Reason)}");
            }

            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("status"u8, result is null ? "planned"u8 : result.Sequence == 0 ? "unchanged"u8 : "imported"u8);
            WriteManifest(writer, plan.Manifest);
            writer.WriteString("age"u8, ErrorMapping.SnakeCase(plan.Age.ToString()));
            writer.WriteString("signature"u8, plan.IsVouchedFor ? "verified"u8 : plan.IsSigned ? "unchecked"u8 : "none"u8);
            writer.WriteStartObject("counts"u8);
            writer.WriteNumber("created"u8, result?.Created ?? Of(BundleAction.Create));
            writer.WriteNumber("updated"u8, result?.Updated ?? Of(BundleAction.Update));
            writer.WriteNumber("equal"u8, Of(BundleAction.Equal));
            writer.WriteNumber("ahead"u8, Of(BundleAction.Ahead));
            writer.WriteNumber("older"u8, Of(BundleAction.Older));
            writer.WriteNumber("conflicts"u8, result?.ConflictIds.Count ?? Of(BundleAction.Conflict));
            writer.WriteNumber("knownConflicts"u8, Of(BundleAction.KnownConflict));
            writer.WriteNumber("references"u8, result?.Referred ?? plan.References(BundleAction.Create));
            writer.WriteNumber("kept"u8, plan.References(BundleAction.Kept));
            writer.WriteNumber("refused"u8, result?.Refused.Count ?? 0);
            writer.WriteEndObject();
            WriteDetails(writer, result);
            writer.WriteEndObject();
        });
    }

    private static void WriteManifest(Utf8JsonWriter writer, BundleManifest manifest)
    {
        writer.WriteString("bundle"u8, manifest.BundleId);
        writer.WriteString("source"u8, manifest.SourceStore.ToString("D"));
        writer.WriteStartObject("scope"u8);
        writer.WriteString("kind"u8, manifest.Scope.KindName);
        writer.WriteString("id"u8, manifest.Scope.Id);
        writer.WriteEndObject();
        writer.WriteNumber("sourceSequence"u8, manifest.SourceSequence);
        writer.WriteString("sourceRoot"u8, manifest.Checkpoint.Root.ToString());
        writer.WriteNumber("entries"u8, manifest.EntryCount);
        writer.WriteNumber("objects"u8, manifest.ObjectCount);
        writer.WriteNumber("bytes"u8, manifest.EntriesLengthBytes);
        writer.WriteString("digest"u8, manifest.Digest.ToString());
    }

    private static void WriteDetails(Utf8JsonWriter writer, BundleImportResult? result)
    {
        writer.WriteStartArray("conflicts"u8);
        foreach (string id in result?.ConflictIds ?? [])
        {
            writer.WriteStringValue(id);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("refused"u8);
        foreach (BundleRefusal refused in result?.Refused ?? [])
        {
            writer.WriteStartObject();
            writer.WriteString("kind"u8, RecordKinds.Get(refused.Kind).Name);
            writer.WriteString("id"u8, refused.Id);
            writer.WriteString("rule"u8, refused.Refusal.Rule);
            writer.WriteString("reason"u8, refused.Refusal.Reason);
            writer.WriteString("next"u8, refused.Refusal.Remedy);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteNumber("sequence"u8, result?.Sequence ?? 0);
    }
}
