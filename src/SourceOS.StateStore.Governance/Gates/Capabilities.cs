// Why this file exists: which capability a change needs, and the names of all of them, in one table. Invariants: a kind that is not named here needs `administer`,
// so that a kind added later is closed until someone decides.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Names of capabilities that actors and leases hold.</summary>
public static class Capabilities
{
    /// <summary>Read records and events in scope.</summary>
    public const string Read = "read";

    /// <summary>Add and change objects, append events.</summary>
    public const string Write = "write";

    /// <summary>Delete; with <see cref="Administer"/> also purge.</summary>
    public const string Delete = "delete";

    /// <summary>Resolve conflicts, approve and apply agents' transactions.</summary>
    public const string Merge = "merge";

    /// <summary>Repair durable state, release what is quarantined.</summary>
    public const string Repair = "repair";

    /// <summary>Register schemas and migrate objects.</summary>
    public const string MigrateSchema = "migrate_schema";

    /// <summary>Export, back up, bundle.</summary>
    public const string Export = "export";

    /// <summary>Plan replication and imports.</summary>
    public const string Replicate = "replicate";

    /// <summary>Register and revoke actors, devices, profiles, keys; grant leases; decide; load policy; set and clear holds.</summary>
    public const string Administer = "administer";

    /// <summary>Act and read without being bound to one profile.</summary>
    public const string StoreWide = "store_wide";

    /// <summary>All of them, in the order in which they are shown.</summary>
    public static IReadOnlyList<string> All { get; } = [Read, Write, Delete, Merge, Repair, MigrateSchema, Export, Replicate, Administer, StoreWide];

    /// <summary>What a change needs.</summary>
    /// <param name="change">The change.</param>
    /// <returns>A capability.</returns>
    public static string NeededFor(in ProposedChange change)
    {
        if (change.Action == EventAction.None)
        {
            return Write;
        }

        bool deletes = change.Action != EventAction.Put;
        return change.Kind switch
        {
            RecordKind.Object or RecordKind.Operation or RecordKind.Task or RecordKind.Observation or RecordKind.Plan or RecordKind.Conflict => deletes ? Delete : Write,

            // Proposing is what an agent without write rights is for; what the transaction may become is judged by its status.
            RecordKind.Transaction => deletes ? Delete : Read,
            RecordKind.Schema or RecordKind.Migration => MigrateSchema,
            RecordKind.Report => Repair,

            // A decision that allows gives something away; one that refuses or asks for a review is what policy said of a plan.
            RecordKind.Decision => deletes || Slots.Text(Slots.Open(change.Body), Slots.Decision.Effect) == "allow" ? Administer : Write,
            _ => Administer,
        };
    }
}
