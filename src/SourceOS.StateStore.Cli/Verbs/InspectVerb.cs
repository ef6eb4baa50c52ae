// Why this file exists: `inspect` shows what bytes are, field by field, with offsets. Invariants: it reads and never opens a store for writing; a structure that is damaged is
// shown all the same, with what is wrong; exit 0 means that everything shown is valid.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Inspect;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Shows bytes field by field.</summary>
internal static class InspectVerb
{
    private static readonly Argument<string?> Target = new("FILE") { Description = "A file of a store: STORE, a segment, data.mdb", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<ulong?> Frame = Inputs.Sequence("--frame", "A frame of the store's log, by number");

    private static readonly Option<string[]> Record = new("--record")
    {
        Description = "A record of the store, by kind and identifier", HelpName = "KIND ID", Arity = new ArgumentArity(2, 2), AllowMultipleArgumentsPerToken = true,
    };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "inspect",
            "Show what bytes are, field by field, with offsets",
            "statestore inspect .statestore/STORE",
            "statestore inspect --frame 0",
            "statestore inspect --record objects note:1 --json")
        {
            Run = VerbCommand.Sync(Run),
        };
        command.Arguments.Add(Target);
        command.Options.Add(Frame);
        command.Options.Add(Record);
        return command;
    }

    private static ExitCode Run(VerbContext context)
    {
        string? file = context.Parse.GetValue(Target);
        ulong? frame = context.Get(Frame);
        string[] record = context.Get(Record) ?? [];
        int asked = (file is null ? 0 : 1) + (frame is null ? 0 : 1) + (record.Length == 0 ? 0 : 1);
        if (asked != 1)
        {
            throw CliException.Usage("Name one thing to inspect: a FILE, --frame N, or --record KIND ID.", "See: statestore inspect --help");
        }

        (string source, IReadOnlyList<InspectedPart> parts) = file is not null ? OfFile(file) : frame is { } number ? FrameInspector.Inspect(context.CheckedStorePath(), number, context.Cancellation) : OfRecord(context, record);
        if (context.Json)
        {
            WriteJson(context.Out, source, parts);
        }
        else
        {
            WriteText(context, source, parts);
        }

        return parts.All(static part => part.Verdict is "valid" or "erased" or "not shown" || part.Fields.Count == 0) ? ExitCode.Done : ExitCode.No;
    }

    private static (string Source, IReadOnlyList<InspectedPart> Parts) OfFile(string path)
    {
        (string kind, IReadOnlyList<InspectedPart> parts) = FileInspector.Inspect(path);
        return ($"{path} ({kind})", parts);
    }

    private static (string Source, IReadOnlyList<InspectedPart> Parts) OfRecord(VerbContext context, string[] names)
    {
        if (!RecordKinds.TryParse(names[0], out RecordKindInfo? kind))
        {
            throw CliException.Usage($"'{names[0]}' is not a kind of record.", "Kinds are " + string.Join(", ", RecordKinds.All.Select(static known => known.PluralName)) + ".");
        }

        string id = VerbContext.CheckId(names[1], "The id");
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        StoredRecord record = snapshot.Get(kind.Kind, id) is { } found && context.Scope(snapshot).Allows(found) ? found : throw CliException.NotFound($"There is no {kind.Name} '{id}'.", $"{kind.Name} {id}");
        return ($"{kind.Name} {id}", RecordInspector.Inspect(record));
    }

    private static void WriteText(VerbContext context, string source, IReadOnlyList<InspectedPart> parts)
    {
        context.Out.WriteLine(context.Style.Bold(TerminalText.Clean(source)));
        foreach (InspectedPart part in parts)
        {
            string verdict = part.Verdict == "valid" ? context.Style.Green(part.Verdict) : context.Style.Yellow(TerminalText.Clean(part.Verdict));
            context.Out.WriteLine($"{TerminalText.Clean(part.Name)} at offset {part.Offset}: {verdict}");
            foreach (InspectedField field in part.Fields)
            {
                string line = $"{field.Offset,10} {field.Length,7}  {TerminalText.Clean(field.Name),-24} {TerminalText.Clean(field.Value)}";
                context.Out.WriteLine(context.Columns is { } columns ? TerminalText.Cut(line, columns) : line);
            }
        }
    }

    private static void WriteJson(ByteOutput output, string source, IReadOnlyList<InspectedPart> parts) => JsonLine.Write(output, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("source"u8, source);
        writer.WriteStartArray("parts"u8);
        foreach (InspectedPart part in parts)
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, part.Name);
            writer.WriteNumber("offset"u8, part.Offset);
            writer.WriteString("verdict"u8, part.Verdict);
            writer.WriteStartArray("fields"u8);
            foreach (InspectedField field in part.Fields)
            {
                writer.WriteStartObject();
                writer.WriteNumber("offset"u8, field.Offset);
                writer.WriteNumber("length"u8, field.Length);
                writer.WriteString("name"u8, field.Name);
                writer.WriteString("value"u8, field.Value);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    });
}
