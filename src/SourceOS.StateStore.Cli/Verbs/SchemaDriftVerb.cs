// Why this file exists: `schema drift` lists objects that have come apart from their schema, `schema matrix` says which versions of a type read which. Invariants: both only read, unless drift is told to --apply what a schema itself says of quarantine.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Schemas;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Drift and the compatibility of versions.</summary>
internal static class SchemaDriftVerb
{
    private const int MaxVersions = 64;
    private static readonly Argument<string?> OnlyType = new("TYPE") { Description = "Only objects of this type", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<bool> Apply = new("--apply") { Description = "Put objects that do not fit into quarantine, where their schema's drift_policy says so" };
    private static readonly Argument<string> Type = new("TYPE") { Description = "The object type" };

    /// <summary>The commands.</summary>
    public static VerbCommand[] Create()
    {
        VerbCommand drift = new("drift", "List objects that no longer fit their schema, have fields that it does not know, or are newer than the client", "statestore schema drift", "statestore schema drift note --json", "statestore schema drift note --apply")
        {
            Run = DriftAsync,
        };
        drift.Arguments.Add(OnlyType);
        drift.Options.Add(Apply);
        VerbCommand matrix = new("matrix", "Say of each pair of a type's registered schemas whether the one reads what the other wrote", "statestore schema matrix note") { Run = VerbCommand.Sync(Matrix) };
        matrix.Arguments.Add(Type);
        return [drift, matrix];
    }

    private static async Task<ExitCode> DriftAsync(VerbContext context)
    {
        string type = context.Parse.GetValue(OnlyType) ?? "";
        int found = 0;
        if (!context.Get(Apply))
        {
            using StateStore reading = context.OpenRead();
            string actor = context.Parse.GetValue(GlobalOptions.Actor) is { } given ? VerbContext.CheckId(given, "--actor") : LocalIdentity.ActorOfUser(Environment.UserName);
            foreach (DriftedObject drifted in DriftRoom.Find(reading, type, actor, cancellationToken: context.Cancellation))
            {
                Write(context, drifted);
                found += drifted.Warnings.Any(static warning => warning.IsMisfit) ? 1 : 0;
            }

            return found > 0 ? ExitCode.No : ExitCode.Done;
        }

        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            await foreach (DriftedObject drifted in DriftRoom.QuarantineAsync(store, context.SessionForMany(store), type, context.Cancellation).ConfigureAwait(false))
            {
                Write(context, drifted);
                found += drifted.Quarantined is { Length: > 0 } ? 1 : 0;
            }
        }

        return found > 0 ? ExitCode.No : ExitCode.Done;
    }

    private static void Write(VerbContext context, DriftedObject drifted)
    {
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("object"u8, drifted.ObjectId);
                writer.WriteNumber("sequence"u8, drifted.Sequence);
                writer.WriteString("schema"u8, drifted.SchemaId);
                writer.WriteBoolean("forQuarantine"u8, drifted.IsForQuarantine);
                writer.WriteBoolean("quarantined"u8, drifted.Quarantined is { Length: 0 });
                writer.WriteStartArray("warnings"u8);
                foreach (DriftWarning warning in drifted.Warnings)
                {
                    writer.WriteStartObject();
                    writer.WriteString("code"u8, warning.Code);
                    writer.WriteString("place"u8, warning.Place);
                    writer.WriteString("message"u8, warning.Message);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
                writer.WriteEndObject();
            });
            return;
        }

        string what = drifted.Quarantined switch
        {
            null => drifted.IsForQuarantine ? " (its schema has it put into quarantine: --apply)" : "",
            "" => " (put into quarantine)",
            _ => $" (not put into quarantine: {drifted.Quarantined})",
        };
        context.Out.WriteLine($"{TerminalText.Clean(drifted.ObjectId)} at sequence {drifted.Sequence}{TerminalText.Clean(what)}");
        foreach (DriftWarning warning in drifted.Warnings)
        {
            context.Out.WriteLine($"  {warning.Code}: {TerminalText.Clean(warning.Place.Length > 0 ? warning.Place + ": " : "")}{TerminalText.Clean(warning.Message)}");
        }
    }

    private static ExitCode Matrix(VerbContext context)
    {
        string type = context.Get(Type);
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        List<StoredRecord> versions = [];
        foreach (RecordView record in snapshot.Range(RecordKind.Schema))
        {
            StoredRecord schema = record.ToStored();
            if (schema.Text("object_type") == type && versions.Count < MaxVersions)
            {
                versions.Add(schema);
            }
        }

        if (versions.Count == 0)
        {
            throw CliException.NotFound("No schema is registered for that type.", $"type {type}", "See the schemas: statestore schemas");
        }

        Table? table = context.Json ? null : new Table(context.Out, context.Style, context.Columns, "OLD", "NEW", "NEW READS OLD", "OLD READS NEW");
        foreach (StoredRecord old in versions)
        {
            foreach (StoredRecord next in versions.Where(next => next.Id != old.Id))
            {
                SchemaFit fit = SchemaRoom.Compare(old, next);
                if (table is null)
                {
                    JsonLine.Write(context.Out, writer => WriteFit(writer, old, next, fit));
                }
                else
                {
                    table.Add(TerminalText.Clean(old.Id), TerminalText.Clean(next.Id), fit.Backward.Count == 0 ? "yes" : TerminalText.Clean(fit.Backward[0]), fit.Forward.Count == 0 ? "yes" : TerminalText.Clean(fit.Forward[0]));
                }
            }
        }

        table?.Finish();
        return ExitCode.Done;
    }

    private static void WriteFit(Utf8JsonWriter writer, StoredRecord old, StoredRecord next, SchemaFit fit)
    {
        writer.WriteStartObject();
        writer.WriteString("old"u8, old.Id);
        writer.WriteString("oldVersion"u8, old.Text("schema_version"));
        writer.WriteString("new"u8, next.Id);
        writer.WriteString("newVersion"u8, next.Text("schema_version"));
        writer.WriteString("compatibility"u8, fit.Compatibility);
        SchemaVerb.WriteTexts(writer, "newReadsOld", fit.Backward);
        SchemaVerb.WriteTexts(writer, "oldReadsNew", fit.Forward);
        writer.WriteEndObject();
    }
}
