// Why this file exists: the workspace card that a shell shows: what state a workspace is in, on which device, and what waits. Invariants: trouble is never hidden: a store that is not sound is failed, an open conflict comes
// before quarantine, quarantine before work under way; doors that this store does not have are stated as not available.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `workspace-state` format.</summary>
internal static class WorkspaceStateExport
{
    private const int MaxDecisions = 1000;

    public static void Write(ExportContext context, Utf8JsonWriter writer)
    {
        StateStoreStatus status = context.Status;
        bool isSound = context.Diagnosis == "healthy";
        bool hasConflict = context.Records(RecordKind.Conflict).Any(record => record.Text("status") is not ("resolved" or "closed") && InWorkspace(context, record))
            || AnyObject(context, "conflicted");
        bool hasQuarantine = AnyObject(context, "quarantined");
        bool isWorking = context.Records(RecordKind.Plan).Any(record => record.Text("status") == "running" && InWorkspace(context, record));
        string operation = !isSound ? "failed" : hasConflict ? "conflicted" : hasQuarantine ? "quarantined" : isWorking ? "syncing" : "stored";
        string reference = $"{context.WorkspaceId ?? "all"}:{status.StoreId:D}:{status.Sequence}";
        writer.WriteString("stateId"u8, $"urn:srcos:workspace-op-state:{reference}");
        writer.WriteString("specVersion"u8, "2.2.0"u8);
        writer.WriteString("projectedAt"u8, ExportContext.Time(context.Now));
        Documents.WriteOptional(writer, "workspaceRef", context.WorkspaceId);
        writer.WriteString("operationState"u8, operation);
        writer.WriteString("fileAvailabilityState"u8, hasConflict ? "conflicted"u8 : hasQuarantine ? "quarantined"u8 : isWorking ? "syncing"u8 : "local"u8);
        WriteDevice(context, writer);
        writer.WriteStartObject("syncStatus"u8);
        writer.WriteString("syncRef"u8, $"statestore:{status.StoreId:D}/{status.Sequence}");
        writer.WriteString("syncState"u8, !isSound ? "error"u8 : hasConflict ? "conflict"u8 : isWorking ? "syncing"u8 : "idle"u8);

        // The store does not sync by itself, so it knows of no last time, and what waits is for the one who syncs to say.
        writer.WriteNull("lastSyncedAt"u8);
        writer.WriteNull("pendingChangeCount"u8);
        writer.WriteEndObject();
        WriteEntryPoints(writer);
        writer.WriteStartObject("operationTrayProjection"u8);
        writer.WriteString("trayEntryRef"u8, $"urn:srcos:tray:{reference}");
        writer.WriteString("label"u8, context.WorkspaceId is { } workspace ? context.Snapshot.Get(RecordKind.Object, workspace)?.Text("title") ?? workspace : "SourceOS state store");
        writer.WriteString("badgeState"u8, !isSound ? "error"u8 : hasConflict ? "conflict"u8 : hasQuarantine ? "quarantined"u8 : isWorking ? "active"u8 : "idle"u8);
        writer.WriteEndObject();
        Documents.WriteList(writer, "policyDecisionRefs", context.Records(RecordKind.Decision).Where(record => InWorkspace(context, record)).Take(MaxDecisions).Select(static record => record.Id));
    }

    private static bool AnyObject(ExportContext context, string state)
    {
        foreach (RecordView record in context.Snapshot.ByIndex(IndexQuery.State(state)))
        {
            if (context.Scope.Allows(record) && (context.WorkspaceId is null || Slots.Workspace(RecordKind.Object, record.Body) == context.WorkspaceId))
            {
                return true;
            }
        }

        return false;
    }

    private static bool InWorkspace(ExportContext context, StoredRecord record) => context.WorkspaceId is null || record.Text("workspace_id") == context.WorkspaceId;

    private static void WriteDevice(ExportContext context, Utf8JsonWriter writer)
    {
        string? id = LocalIdentity.Device(context.Snapshot);
        StoredRecord? device = id is null ? null : context.Snapshot.Get(RecordKind.Device, id);
        writer.WriteStartObject("deviceIdentity"u8);
        writer.WriteString("deviceRef"u8, $"urn:srcos:device-identity:{id ?? context.Status.StoreId.ToString("D")}");
        writer.WriteString("trustProfile"u8, device?.Text("device_state") == "trusted" ? "device-only"u8 : "untrusted"u8);
        Documents.WriteOptional(writer, "deviceLabel", device?.Text("display_name"));
        writer.WriteEndObject();
    }

    private static void WriteEntryPoints(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("integrationEntryPoints"u8);
        foreach (string name in (string[])["turtleTerm", "bearBrowser", "agentMachine"])
        {
            writer.WriteStartObject(name);
            writer.WriteString("commandRef"u8, "statestore:none"u8);
            writer.WriteBoolean("available"u8, false);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }
}
