// Why this file exists: what a person wants to see of each kind at a glance. Invariants: every name is a known field of its kind (a test checks).

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Columns of the lists, beside identifier and sequence.</summary>
internal static class ListColumns
{
    /// <summary>A kind's columns: a header, and the fields of which the first that has a value is shown.</summary>
    public static IReadOnlyList<(string Header, string[] Fields)> Of(RecordKind kind) => kind switch
    {
        RecordKind.Object => [("TYPE", ["object_type"]), ("STATE", ["state"]), ("WORKSPACE", ["workspace_id"]), ("NAME", ["path", "title"]), ("UPDATED", ["updated_at"])],
        RecordKind.Actor => [("TYPE", ["actor_type"]), ("NAME", ["display_name"]), ("TRUST", ["trust_level"]), ("REVOKED", ["revoked_at"])],
        RecordKind.Identity => [("TYPE", ["identity_type"]), ("NAME", ["display_name"])],
        RecordKind.Membership => [("WORKSPACE", ["workspace_id"]), ("ACTOR", ["actor_id"]), ("ROLE", ["role"])],
        RecordKind.Lease => [("ACTOR", ["actor_id"]), ("CAPABILITY", ["capability"]), ("EXPIRES", ["expires_at"]), ("REVOKED", ["revoked_at"])],
        RecordKind.Device => [("NAME", ["display_name"]), ("TRUST", ["trust_level"]), ("STATE", ["device_state"]), ("REVOKED", ["revoked_at"])],
        RecordKind.Profile => [("NAME", ["display_name"]), ("CLASS", ["profile_class"])],
        RecordKind.Schema => [("TYPE", ["object_type"]), ("VERSION", ["schema_version"]), ("CONFLICTS", ["conflict_policy"])],
        RecordKind.Migration => [("SCHEMA", ["schema_id"]), ("FROM", ["from_version"]), ("TO", ["to_version"]), ("STATUS", ["status"])],
        RecordKind.Plan => [("OPERATION", ["operation_class"]), ("STATUS", ["status"]), ("EXPLANATION", ["user_explanation"])],
        RecordKind.Conflict => [("OBJECT", ["object_id"]), ("TYPE", ["conflict_type", "object_type"]), ("SEVERITY", ["severity"]), ("STATUS", ["status"]), ("EXPLANATION", ["user_explanation"])],
        RecordKind.Decision => [("EFFECT", ["effect"]), ("POLICY", ["policy_id"]), ("ACTOR", ["actor_id"]), ("OBJECT", ["object_id"]), ("DECIDED", ["decided_at"])],
        RecordKind.Transaction => [("ACTOR", ["actor_id"]), ("OPERATION", ["operation"]), ("STATUS", ["status"])],
        RecordKind.Report => [("TYPE", ["report_type"]), ("STATUS", ["status"]), ("SUMMARY", ["summary"]), ("COMPLETED", ["completed_at"])],
        RecordKind.Key => [("ACTOR", ["actor_id"]), ("ALGORITHM", ["algorithm"]), ("PURPOSE", ["purpose"]), ("REVOKED", ["revoked_at"])],
        RecordKind.Trust => [("SUBJECT", ["subject_id"]), ("CHANGE", ["change"]), ("ACTOR", ["actor_id"]), ("REASON", ["reason"])],
        RecordKind.Operation => [("TYPE", ["operation_type"]), ("STATUS", ["status"]), ("ACTOR", ["actor_id"])],
        RecordKind.Task => [("OPERATION", ["operation_id"]), ("TYPE", ["operation_type"]), ("STATUS", ["status"])],
        RecordKind.Observation => [("TYPE", ["event_type"]), ("OBJECT", ["object_id"]), ("OCCURRED", ["occurred_at"])],
        _ => [],
    };
}
