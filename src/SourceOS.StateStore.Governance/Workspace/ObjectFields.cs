// Why this file exists: the adapter reads and writes object fields by slot; the numbers come from the one table of kinds, looked up once. Invariants: a
// missing field stops the process at start, never at the thousandth file.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Slots of the object fields that governance uses.</summary>
internal static class ObjectFields
{
    public static readonly int ObjectType = Slot("object_type");
    public static readonly int SchemaId = Slot("schema_id");
    public static readonly int SchemaVersion = Slot("schema_version");
    public static readonly int WorkspaceId = Slot("workspace_id");
    public static readonly int ProfileId = Slot("profile_id");
    public static readonly int OwningDevice = Slot("owning_device");
    public static readonly int CreatedByActor = Slot("created_by_actor");
    public static readonly int LastModifiedByActor = Slot("last_modified_by_actor");
    public static readonly int CreatedAt = Slot("created_at");
    public static readonly int UpdatedAt = Slot("updated_at");
    public static readonly int PrivacyClass = Slot("privacy_class");
    public static readonly int SyncVisibility = Slot("sync_visibility");
    public static readonly int RetentionClass = Slot("retention_class");
    public static readonly int ContentHash = Slot("content_hash");
    public static readonly int Lane = Slot("lane");
    public static readonly int State = Slot("state");
    public static readonly int Durability = Slot("durability");
    public static readonly int Path = Slot("path");
    public static readonly int SizeBytes = Slot("size_bytes");
    public static readonly int Mode = Slot("mode");
    public static readonly int ModifiedNs = Slot("mtime_ns");
    public static readonly int Title = Slot("title");
    public static readonly int Attributes = Slot("attributes");
    public static readonly int LinkTarget = Slot("link_target");

    private static int Slot(string name) => Slots.Of(RecordKind.Object, name);
}
