// Why this file exists: the first four drivers: files, tasks, memory facts, policy documents. Invariants: each says in one place what it proves; anything else goes to a person.

using System.Text.Json;
using SourceOS.StateStore.Governance.Agents;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Conflicts;

/// <summary>Fields that say who and when; they differ in every edit and settle nothing.</summary>
internal static class EditMarks
{
    public static bool IsMark(string field) => field is "updated_at" or "last_modified_by_actor" or "provenance";

    public static string Text(ReadOnlyMemory<byte> document, params string[] path)
    {
        using JsonDocument json = JsonDocument.Parse(document);
        JsonElement at = json.RootElement;
        foreach (string name in path)
        {
            if (at.ValueKind != JsonValueKind.Object || !at.TryGetProperty(name, out at))
            {
                return "";
            }
        }

        return at.ValueKind == JsonValueKind.String ? at.GetString()! : "";
    }
}

/// <summary>Files: their content is outside the store, so equal content settles a conflict and different content never does.</summary>
internal sealed class FileDriver : IConflictDriver
{
    public string ObjectType => "file";

    public string MergePolicy => "checksum_mismatch_review";

    public ConflictProposal Propose(ConflictVersions versions)
    {
        string ours = EditMarks.Text(versions.Ours, "content_hash");
        string theirs = EditMarks.Text(versions.Theirs, "content_hash");
        if (ours.Length == 0 || ours != theirs)
        {
            return new ConflictProposal(null, false, "The contents differ; the store keeps their hashes, not the contents, and cannot merge them.", "fork");
        }

        byte[]? merged = FieldDiff.Merge(versions.Origin, versions.Ours, versions.Theirs, EditMarks.IsMark, out IReadOnlyList<string> clashes);
        return merged is not null
            ? new ConflictProposal(merged, true, "The contents are equal and the other fields do not clash.", "merge")
            : new ConflictProposal(null, false, $"The contents are equal, but both changed: {string.Join(", ", clashes)}.", "skip");
    }
}

/// <summary>Tasks: merged field by field; a status moves only the way a task may go.</summary>
internal sealed class TaskDriver : IConflictDriver
{
    private static readonly Dictionary<string, string[]> s_moves = new(StringComparer.Ordinal)
    {
        ["open"] = ["in_progress", "blocked", "done", "cancelled"],
        ["in_progress"] = ["blocked", "done", "cancelled", "open"],
        ["blocked"] = ["in_progress", "open", "cancelled"],
        ["done"] = [],
        ["cancelled"] = [],
    };

    public string ObjectType => "task";

    public string MergePolicy => "field_merge";

    public ConflictProposal Propose(ConflictVersions versions)
    {
        if (versions.Origin.IsEmpty)
        {
            return new ConflictProposal(null, false, "The version that both started from is not known, so who changed what cannot be told.", "fork");
        }

        byte[]? attributes = MergeAttributes(versions, out string? fault);
        if (attributes is null)
        {
            return new ConflictProposal(null, false, fault!, "fork");
        }

        ConflictVersions rest = new(With(versions.Origin, attributes), With(versions.Ours, attributes), With(versions.Theirs, attributes));
        byte[]? merged = FieldDiff.Merge(rest.Origin, rest.Ours, rest.Theirs, EditMarks.IsMark, out IReadOnlyList<string> clashes);
        return merged is not null
            ? new ConflictProposal(merged, true, "The two edits touch different fields, or agree.", "merge")
            : new ConflictProposal(null, false, $"Both changed: {string.Join(", ", clashes)}.", "fork");
    }

    // A task's own fields live in its attributes, so they are merged one level down, and status by the moves that a task may make.
    private static byte[]? MergeAttributes(ConflictVersions versions, out string? fault)
    {
        ReadOnlyMemory<byte> origin = Attributes(versions.Origin), ours = Attributes(versions.Ours), theirs = Attributes(versions.Theirs);
        string was = EditMarks.Text(origin, "status"), mine = EditMarks.Text(ours, "status"), other = EditMarks.Text(theirs, "status");
        string? status = was == mine ? other : was == other || mine == other ? mine : Later(mine, other);
        if (status is null || (was.Length > 0 && status != was && !CanMove(was, status)))
        {
            fault = $"The status went from '{was}' to '{mine}' here and to '{other}' there, which cannot both be.";
            return null;
        }

        byte[]? merged = FieldDiff.Merge(origin, ours, theirs, static field => field == "status", out IReadOnlyList<string> clashes);
        fault = merged is null ? $"Both changed: {string.Join(", ", clashes)}." : null;
        return merged is null ? null : WithStatus(merged, status);
    }

    // Of two moves the later one stands when the earlier could lead there, as in_progress leads to done.
    private static string? Later(string a, string b) => CanMove(a, b) && !CanMove(b, a) ? b : CanMove(b, a) && !CanMove(a, b) ? a : null;

    private static bool CanMove(string from, string to) => s_moves.TryGetValue(from, out string[]? next) && next.Contains(to, StringComparer.Ordinal);

    private static byte[] Attributes(ReadOnlyMemory<byte> document)
    {
        using JsonDocument json = JsonDocument.Parse(document);
        return json.RootElement.TryGetProperty("attributes", out JsonElement attributes) && attributes.ValueKind == JsonValueKind.Object ? System.Text.Encoding.UTF8.GetBytes(attributes.GetRawText()) : "{}"u8.ToArray();
    }

    private static byte[] WithStatus(byte[] attributes, string status) => status.Length == 0 ? attributes : JsonEdit.Set(attributes, "status", writer => writer.WriteStringValue(status));

    private static byte[] With(ReadOnlyMemory<byte> document, byte[] attributes) => JsonEdit.Set(document, "attributes", writer => writer.WriteRawValue(attributes));
}

/// <summary>Memory facts: append-only. Both stand; which one holds is said by an invalidation, never by overwriting.</summary>
internal sealed class MemoryFactDriver : IConflictDriver
{
    public string ObjectType => "memory_fact";

    public string MergePolicy => "append_with_invalidation";

    public ConflictProposal Propose(ConflictVersions versions) => EditMarks.Text(versions.Ours, "attributes", "statement") == EditMarks.Text(versions.Theirs, "attributes", "statement")
        ? new ConflictProposal(versions.Ours.ToArray(), true, "Both state the same.", "merge")
        : new ConflictProposal(null, false, "Facts are not merged: both are kept, and an invalidation says which holds.", "fork");
}

/// <summary>Policy documents: the stronger one wins when it answers every question at least as strongly; else a person decides.</summary>
internal sealed class PolicyDocumentDriver : IConflictDriver
{
    public string ObjectType => "policy_document";

    public string MergePolicy => "stronger_wins";

    public ConflictProposal Propose(ConflictVersions versions)
    {
        if (Read(versions.Ours) is not { } ours || Read(versions.Theirs) is not { } theirs)
        {
            return new ConflictProposal(null, false, "One of the two is not a policy that can be compared.", "skip");
        }

        bool oursCovers = ours.IsAtLeastAsStrongAs(theirs), theirsCovers = theirs.IsAtLeastAsStrongAs(ours);
        return oursCovers ? new ConflictProposal(versions.Ours.ToArray(), true, "The policy in the store is at least as strong in every rule.", "merge")
            : theirsCovers ? new ConflictProposal(versions.Theirs.ToArray(), true, "The other policy is stronger in every rule.", "merge")
            : new ConflictProposal(null, false, "Each is stronger somewhere; which one holds is for a person to say.", "skip");
    }

    private static PolicyRules? Read(ReadOnlyMemory<byte> document)
    {
        using JsonDocument json = JsonDocument.Parse(document);
        return json.RootElement.TryGetProperty("attributes", out JsonElement attributes) && attributes.ValueKind == JsonValueKind.Object && attributes.TryGetProperty("policy", out JsonElement policy)
            && PolicyRules.TryParse(System.Text.Encoding.UTF8.GetBytes(policy.GetRawText()), out PolicyRules? rules, out _) ? rules : null;
    }
}
