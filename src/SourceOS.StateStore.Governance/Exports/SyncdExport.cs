// Why this file exists: the store as the directory that sourceos-syncd reads: a manifest, a journal, one file a record. Invariants: that reader derives a lane's health from whole lines alone, so a store that was not found
// sound is not exported at all; only events with a counterpart in its vocabulary become journal lines; no two records share a file.

using System.Globalization;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `syncd` format.</summary>
internal static class SyncdExport
{
    private const int MaxNameBytes = 200;

    private static readonly (string Folder, RecordKind Kind)[] s_kinds =
    [
        ("profiles", RecordKind.Profile), ("devices", RecordKind.Device), ("actors", RecordKind.Actor), ("schemas", RecordKind.Schema), ("objects", RecordKind.Object), ("repair-reports", RecordKind.Report),
    ];

    private static readonly (string Name, string[] Fields)[] s_indexes =
    [
        ("index:profile-type", ["profile_id", "object_type"]), ("index:workspace-path", ["workspace_id", "path"]), ("index:last-actor", ["last_modified_by_actor"]),
        ("index:content-hash", ["content_hash"]), ("index:state-updated", ["state", "updated_at"]),
    ];

    public static IEnumerable<(string Path, Action<Stream> Write)> Files(ExportContext context)
    {
        yield return ("manifest.json", stream => ExportFormats.WriteDocument(stream, writer => WriteManifest(context, writer)));
        yield return ("journal.jsonl", stream => WriteJournal(context, stream));
        foreach ((string folder, RecordKind kind) in s_kinds)
        {
            HashSet<string> taken = new(StringComparer.OrdinalIgnoreCase);
            foreach (StoredRecord record in context.Records(kind))
            {
                yield return ($"{folder}/{NameOf(record.Id, taken)}.json", stream => WriteRecord(record, stream));
            }
        }

        foreach ((string name, string[] fields) in s_indexes)
        {
            yield return ($"indexes/{NameOf(name, [])}.json", stream => ExportFormats.WriteDocument(stream, writer =>
            {
                writer.WriteString("schema"u8, "sourceos.index-record/v1alpha1"u8);
                writer.WriteString("record_id"u8, name);
                Documents.WriteList(writer, "fields", fields);
                writer.WriteString("durability"u8, "rebuildable"u8);
            }));
        }
    }

    /// <summary>A file's name as that reader makes it of an identifier, so that it finds a record by its identifier; two that come out alike are told apart by a hash.</summary>
    internal static string NameOf(string id, HashSet<string> taken)
    {
        StringBuilder cleaned = new();
        foreach (Rune rune in id.Trim().EnumerateRunes())
        {
            bool isKept = rune.Value is '-' or '_' or '.' || Rune.IsLetterOrDigit(rune);
            _ = isKept ? cleaned.Append(rune.ToString()) : cleaned.Append('_');
        }

        string name = cleaned.ToString().Trim('.');
        if (name.Length > 0 && Encoding.UTF8.GetByteCount(name) <= MaxNameBytes && taken.Add(name))
        {
            return name;
        }

        string hash = Convert.ToHexStringLower(Checksum.Sha256(Encoding.UTF8.GetBytes(id)).Bytes[..8]);
        return string.Concat(new string([.. name.Where(char.IsAscii).Take(100)]), "~", hash);
    }

    private static void WriteManifest(ExportContext context, Utf8JsonWriter writer)
    {
        StateStoreStatus status = context.Status;
        DateTimeOffset? first = context.Snapshot.ReadEvents(1).FirstOrDefault()?.CommittedAt;
        writer.WriteString("schema"u8, "sourceos.local-state-store/v1alpha1"u8);
        writer.WriteString("created_at"u8, ExportContext.Time(first ?? context.Now));
        writer.WriteString("updated_at"u8, ExportContext.Time(status.LastCommitAt ?? context.Now));
        writer.WriteBoolean("initialized"u8, true);
        writer.WriteNumber("active_generation"u8, status.StateGeneration);
        writer.WriteNumber("last_known_good_generation"u8, status.StateGeneration);
        Documents.WriteList(writer, "lanes", status.Lanes.Select(static lane => lane.Lane.ToString().ToLowerInvariant()));
        writer.WriteString("backend"u8, "lmdb+faster"u8);
        Documents.WriteList(writer, "durable_dirs", s_kinds.Select(static kind => kind.Folder));
        Documents.WriteList(writer, "rebuildable_dirs", ["indexes"]);
        Documents.WriteList(writer, "disposable_dirs", []);
        Documents.WriteList(writer, "registry_kinds", s_kinds.Select(static kind => kind.Folder).Append("indexes").Order(StringComparer.Ordinal));
        writer.WriteString("runtime_version"u8, IntegrityReportExport.Version);
        writer.WriteString("store_id"u8, status.StoreId.ToString("D"));
        writer.WriteNumber("sequence"u8, status.Sequence);
        writer.WriteString("log_root"u8, status.LogRoot);
    }

    private static void WriteJournal(ExportContext context, Stream output)
    {
        foreach (StoredEvent item in context.Events())
        {
            if (item.IsErased || TypeOf(item) is not { } type)
            {
                continue;
            }

            string id = $"evt-{item.Sequence.ToString("D8", CultureInfo.InvariantCulture)}";
            ExportFormats.WriteLine(output, writer =>
            {
                writer.WriteString("schema"u8, "sourceos.journal-event/v1alpha1"u8);
                writer.WriteString("event_id"u8, id);
                writer.WriteString("event_type"u8, type);
                writer.WriteString("lane"u8, item.Lane.ToString().ToLowerInvariant());
                Documents.WriteOptional(writer, "object_id", item.SubjectId);
                writer.WriteString("producer"u8, item.ActorId);
                writer.WriteString("created_at"u8, ExportContext.Time(item.OccurredAt));
                writer.WriteStartObject("payload"u8);
                writer.WriteString("type"u8, item.Type);
                writer.WriteNumber("sequence"u8, item.Sequence);
                writer.WriteEndObject();
                writer.WriteBoolean("applied"u8, true);
            });
        }
    }

    // That reader counts whatever is added, updated or deleted as an object; other records are in their folders.
    private static string? TypeOf(StoredEvent item) => item.SubjectKind switch
    {
        RecordKind.Object => item.Action switch
        {
            EventAction.Put => item.PreviousSequence == 0 ? "add" : "update",
            EventAction.None => null,
            _ => "delete",
        },
        RecordKind.Decision => "policy",
        RecordKind.Report => "repair",
        _ => item.Type == "sync.checkpoint.signed" ? "checkpoint" : item.Lane == Lane.Policy || item.Type is "sync.policy.denied" or "sync.profile.boundary_violation" ? "policy" : item.Lane == Lane.Repair ? "repair" : null,
    };

    private static void WriteRecord(StoredRecord record, Stream output)
    {
        using JsonDocument json = JsonDocument.Parse(record.ToJson());
        ExportFormats.WriteDocument(output, writer =>
        {
            foreach (JsonProperty property in json.RootElement.EnumerateObject().Where(static property => property.Name != "record_id"))
            {
                property.WriteTo(writer);
            }

            writer.WriteString("record_id"u8, record.Id);
        });
    }
}
