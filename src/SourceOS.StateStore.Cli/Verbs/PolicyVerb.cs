// Why this file exists: `policy` shows the policy in force, asks it a question, and loads another. Invariants: checking changes nothing; a document that is not valid is never loaded; an answer names policy,
// version and rule.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Policy.</summary>
internal static class PolicyVerb
{
    private static readonly Argument<string> Source = new("FILE") { Description = "A policy document; - for standard input" };
    private static readonly Argument<string?> CheckSource = new("FILE") { Description = "A policy document to check without loading it; - for standard input", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string> Object = new("--object") { Description = "Ask about this object", HelpName = "ID" };
    private static readonly Option<string> Question = Inputs.OneOf("--question", "What to ask; write by default", [.. PolicyQuestions.All]);

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("policy", "Show, ask and load the policy", "statestore policy show", "statestore policy check --object object:alpha --question sync_remote", "statestore policy load rules.json");
        VerbCommand show = new("show", "Show the policy in force", "statestore policy show --json") { Run = VerbCommand.Sync(Show) };
        VerbCommand check = new("check", "Check a policy document, or ask the policy about an object", "statestore policy check rules.json", "statestore policy check --object object:alpha --question sync_remote") { Run = CheckAsync };
        check.Arguments.Add(CheckSource);
        check.Options.Add(Object);
        check.Options.Add(Question);
        VerbCommand load = new("load", "Make a policy document the policy in force", "statestore policy load rules.json") { Run = LoadAsync };
        load.Arguments.Add(Source);
        foreach (VerbCommand verb in (VerbCommand[])[show, check, load])
        {
            group.Subcommands.Add(verb);
        }

        return group;
    }

    private static ExitCode Show(VerbContext context)
    {
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        (PolicyRules rules, StoredRecord? record) = PolicySource.Of(snapshot);
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("policy"u8, rules.Id);
                writer.WriteString("version"u8, rules.Version);
                writer.WriteNumber("rules"u8, rules.Count);
                writer.WriteString("service"u8, rules.Service?.Url);
                writer.WriteString("source"u8, record is null ? "shipped" : "store");
                writer.WriteNumber("sequence"u8, record?.Sequence ?? 0);
                writer.WritePropertyName("document"u8);
                using (System.Text.Json.JsonDocument document = System.Text.Json.JsonDocument.Parse(PolicySource.DocumentOf(record)))
                {
                    document.RootElement.WriteTo(writer);
                }

                writer.WriteEndObject();
            });
            return ExitCode.Done;
        }

        context.Out.WriteLine($"{TerminalText.Clean(rules.Id)} {TerminalText.Clean(rules.Version)}, {rules.Count} rules, {(record is null ? "shipped with the program" : $"loaded at sequence {record.Sequence}")}.");
        context.Out.Write(PolicySource.DocumentOf(record));
        context.Out.Write("\n"u8);
        return ExitCode.Done;
    }

    private static async Task<ExitCode> CheckAsync(VerbContext context)
    {
        PolicyRules? given = context.Parse.GetValue(CheckSource) is { } source ? ReadPolicy(context, source).Rules : null;
        if (context.Get(Object) is not { } objectId)
        {
            PolicyRules checkedRules = given ?? throw CliException.Usage("Name a policy document to check, or an object with --object.");
            Answer(context, checkedRules);
            return ExitCode.Done;
        }

        VerbContext.CheckId(objectId, "--object");
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        if (snapshot.Get(RecordKind.Object, objectId) is { } known && !context.Scope(snapshot).Allows(known))
        {
            throw CliException.NotFound("There is no such object.", $"object {objectId}");
        }

        PolicyRules rules = given ?? PolicySource.Of(snapshot).Rules;
        string actor = context.Parse.GetValue(GlobalOptions.Actor) ?? Governance.Bootstrap.LocalIdentity.ActorOfUser(Environment.UserName);
        PolicyAnswer answer = await PolicyAsking.AskAsync(rules, snapshot, objectId, context.Get(Question) ?? PolicyQuestions.Write, actor, context.Cancellation).ConfigureAwait(false)
            ?? throw CliException.NotFound("There is no such object.", $"object {objectId}");
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("object"u8, objectId);
                writer.WriteString("question"u8, context.Get(Question) ?? PolicyQuestions.Write);
                writer.WriteString("effect"u8, answer.EffectText);
                writer.WriteString("policy"u8, answer.PolicyId);
                writer.WriteString("version"u8, answer.PolicyVersion);
                writer.WriteString("rule"u8, answer.RuleId);
                writer.WriteString("rationale"u8, answer.Rationale);
                writer.WriteString("remedy"u8, answer.Remedy);
                writer.WriteEndObject();
            });
        }
        else
        {
            context.Out.WriteLine($"{answer.EffectText}: {TerminalText.Clean(answer.Rationale)} (rule {TerminalText.Clean(answer.RuleId)} of {TerminalText.Clean(answer.PolicyId)} {TerminalText.Clean(answer.PolicyVersion)})");
            if (answer.Remedy.Length > 0)
            {
                context.Out.WriteLine(TerminalText.Clean(answer.Remedy));
            }
        }

        return answer.Effect == PolicyEffect.Allow ? ExitCode.Done : ExitCode.No;
    }

    private static async Task<ExitCode> LoadAsync(VerbContext context)
    {
        (PolicyRules rules, byte[] document) = ReadPolicy(context, context.Get(Source));
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            CommitReceipt receipt = Receipts.Require(await PolicyRoom.LoadAsync(context.SessionFor(store, RecordKind.Object, PolicySource.ObjectId), document, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false));
            context.Messages.Info($"{rules.Id} {rules.Version} is in force.");
            PutVerb.WriteAnswer(context, RecordKinds.Get(RecordKind.Object), PolicySource.ObjectId, receipt, "Loaded");
        }

        return ExitCode.Done;
    }

    private static (PolicyRules Rules, byte[] Document) ReadPolicy(VerbContext context, string source)
    {
        byte[] document = InputFiles.ReadDocument(source, context.Cancellation);
        return PolicyRules.TryParse(document, out PolicyRules? rules, out PolicyFault? fault)
            ? (rules!, document)
            : throw CliException.BadData(fault!.Message, $"{(source == "-" ? "standard input" : source)}, {fault.Place}", "See the policy language in docs/policy.md.", "invalid_policy");
    }

    private static void Answer(VerbContext context, PolicyRules rules)
    {
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteBoolean("valid"u8, true);
                writer.WriteString("policy"u8, rules.Id);
                writer.WriteString("version"u8, rules.Version);
                writer.WriteNumber("rules"u8, rules.Count);
                writer.WriteEndObject();
            });
        }
        else
        {
            context.Out.WriteLine($"{TerminalText.Clean(rules.Id)} {TerminalText.Clean(rules.Version)} is a valid policy of {rules.Count} rules.");
        }
    }
}
