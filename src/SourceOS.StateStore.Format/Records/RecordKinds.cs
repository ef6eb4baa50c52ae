// Why this file exists: the table of kinds and their known fields, the code's copy of format-spec/records.md (a test compares the two).
// Invariants: a slot never changes its field; slot 0 is `schema` in every kind; immutable after start.

using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace SourceOS.StateStore.Format;

/// <summary>One kind of record.</summary>
public sealed class RecordKindInfo
{
    private readonly KnownField[] _slots;
    private readonly byte[][] _names;

    internal RecordKindInfo(RecordKind kind, string name, string plural, string schema, string idField, string fields)
    {
        Kind = kind;
        Name = name;
        PluralName = plural;
        Schema = schema;
        IdField = idField;
        List<KnownField> known = [new KnownField("schema", 0, FieldType.Text)];
        foreach (string part in fields.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            known.Add(new KnownField(part[..^2], known.Count, ParseType(part[^1])));
        }

        _slots = [.. known];
        _names = [.. known.Select(field => Encoding.UTF8.GetBytes(field.Name))];
        SchemaUtf8 = Encoding.UTF8.GetBytes(schema);
        IdFieldUtf8 = Encoding.UTF8.GetBytes(idField);
    }

    /// <summary>The kind.</summary>
    public RecordKind Kind { get; }

    /// <summary>Its name, for example `object`.</summary>
    public string Name { get; }

    /// <summary>The name of many, for example `objects`.</summary>
    public string PluralName { get; }

    /// <summary>The `schema` text of its JSON documents.</summary>
    public string Schema { get; }

    /// <summary>The name of its id field.</summary>
    public string IdField { get; }

    /// <summary><see cref="Schema"/> as UTF-8.</summary>
    public ReadOnlyMemory<byte> SchemaUtf8 { get; }

    /// <summary><see cref="IdField"/> as UTF-8.</summary>
    public ReadOnlyMemory<byte> IdFieldUtf8 { get; }

    /// <summary>Number of slots.</summary>
    public int SlotCount => _slots.Length;

    /// <summary>All known fields in slot order.</summary>
    public IReadOnlyList<KnownField> Fields => _slots;

    /// <summary>The field of a slot.</summary>
    /// <param name="slot">0 to <see cref="SlotCount"/> - 1.</param>
    /// <returns>The field.</returns>
    public KnownField FieldAt(int slot) => _slots[slot];

    /// <summary>The JSON name of a slot's field as UTF-8.</summary>
    /// <param name="slot">0 to <see cref="SlotCount"/> - 1.</param>
    /// <returns>The name.</returns>
    public ReadOnlySpan<byte> NameUtf8(int slot) => _names[slot];

    /// <summary>Finds a known field.</summary>
    /// <param name="name">Its JSON name.</param>
    /// <param name="field">The field when known.</param>
    /// <returns>Whether it is known.</returns>
    public bool TryGetField(string name, [NotNullWhen(true)] out KnownField? field)
    {
        // A kind has at most a few dozen fields, and early boot should not pay for tables that it never asks.
        field = Array.Find(_slots, known => string.Equals(known.Name, name, StringComparison.Ordinal));
        return field is not null;
    }

    /// <summary>Finds a known field without allocating.</summary>
    /// <param name="nameUtf8">Its JSON name.</param>
    /// <returns>Its slot, or -1.</returns>
    public int FindSlot(ReadOnlySpan<byte> nameUtf8)
    {
        for (int i = 0; i < _names.Length; i++)
        {
            if (nameUtf8.SequenceEqual(_names[i]))
            {
                return i;
            }
        }

        return -1;
    }

    private static FieldType ParseType(char code) => code switch
    {
        'T' => FieldType.Text,
        'I' => FieldType.Integer,
        'D' => FieldType.Time,
        'L' => FieldType.TextList,
        'B' => FieldType.Boolean,
        'H' => FieldType.Sha256,
        'J' => FieldType.Json,
        _ => throw new ArgumentOutOfRangeException(nameof(code), code, "Not a field type."),
    };
}

/// <summary>All kinds.</summary>
public static class RecordKinds
{
    private static readonly RecordKindInfo[] s_kinds =
    [
        new(RecordKind.Object, "object", "objects", "sourceos.object-record/v1alpha1", "object_id", "object_type:T schema_id:T schema_version:T workspace_id:T profile_id:T owner_identity:T owning_device:T created_by_actor:T last_modified_by_actor:T created_at:D updated_at:D privacy_class:T sync_visibility:T retention_class:T policy_tags:L provenance:L content_hash:H lane:T state:T durability:T path:T size_bytes:I mode:I mtime_ns:I title:T attributes:J link_target:T legal_hold:B policy_decision_ref:T"),
        new(RecordKind.Actor, "actor", "actors", "sourceos.actor-record/v1alpha1", "actor_id", "actor_type:T display_name:T identity_id:T workspace_scope:L profile_scope:L capabilities:L trust_level:T policy_subject:T signing_key_ref:T created_at:D revoked_at:D"),
        new(RecordKind.Identity, "identity", "identities", "sourceos.identity-record/v1alpha1", "identity_id", "identity_type:T display_name:T organization:T created_at:D revoked_at:D"),
        new(RecordKind.Membership, "membership", "memberships", "sourceos.workspace-membership/v1alpha1", "membership_id", "workspace_id:T actor_id:T identity_id:T role:T created_at:D revoked_at:D"),
        new(RecordKind.Lease, "lease", "leases", "sourceos.capability-lease/v1alpha1", "lease_id", "actor_id:T capability:T workspace_scope:L profile_scope:L granted_by:T policy_decision_ref:T created_at:D expires_at:D revoked_at:D"),
        new(RecordKind.Device, "device", "devices", "sourceos.device-record/v1alpha1", "device_id", "display_name:T trust_level:T device_state:T created_at:D revoked_at:D identity_id:T"),
        new(RecordKind.Profile, "profile", "profiles", "sourceos.profile-record/v1alpha1", "profile_id", "display_name:T profile_class:T organization:T created_at:D policy_tags:L revoked_at:D"),
        new(RecordKind.Schema, "schema", "schemas", "sourceos.schema-record/v1alpha1", "schema_id", "object_type:T schema_version:T required_fields:L field_owners:J migration_policy:T conflict_policy:T tombstone_policy:T sync_visibility:T retention_class:T json_schema:J downgrade_policy:T encryption:T indexing:J created_at:D"),
        new(RecordKind.Migration, "migration", "migrations", "sourceos.schema-migration/v1alpha1", "migration_id", "schema_id:T from_version:T to_version:T manifest:J signature:J status:T created_at:D updated_at:D"),
        new(RecordKind.Plan, "plan", "plans", "sourceos.sync-plan/v1alpha1", "plan_id", "source_actor:T target_actor:T profile_id:T workspace_id:T object_ids:L operation_class:T dependencies:L policy_decision_ref:T retry_policy:T conflict_policy:T status:T user_explanation:T created_at:D updated_at:D last_error:J"),
        new(RecordKind.Conflict, "conflict", "conflicts", "sourceos.conflict-record/v1alpha1", "conflict_id", "object_id:T object_type:T workspace_id:T profile_id:T actors:L devices:L schema_version:T severity:T merge_policy:T decision_card:J user_explanation:T created_at:D updated_at:D status:T conflict_type:T"),
        new(RecordKind.Decision, "decision", "decisions", "sourceos.policy-decision/v1alpha1", "decision_id", "effect:T policy_id:T policy_version:T actor_id:T object_id:T profile_id:T workspace_id:T rationale:T decided_at:D question:T rule_id:T expires_at:D"),
        new(RecordKind.Transaction, "transaction", "transactions", "sourceos.agent-object-transaction/v1alpha1", "transaction_id", "actor_id:T workspace_id:T profile_id:T object_ids:L operation:T status:T policy_decision_ref:T created_at:D updated_at:D changes:J base_sequences:J expires_at:D reviewed_by:T rationale:T"),
        new(RecordKind.Report, "report", "reports", "sourceos.repair-report/v1alpha1", "report_id", "report_type:T status:T actor_id:T created_at:D completed_at:D summary:T plan_hash:H steps:J counts:J findings:J loss:J"),
        new(RecordKind.Key, "key", "keys", "sourceos.key-record/v1alpha1", "key_id", "actor_id:T algorithm:T public_key:T purpose:T created_at:D revoked_at:D replaced_by:T"),
        new(RecordKind.Trust, "trust", "trusts", "sourceos.trust-change/v1alpha1", "change_id", "subject_id:T change:T previous:T actor_id:T reason:T created_at:D signature:J"),
        new(RecordKind.Operation, "operation", "operations", "sourceos.workspace-operation/v1alpha1", "operation_id", "local_operation_id:T remote_operation_id:T operation_type:T status:T workspace_id:T profile_id:T actor_id:T device_id:T encryption_profile_ref:T local_log_ref:T checkpoint_ref:T causal_parent_ids:L conflict_ids:L provisional_artifact_ids:J artifact_reconciliation:J policy_decision_ref:T artifact_admission_ref:T ledger_evidence_refs:L replay_safe:B stale_task:B lease_expired:B replay_idempotency_key:T created_at:D updated_at:D"),
        new(RecordKind.Task, "task", "tasks", "sourceos.operation-task/v1alpha1", "task_id", "operation_id:T operation_type:T status:T attempt:I idempotency_key:T policy_decision_ref:T evidence_refs:L created_at:D updated_at:D started_at:D completed_at:D remote_operation_id:T conflict_id:T checkpoint_ref:T replay_safe:B"),
        new(RecordKind.Observation, "observation", "observations", "sourceos.integrity-event/v1alpha1", "event_id", "event_type:T occurred_at:D summary:T actor_id:T object_id:T device_id:T profile_id:T workspace_id:T schema_version:T policy_decision_ref:T"),
    ];

    /// <summary>All kinds in code order.</summary>
    public static IReadOnlyList<RecordKindInfo> All => s_kinds;

    /// <summary>Whether a code is a kind.</summary>
    /// <param name="kind">The code.</param>
    /// <returns>True when it is.</returns>
    public static bool IsDefined(RecordKind kind) => kind is >= RecordKind.Object and <= RecordKind.Observation;

    /// <summary>What is known of a kind.</summary>
    /// <param name="kind">A defined kind.</param>
    /// <returns>Its row.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The kind is not defined.</exception>
    public static RecordKindInfo Get(RecordKind kind) =>
        IsDefined(kind) ? s_kinds[(byte)kind - 1] : throw new ArgumentOutOfRangeException(nameof(kind), kind, "Not a record kind.");

    /// <summary>Finds a kind by its name, singular or plural.</summary>
    /// <param name="name">For example `object` or `objects`.</param>
    /// <param name="info">The kind when found.</param>
    /// <returns>Whether there is one.</returns>
    public static bool TryParse(string name, [NotNullWhen(true)] out RecordKindInfo? info)
    {
        info = Array.Find(
            s_kinds, kind => string.Equals(kind.Name, name, StringComparison.Ordinal) || string.Equals(kind.PluralName, name, StringComparison.Ordinal));
        return info is not null;
    }

    /// <summary>Finds a kind by the `schema` text of a document.</summary>
    /// <param name="schemaUtf8">The text.</param>
    /// <param name="info">The kind when found.</param>
    /// <returns>Whether there is one.</returns>
    public static bool TryParseSchema(ReadOnlySpan<byte> schemaUtf8, [NotNullWhen(true)] out RecordKindInfo? info)
    {
        foreach (RecordKindInfo kind in s_kinds)
        {
            if (schemaUtf8.SequenceEqual(kind.SchemaUtf8.Span))
            {
                info = kind;
                return true;
            }
        }

        info = null;
        return false;
    }
}
