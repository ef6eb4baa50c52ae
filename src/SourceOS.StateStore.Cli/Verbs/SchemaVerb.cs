// Why this file exists: `schema` registers, checks and compares schemas; migrating and drift have files of their own. Invariants: registering is one commit through the gates, whole or not at all; checking never writes; a bad document is named
// by its file.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.JsonSchema;
using SourceOS.StateStore.Governance.Schemas;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Schemas.</summary>
internal static class SchemaVerb
{
    private const int ErrorsShown = 20;
    private static readonly Argument<string[]> Sources = new("FILE") { Description = "Schema records or JSON Schemas with an $id; a directory for all in it; - for standard input", Arity = ArgumentArity.OneOrMore };
    private static readonly Option<string> Type = new("--type") { Description = "For a bare JSON Schema: the object type it describes; else its title or $id", HelpName = "NAME" };
    private static readonly Argument<string[]> Documents = new("FILE") { Description = "Documents to check; - for standard input", Arity = ArgumentArity.OneOrMore };
    private static readonly Option<string> With = new("--schema") { Description = "Check with this registered schema instead of the one that the document names", HelpName = "ID" };
    private static readonly Argument<string> Next = new("FILE") { Description = "The new version, as a schema record or a JSON Schema; - for standard input" };
    private static readonly Option<string> Old = new("--with") { Description = "The registered schema to compare with; else the one of the same identifier", HelpName = "ID" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("schema", "Register, check, compare and migrate schemas, and find drift", "statestore schema register schemas/", "statestore schema validate object.json", "statestore schema migrate signed.json");
        VerbCommand register = new("register", "Register schemas in one commit; they may refer to each other", "statestore schema register note-v2.json", "statestore schema register schemas/ --json") { Run = RegisterAsync };
        register.Arguments.Add(Sources);
        register.Options.Add(Type);
        VerbCommand validate = new("validate", "Check documents with the schemas of the store", "statestore schema validate object.json", "statestore schema validate data.json --schema urn:example:data") { Run = VerbCommand.Sync(Validate) };
        validate.Arguments.Add(Documents);
        validate.Options.Add(With);
        VerbCommand compare = new("compare", "Say whether a new version accepts what the old one did, and the other way round", "statestore schema compare note-v2.json --with schema:note:v1") { Run = VerbCommand.Sync(Compare) };
        compare.Arguments.Add(Next);
        compare.Options.Add(Old);
        foreach (VerbCommand verb in (VerbCommand[])[register, validate, compare, .. SchemaMigrateVerb.Create(), .. SchemaDriftVerb.Create()])
        {
            group.Subcommands.Add(verb);
        }

        return group;
    }

    private static async Task<ExitCode> RegisterAsync(VerbContext context)
    {
        List<string> files = [.. (context.Get(Sources) ?? []).SelectMany(InputFiles.Expand)];
        List<ReadOnlyMemory<byte>> records = [.. files.Select(file => ReadRecord(context, file))];
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            CommitReceipt receipt = Receipts.Require(await SchemaRoom.RegisterAsync(context.SessionForMany(store), records, context.Cancellation).ConfigureAwait(false));
            if (context.Json)
            {
                JsonLine.Write(context.Out, writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteString("status"u8, "committed"u8);
                    writer.WriteNumber("registered"u8, records.Count);
                    writer.WriteNumber("sequence"u8, receipt.LastSequence);
                    writer.WriteEndObject();
                });
            }
            else
            {
                context.Out.WriteLine($"Registered {records.Count} schemas at sequence {receipt.LastSequence}.");
            }
        }

        return ExitCode.Done;
    }

    private static ReadOnlyMemory<byte> ReadRecord(VerbContext context, string file)
    {
        ReadOnlyMemory<byte> record = SchemaRoom.ToRecord(InputFiles.ReadDocument(file, context.Cancellation), context.Get(Type));
        return RecordJson.TryParse(record.Span, out _, out _, out _, out RecordJsonFault fault)
            ? record
            : throw CliException.BadData(fault.Message, $"{(file == "-" ? "standard input" : file)}, offset {fault.OffsetBytes}", code: ErrorMapping.SnakeCase(fault.Code.ToString()));
    }

    private static ExitCode Validate(VerbContext context)
    {
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        SchemaChecker checker = new(snapshot);
        bool allValid = true;
        foreach (string file in (context.Get(Documents) ?? []).SelectMany(InputFiles.Expand))
        {
            SchemaFinding finding = checker.Check(InputFiles.ReadDocument(file, context.Cancellation), context.Get(With));
            allValid &= finding.Fault is null;
            Write(context, file, finding);
        }

        return allValid ? ExitCode.Done : ExitCode.No;
    }

    private static void Write(VerbContext context, string file, SchemaFinding finding)
    {
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("file"u8, file);
                writer.WriteString("id"u8, finding.Id);
                writer.WriteString("schema"u8, finding.SchemaId);
                writer.WriteBoolean("valid"u8, finding.Fault is null);
                writer.WriteString("fault"u8, finding.Fault);
                WriteErrors(writer, finding.Errors);
                writer.WriteEndObject();
            });
            return;
        }

        context.Out.WriteLine($"{TerminalText.Clean(file)}: {(finding.Fault is null ? finding.SchemaId.Length == 0 ? "names no schema" : "valid" : TerminalText.Clean(finding.Fault))}");
        foreach (SchemaError error in finding.Errors.Take(ErrorsShown))
        {
            context.Out.WriteLine($"  {TerminalText.Clean(error.InstanceLocation)}: {TerminalText.Clean(error.Message)} ({TerminalText.Clean(error.AbsoluteKeywordLocation)})");
        }
    }

    private static void WriteErrors(Utf8JsonWriter writer, IReadOnlyList<SchemaError> errors)
    {
        writer.WriteStartArray("errors"u8);
        foreach (SchemaError error in errors)
        {
            writer.WriteStartObject();
            writer.WriteString("keywordLocation"u8, error.KeywordLocation);
            writer.WriteString("absoluteKeywordLocation"u8, error.AbsoluteKeywordLocation);
            writer.WriteString("instanceLocation"u8, error.InstanceLocation);
            writer.WriteString("error"u8, error.Message);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static ExitCode Compare(VerbContext context)
    {
        ReadOnlyMemory<byte> document = ReadRecord(context, context.Get(Next));
        _ = RecordJson.TryParse(document.Span, out _, out string? id, out byte[]? body, out _);
        string oldId = context.Get(Old) is { } given ? VerbContext.CheckId(given, "--with") : id!;
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        StoredRecord old = snapshot.Get(RecordKind.Schema, oldId) ?? throw CliException.NotFound("There is no such schema.", $"schema {oldId}", "See the schemas: statestore schemas");
        SchemaFit fit = SchemaRoom.Compare(old, new StoredRecord(RecordKind.Schema, id!, 0, 0, false, false, body!));
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("schema"u8, oldId);
                writer.WriteString("compatibility"u8, fit.Compatibility);
                WriteTexts(writer, "backward", fit.Backward);
                WriteTexts(writer, "forward", fit.Forward);
                writer.WriteEndObject();
            });
        }
        else
        {
            context.Out.WriteLine($"Compatibility: {fit.Compatibility}.");
            foreach (string reason in fit.Backward)
            {
                context.Out.WriteLine($"  old data may not fit the new version: {TerminalText.Clean(reason)}");
            }

            foreach (string reason in fit.Forward)
            {
                context.Out.WriteLine($"  new data may not fit the old version: {TerminalText.Clean(reason)}");
            }
        }

        return fit.Backward.Count == 0 ? ExitCode.Done : ExitCode.No;
    }

    internal static void WriteTexts(Utf8JsonWriter writer, string name, IReadOnlyList<string> texts)
    {
        writer.WriteStartArray(name);
        foreach (string text in texts)
        {
            writer.WriteStringValue(text);
        }

        writer.WriteEndArray();
    }
}
