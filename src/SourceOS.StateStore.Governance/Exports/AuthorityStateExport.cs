// Why this file exists: what each actor may do now, as the files that agent-registry's look-up resolves. Invariants: one file an actor; authority follows from its record, and from leases nothing is added: a look-up that
// missed a lapse would grant what is gone; whoever is revoked or quarantined has nothing.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `authority-state` format.</summary>
internal static class AuthorityStateExport
{
    private const string Policy = "policy:sourceos-statestore:actor-restoration";

    public static IEnumerable<(string Path, Action<Stream> Write)> Files(ExportContext context)
    {
        foreach (StoredRecord record in context.Records(RecordKind.Actor))
        {
            yield return ($"agent-authority-current-state.{ContractsExport.NameOf(record.Id)}.json", stream => ExportFormats.WriteDocument(stream, writer => Write(context, record, writer)));
        }
    }

    private static void Write(ExportContext context, StoredRecord record, Utf8JsonWriter writer)
    {
        ActorFacts actor = ActorFacts.Of(record.Id, record.Sequence, record.IsTombstone, Slots.Open(record.Body));
        string status = actor.IsRevoked ? "revoked"
            : actor.Trust == "quarantined" ? "suspended"
            : actor.Capabilities.Contains(Capabilities.Read) && actor.Capabilities.Contains(Capabilities.Write) ? "active" : "reduced";
        string decision = $"trustops-agent-authority-decision:statestore:{context.Status.StoreId:D}:{record.Sequence}";
        bool isGone = status is "revoked" or "suspended";
        writer.WriteString("schemaVersion"u8, "agent-registry.agent-authority-current-state.v0.1"u8);
        writer.WriteString("recordType"u8, "AgentAuthorityCurrentState"u8);
        writer.WriteString("stateId"u8, $"agent-authority-current-state:{record.Id}:{status}");
        writer.WriteString("agentRef"u8, record.Id);
        writer.WriteString("computed_at"u8, ExportContext.Time(context.Now));
        writer.WriteString("authority_status"u8, status);
        writer.WriteString("effective_decision_ref"u8, decision);
        Documents.WriteList(writer, "source_decision_refs", [decision]);
        Documents.WriteList(writer, "evidenceRefs", [$"event:{record.Sequence}"]);
        WriteEffects(writer, actor, status, isGone);
        writer.WriteBoolean("restoration_required"u8, isGone);
        if (isGone)
        {
            writer.WriteString("restoration_policy_ref"u8, Policy);
            Documents.WriteList(writer, "restoration_conditions", ["an administrator of the store writes the actor's record again"]);
        }

        // The hash names the exact record that this was computed from.
        writer.WriteString("receipt_hash"u8, $"sha256:{Checksum.Sha256(record.ToJson())}");
        writer.WriteStartObject("labels"u8);
        writer.WriteString("actor_type"u8, actor.Type);
        writer.WriteString("trust_level"u8, actor.Trust);
        writer.WriteEndObject();
    }

    private static void WriteEffects(Utf8JsonWriter writer, ActorFacts actor, string status, bool isGone)
    {
        string Of(bool isHeld) => isGone ? status : isHeld ? "unchanged" : "reduced";
        writer.WriteStartObject("authorityEffects"u8);
        writer.WriteString("toolAccess"u8, Of(actor.Capabilities.Contains(Capabilities.Write)));
        writer.WriteString("memoryAccess"u8, Of(actor.Capabilities.Contains(Capabilities.Read)));

        // What an agent proposes is approved by somebody else unless it may merge by itself.
        writer.WriteString("autonomousExecution"u8, isGone ? status : actor.Capabilities.Contains(Capabilities.Merge) ? "unchanged" : "require-human-approval");
        writer.WriteString("routeEligibility"u8, Of(actor.Capabilities.Contains(Capabilities.Read)));
        writer.WriteString("egressMode"u8, isGone ? "blocked" : actor.Capabilities.Contains(Capabilities.Export) ? "unchanged" : "restricted");
        writer.WriteEndObject();
    }
}
