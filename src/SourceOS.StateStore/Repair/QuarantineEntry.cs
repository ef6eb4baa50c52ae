// Why this file exists: what was set aside can be looked at. Invariants: reads only; a note that cannot be read leaves its entry listed without a reason.

using System.Text.Json;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Something that recovery or repair set aside. Immutable.</summary>
/// <param name="Id">Its name in the quarantine.</param>
/// <param name="Path">Where it is.</param>
/// <param name="LengthBytes">Its length; for a fence, of all its files.</param>
/// <param name="Reason">Why it was set aside; empty when its note is missing.</param>
/// <param name="KeptAt">When, as its note says.</param>
/// <param name="LogAddress">The log address where its bytes stood; null when they did not stand in the log.</param>
/// <param name="CanRollBack">Whether it is a fence that can be undone, as long as nothing is written behind it.</param>
public sealed record QuarantineEntry(string Id, string Path, long LengthBytes, string Reason, string KeptAt, long? LogAddress, bool CanRollBack)
{
    private const int MaxNoteBytes = 1 << 20;
    private const string NoteSuffix = ".json";

    internal static List<QuarantineEntry> List(FileOps ops, StoreLayout layout)
    {
        List<QuarantineEntry> entries = [];
        if (!ops.Exists(layout.QuarantinePath))
        {
            return entries;
        }

        foreach (DirectoryEntry entry in StoreDirectory.List(ops, layout.QuarantinePath))
        {
            string path = System.IO.Path.Combine(layout.QuarantinePath, entry.Name);
            if (entry.Kind == FileKind.Directory)
            {
                RepairFolder folder = new(ops, layout, entry.Name);
                bool canRollBack = ops.Exists(System.IO.Path.Combine(folder.Old, StoreLayout.SuperblockName));
                entries.Add(Read(ops, entry.Name, path, LengthOf(ops, path), folder.NotePath, canRollBack));
            }
            else if (entry.Kind == FileKind.File && !entry.Name.EndsWith(NoteSuffix, StringComparison.Ordinal))
            {
                entries.Add(Read(ops, entry.Name, path, LengthOf(ops, path), path + NoteSuffix, canRollBack: false));
            }
        }

        return entries;
    }

    /// <summary>Finds an entry by its id.</summary>
    internal static QuarantineEntry Find(FileOps ops, StoreLayout layout, string id) => List(ops, layout).Find(entry => string.Equals(entry.Id, id, StringComparison.Ordinal))
        ?? throw new StateStoreException(StateStoreErrorCode.NotInitialized, "Nothing of this id is in quarantine.", System.IO.Path.Combine(layout.QuarantinePath, id), "List what is: statestore repair quarantine list");

    /// <summary>The files that an entry consists of, its note left out; for a fence, what the live store never needs again.</summary>
    internal IEnumerable<string> Files(FileOps ops)
    {
        if (ops.Stat(Path, out FileStatus status) != 0 || status.Kind != FileKind.Directory)
        {
            return [Path];
        }

        // A fence's base is the only copy of its superblock's base, so it stays for as long as the store does.
        return StoreDirectory.List(ops, Path).Where(static entry => entry.Kind == FileKind.Directory).SelectMany(entry => FilesBelow(ops, System.IO.Path.Combine(Path, entry.Name))).Order(StringComparer.Ordinal);
    }

    private static IEnumerable<string> FilesBelow(FileOps ops, string folder) => StoreDirectory.List(ops, folder).SelectMany(entry =>
    {
        string path = System.IO.Path.Combine(folder, entry.Name);
        return entry.Kind == FileKind.Directory ? FilesBelow(ops, path) : [path];
    });

    private static QuarantineEntry Read(FileOps ops, string id, string path, long lengthBytes, string notePath, bool canRollBack)
    {
        QuarantineEntry bare = new(id, path, lengthBytes, "", "", null, canRollBack);
        if (!ops.Exists(notePath))
        {
            return bare;
        }

        try
        {
            using JsonDocument note = JsonDocument.Parse(StoreTree.ReadUpTo(ops, notePath, MaxNoteBytes), new JsonDocumentOptions { MaxDepth = 64 });
            JsonElement root = note.RootElement;
            return root.ValueKind != JsonValueKind.Object ? bare : bare with
            {
                Reason = Text(root, "reason"u8),
                KeptAt = Text(root, "keptAt"u8),
                LogAddress = root.TryGetProperty("logAddress"u8, out JsonElement address) && address.ValueKind == JsonValueKind.Number && address.TryGetInt64(out long at) ? at : null,
            };
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // No document, or one whose bytes are no text: the note rotted, what it stands beside did not.
            return bare;
        }
    }

    private static string Text(JsonElement note, ReadOnlySpan<byte> name) =>
        note.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static long LengthOf(FileOps ops, string path)
    {
        if (ops.Stat(path, out FileStatus status) != 0)
        {
            return 0;
        }

        return status.Kind != FileKind.Directory ? status.SizeBytes
            : StoreDirectory.List(ops, path).Sum(entry => entry.Kind is FileKind.Directory or FileKind.File ? LengthOf(ops, System.IO.Path.Combine(path, entry.Name)) : 0);
    }
}
