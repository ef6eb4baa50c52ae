// Why this file exists: which workspace a tree is, and its own record. Invariants: a workspace's identifier never silently moves from one tree
// that exists to another, because that would remove everything known of the first; without a given identifier the same path finds the same workspace.

using System.Buffers;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Finds and describes the workspace object of a tree.</summary>
internal static class WorkspaceRecord
{
    private static readonly int ProfileClassSlot = RecordKinds.Get(RecordKind.Profile).TryGetField("profile_class", out KnownField? field)
        ? field.Slot
        : throw new InvalidOperationException("The format has no profile field 'profile_class'.");

    /// <summary>The identifier of the workspace of a tree.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="root">The tree's absolute path.</param>
    /// <param name="given">The identifier that the caller asks for, or null.</param>
    /// <exception cref="StateStoreException">The given workspace is another tree, which still exists.</exception>
    public static string Resolve(ReadSnapshot snapshot, string root, string? given)
    {
        if (given is not null)
        {
            string? other = RootOf(snapshot, given);
            if (other is not null && other != root && Directory.Exists(other))
            {
                throw new StateStoreException(
                    StateStoreErrorCode.InvalidInput,
                    $"Workspace '{given}' is the tree at {other}, which still exists; adopting {root} under that name would remove everything known of it.",
                    next: "Give this tree a workspace of its own with --workspace.");
            }

            return given;
        }

        string name = System.IO.Path.GetFileName(root);
        string plain = "workspace:" + Shorten(name.Length == 0 ? "root" : name);
        string? rootOfPlain = RootOf(snapshot, plain);
        return rootOfPlain is null && snapshot.Get(RecordKind.Object, plain) is null or { IsTombstone: true } || rootOfPlain == root
            ? plain
            : $"{plain}-{Checksum.Sha256(Encoding.UTF8.GetBytes(root)).ToString()[..8]}";
    }

    /// <summary>The change that records the workspace; null when the record says it already.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="root">The tree's absolute path.</param>
    /// <param name="privacyClass">The privacy class of a new workspace.</param>
    /// <param name="identity">Who adopts.</param>
    /// <param name="now">The time.</param>
    public static AdoptedChange? Change(ReadSnapshot snapshot, string workspaceId, string root, string privacyClass, SessionIdentity identity, DateTimeOffset now)
    {
        StoredRecord? known = snapshot.Get(RecordKind.Object, workspaceId);
        if (known is { IsTombstone: false } && RootOf(known) == root)
        {
            return null;
        }

        RecordBodyBuilder builder = new();
        if (known is { IsTombstone: false } && RecordBodyView.TryRead(known.Body.Span, out RecordBodyView body, out _))
        {
            builder.CopyFrom(body);
        }
        else
        {
            builder.SetText(ObjectFields.ObjectType, "workspace"u8);
            builder.SetText(ObjectFields.SchemaId, "schema:workspace:v1"u8);
            builder.SetText(ObjectFields.SchemaVersion, "v1"u8);
            builder.SetText(ObjectFields.CreatedByActor, identity.ActorId);
            builder.SetTime(ObjectFields.CreatedAt, now);
            builder.SetText(ObjectFields.PrivacyClass, privacyClass);
            builder.SetText(ObjectFields.SyncVisibility, "local_only"u8);
            builder.SetText(ObjectFields.RetentionClass, "normal"u8);
            builder.SetText(ObjectFields.Lane, "normal"u8);
            builder.SetText(ObjectFields.Durability, "durable"u8);
        }

        builder.SetText(ObjectFields.WorkspaceId, workspaceId);
        SetUnlessEmpty(builder, ObjectFields.ProfileId, identity.ProfileId);
        SetUnlessEmpty(builder, ObjectFields.OwningDevice, identity.DeviceId);
        builder.SetText(ObjectFields.LastModifiedByActor, identity.ActorId);
        builder.SetTime(ObjectFields.UpdatedAt, now);
        builder.SetText(ObjectFields.State, "active"u8);
        builder.SetText(ObjectFields.Title, System.IO.Path.GetFileName(root) is { Length: > 0 } name ? name : root);
        builder.SetJson(ObjectFields.Attributes, RootJson(root));
        return new AdoptedChange(workspaceId, builder.Build(), new ChangeOptions { WorkspaceId = workspaceId });
    }

    /// <summary>The privacy class that objects of a profile start with.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="profileId">The profile, or empty.</param>
    public static string PrivacyClassOf(ReadSnapshot snapshot, string profileId)
    {
        string? profileClass = profileId.Length == 0 ? null : Text(snapshot.Get(RecordKind.Profile, profileId), ProfileClassSlot);
        return profileClass switch
        {
            "personal" => "personal",
            "work" or "lab" => "work",
            "public_open_source" => "public",
            _ => "confidential",
        };
    }

    /// <summary>The tree of a workspace; null when there is none.</summary>
    internal static string? RootOf(ReadSnapshot snapshot, string workspaceId) =>
        snapshot.Get(RecordKind.Object, workspaceId) is { IsTombstone: false } record ? RootOf(record) : null;

    private static string? RootOf(StoredRecord record)
    {
        if (!RecordBodyView.TryRead(record.Body.Span, out RecordBodyView body, out _) || !body.TryGetJson(ObjectFields.Attributes, out ReadOnlySpan<byte> json))
        {
            return null;
        }

        Utf8JsonReader reader = new(json);
        return JsonDocument.TryParseValue(ref reader, out JsonDocument? document) && document is not null
            ? ReadRoot(document)
            : null;
    }

    private static string? ReadRoot(JsonDocument document)
    {
        using (document)
        {
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("root"u8, out JsonElement root) && root.ValueKind == JsonValueKind.String
                ? root.GetString()
                : null;
        }
    }

    private static byte[] RootJson(string root)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("root"u8, root);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static string? Text(StoredRecord? record, int slot) =>
        record is { IsTombstone: false } && RecordBodyView.TryRead(record.Body.Span, out RecordBodyView body, out _) && body.TryGetText(slot, out ReadOnlySpan<byte> text)
            ? Encoding.UTF8.GetString(text)
            : null;

    private static void SetUnlessEmpty(RecordBodyBuilder builder, int slot, string text)
    {
        if (text.Length > 0)
        {
            builder.SetText(slot, text);
        }
    }

    // A folder's name has at most 255 bytes and may hold what an identifier may not.
    private static string Shorten(string name)
    {
        StringBuilder text = new();
        int bytes = 0;
        foreach (Rune rune in name.EnumerateRunes())
        {
            Rune kept = Rune.IsControl(rune) ? new Rune('_') : rune;
            bytes += kept.Utf8SequenceLength;
            if (bytes > 160)
            {
                break;
            }

            text.Append(kept.ToString());
        }

        return text.ToString();
    }
}
