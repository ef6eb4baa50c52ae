// Why this file exists: the formats by name, so that every door offers the same. Invariants: a format writes one file or one directory; what is written appears whole under its name or not at all.

using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>One format.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it is, in a line.</param>
/// <param name="Files">Gives the files: a relative path (empty for a format of one file) and what writes it.</param>
public sealed record ExportFormat(string Name, string Description, Func<ExportContext, IEnumerable<(string Path, Action<Stream> Write)>> Files)
{
    /// <summary>Whether it makes a directory.</summary>
    public bool IsDirectory { get; init; }

    /// <summary>Whether it needs a check of the store first.</summary>
    public bool WantsVerification { get; init; }

    /// <summary>Whether it is only made of a sound store, because its readers would take a damaged one for healthy.</summary>
    public bool WantsSoundStore { get; init; }
}

/// <summary>The formats. Thread-safe.</summary>
public static class ExportFormats
{
    private static readonly JsonWriterOptions s_indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions s_line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>All formats.</summary>
    public static IReadOnlyList<ExportFormat> All { get; } =
    [
        new("contracts", "One JSON file a record, as it was imported", ContractsExport.Files) { IsDirectory = true },
        Document("integrity-report", "State integrity report v1alpha1", IntegrityReportExport.Write) with { WantsVerification = true },
        Lines("events", "sourceos.event.v0.1 envelopes, one a line", EventEnvelopeExport.Write),
        Lines("records", "Flat records for search indexes, one a line", FlatRecordsExport.Write),
        Lines("conflicts", "SyncConflictRecord, one a line", ConflictsExport.Write),
        Lines("stale-records", "StaleStateRecord, one a line", StaleRecordsExport.Write),
        Lines("storms", "DiagnosticStormRecord, one a line", StormsExport.Write),
        Document("trust-gate", "Substrate trust gate v0.1", TrustGateExport.Write) with { WantsVerification = true },
        Document("node-state", "NodeStateSchema of the store's root", NodeStateExport.Write),
        new("evidence-journal", "Hash-chained journal of the events", EvidenceJournalExport.Files),
        Document(RepairPlanExport.Name, "Repair plan v1alpha1, a preview", static (context, writer) => RepairPlanExport.Write(StoreRepair.Plan(context.StorePath), context.Now, writer)),
        new("syncd", "Directory that sourceos-syncd reads", SyncdExport.Files) { IsDirectory = true, WantsVerification = true, WantsSoundStore = true },
        Document("workspace-state", "Workspace operation state, the card of a workspace", WorkspaceStateExport.Write) with { WantsVerification = true },
        new("authority-state", "One agent-authority-current-state file an actor", AuthorityStateExport.Files) { IsDirectory = true, WantsVerification = true, WantsSoundStore = true },
        Lines("provenance", "ProvenanceRecord, one a line", ProvenanceExport.Write),
        Lines("operation-log", "LocalOperationLog, one a line", OperationLogExport.Write),
        Lines("ops-history", "OpsHistoryEvent, one a line", OpsHistoryExport.Write),
        Document("lampstand-evidence", "Lampstand evidence v1alpha1 of the store's state", LampstandEvidenceExport.Write) with { WantsVerification = true },
        .. LineTakeIn.Formats.Select(static format => Lines(format.Name, format.Description, (context, output) => LineTakeIn.Write(context, format, output))),
    ];

    /// <summary>Finds a format.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The format, or null.</returns>
    public static ExportFormat? Find(string name) => All.FirstOrDefault(format => format.Name == name);

    /// <summary>Writes an export to a stream; only for formats of one file.</summary>
    /// <param name="format">The format.</param>
    /// <param name="context">What to export.</param>
    /// <param name="output">Where to.</param>
    /// <exception cref="ArgumentException">The format makes a directory.</exception>
    public static void WriteTo(ExportFormat format, ExportContext context, Stream output)
    {
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(context);
        RequireSound(format, context);
        if (format.IsDirectory)
        {
            throw new ArgumentException($"The format {format.Name} makes a directory.", nameof(format));
        }

        foreach ((_, Action<Stream> write) in format.Files(context))
        {
            write(output);
        }
    }

    /// <summary>Writes an export to a path; it appears there whole or not at all.</summary>
    /// <param name="format">The format.</param>
    /// <param name="context">What to export.</param>
    /// <param name="path">The file, which is replaced, or the directory, which must not exist.</param>
    /// <param name="cancellationToken">Ends it early; nothing is left behind.</param>
    /// <returns>How many files were written.</returns>
    /// <exception cref="IOException">The path cannot be written, or the directory exists.</exception>
    public static int WriteTo(ExportFormat format, ExportContext context, string path, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(context);
        RequireSound(format, context);
        if (format.IsDirectory && (Directory.Exists(path) || File.Exists(path)))
        {
            throw new IOException($"'{path}' exists; an export makes a new directory.");
        }

        string unfinished = path.TrimEnd('/') + ".new";
        int files = 0;
        try
        {
            foreach ((string relative, Action<Stream> write) in format.Files(context))
            {
                cancellationToken.ThrowIfCancellationRequested();
                string target = format.IsDirectory ? Path.Combine(unfinished, relative) : unfinished;
                if (format.IsDirectory)
                {
                    Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                }

                using FileStream stream = new(target, FileMode.Create, FileAccess.Write);
                write(stream);
                stream.Flush(flushToDisk: true);
                files++;
            }

            Finish(format, unfinished, path);
            return files;
        }
        catch
        {
            Remove(unfinished);
            throw;
        }
    }

    /// <summary>Writes a repair's plan as a document, without a snapshot: the store may not open.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="now">The time that the document carries.</param>
    /// <param name="output">Where to.</param>
    public static void WriteRepairPlan(RepairPlan plan, DateTimeOffset now, Stream output) => WriteDocument(output, writer => RepairPlanExport.Write(plan, now, writer));

    /// <summary>Writes one JSON document.</summary>
    internal static void WriteDocument(Stream output, Action<Utf8JsonWriter> fields)
    {
        using (Utf8JsonWriter writer = new(output, s_indented))
        {
            writer.WriteStartObject();
            fields(writer);
            writer.WriteEndObject();
        }

        output.WriteByte((byte)'\n');
    }

    /// <summary>Writes one JSON document on a line of its own.</summary>
    internal static void WriteLine(Stream output, Action<Utf8JsonWriter> fields)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, s_line))
        {
            writer.WriteStartObject();
            fields(writer);
            writer.WriteEndObject();
        }

        output.Write(buffer.WrittenSpan);
        output.WriteByte((byte)'\n');
    }

    private static void RequireSound(ExportFormat format, ExportContext context)
    {
        if (format.WantsSoundStore && (context.Verification is null || context.Diagnosis != "healthy"))
        {
            throw new ExportRefusedException(
                "store_not_sound", $"The store is {(context.Verification is null ? "not verified" : context.Diagnosis)}; whoever reads {format.Name} would take it for healthy.", "See what to do: statestore doctor");
        }
    }

    private static ExportFormat Document(string name, string description, Action<ExportContext, Utf8JsonWriter> write) =>
        new(name, description, context => [("", stream => WriteDocument(stream, writer => write(context, writer)))]);

    private static ExportFormat Lines(string name, string description, Action<ExportContext, Stream> write) =>
        new(name, description, context => [("", stream => write(context, stream))]);

    private static void Finish(ExportFormat format, string unfinished, string path)
    {
        if (!format.IsDirectory)
        {
            File.Move(unfinished, path, overwrite: true);
            return;
        }

        // A store without records exports an empty directory, not nothing.
        Directory.CreateDirectory(unfinished);
        Directory.Move(unfinished, path.TrimEnd('/'));
    }

    private static void Remove(string unfinished)
    {
        if (Directory.Exists(unfinished))
        {
            Directory.Delete(unfinished, recursive: true);
        }
        else
        {
            File.Delete(unfinished);
        }
    }
}
