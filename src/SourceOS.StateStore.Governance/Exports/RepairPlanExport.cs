// Why this file exists: a repair's plan as repair plan v1alpha1, also for a store that cannot be opened. Invariants: it is a preview, so no destructive step stands among its steps: what gives up durable data, and what a
// person must decide, is listed as blocked with its reason.

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `repair-plan` format.</summary>
public static class RepairPlanExport
{
    /// <summary>The format's name.</summary>
    public const string Name = "repair-plan";

    /// <summary>Writes a plan's fields.</summary>
    /// <param name="plan">The plan, as <see cref="StoreRepair.Plan"/> made it.</param>
    /// <param name="now">The time that the document carries.</param>
    /// <param name="writer">Where to; inside an object.</param>
    public static void Write(RepairPlan plan, DateTimeOffset now, Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(writer);
        bool isNeeded = plan.Steps.Count > 0 || plan.HumanReview.Count > 0;
        writer.WriteString("schema"u8, "sourceos.repair-plan/v1alpha1"u8);
        writer.WriteString("generated_at"u8, ExportContext.Time(now));

        // The plan is made by reading the store itself, not from a report of it.
        writer.WriteStartObject("source_report"u8);
        writer.WriteNull("schema"u8);
        writer.WriteString("component"u8, "sourceos-statestore"u8);
        writer.WriteNull("generated_at"u8);
        writer.WriteString("plan_hash"u8, plan.PlanHash);
        writer.WriteEndObject();
        writer.WriteString("plan_id"u8, $"repair-plan-{plan.PlanHash[..16]}");
        writer.WriteString("status"u8, "preview"u8);
        writer.WriteString("severity"u8, plan.IsBlocked ? "critical"u8 : plan.IsDestructive ? "error"u8 : isNeeded ? "warning"u8 : "info"u8);
        writer.WriteString("summary"u8, Summary(plan, isNeeded));
        WritePolicy(plan, isNeeded, writer);
        writer.WriteStartArray("preconditions"u8);
        WriteCheck(writer, "plan_fits_store", $"planning again gives plan hash {plan.PlanHash}");
        WriteCheck(writer, "no_writer", "no process has the store open for writing");
        writer.WriteEndArray();
        writer.WriteStartObject("checkpoint"u8);
        writer.WriteBoolean("required"u8, isNeeded);
        writer.WriteString("type"u8, isNeeded ? "quarantine"u8 : "none"u8);
        writer.WriteBoolean("write_audit_record"u8, isNeeded);
        writer.WriteEndObject();
        WriteSteps(plan, isNeeded, writer);
        WriteRollback(plan, isNeeded, writer);
        Documents.WriteList(writer, "postconditions", isNeeded
            ? ["statestore verify finds the store clean", $"events lost whatever is done: {plan.LostEvents.ToString(CultureInfo.InvariantCulture)}", $"records lost whatever is done: {plan.LostRecords.ToString(CultureInfo.InvariantCulture)}"]
            : ["the store stays as it is"]);
    }

    private static string Summary(RepairPlan plan, bool isNeeded) => !isNeeded ? "Nothing needs repair."
        : plan.HumanReview.Count > 0 ? plan.HumanReview[0]
        : $"{plan.Steps.Count} steps restore what is derived; nothing durable is given up.";

    private static void WritePolicy(RepairPlan plan, bool isNeeded, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("policy"u8);
        writer.WriteString("engine"u8, "local-rules"u8);
        Documents.WriteList(writer, "required_grants", isNeeded ? [Gates.Capabilities.Repair] : []);
        Documents.WriteList(writer, "destructive_grants_required", plan.IsDestructive ? [Gates.Capabilities.Repair, "accept-loss"] : []);
        writer.WriteBoolean("destructive_actions_present"u8, false);
        writer.WriteEndObject();
    }

    private static void WriteCheck(Utf8JsonWriter writer, string id, string check)
    {
        writer.WriteStartObject();
        writer.WriteString("id"u8, id);
        writer.WriteString("status"u8, "required"u8);
        writer.WriteString("check"u8, check);
        writer.WriteEndObject();
    }

    private static void WriteSteps(RepairPlan plan, bool isNeeded, Utf8JsonWriter writer)
    {
        writer.WriteStartArray("steps"u8);
        int order = 0;
        foreach (RepairStep step in plan.Steps.Where(static step => !step.IsDestructive))
        {
            string rebuilds = step.Rebuilds.Length > 0 ? $"made again: {step.Rebuilds}" : "";
            string quarantines = step.Quarantines.Length > 0 ? $"set aside: {step.Quarantines}" : "";
            string[] results = [rebuilds, quarantines, step.Preserves.Length > 0 ? $"kept: {step.Preserves}" : ""];
            string result = string.Join("; ", results.Where(static text => text.Length > 0));
            WriteStep(writer, ++order, KindOf(step), $"{KindOf(step)} on {step.Target}", result.Length > 0 ? result : "done");
        }

        if (order == 0)
        {
            WriteStep(writer, 1, isNeeded ? "await_decision" : "no_op", isNeeded ? "A person decides about what is listed as blocked." : "Nothing needs repair.", "The store stays as it is.");
        }

        writer.WriteEndArray();
        writer.WriteStartArray("blocked_steps"u8);
        foreach (RepairStep step in plan.Steps.Where(static step => step.IsDestructive))
        {
            WriteBlocked(writer, $"{KindOf(step)}-{step.Order}", $"It gives up durable data ({step.Target}); somebody has to accept that: statestore repair --apply --accept-loss.");
        }

        for (int i = 0; i < plan.HumanReview.Count; i++)
        {
            WriteBlocked(writer, $"review-{i + 1}", plan.HumanReview[i]);
        }

        writer.WriteEndArray();
    }

    private static string KindOf(RepairStep step) => DoorError.SnakeCase(step.Action.ToString());

    private static void WriteStep(Utf8JsonWriter writer, int order, string kind, string description, string expected)
    {
        writer.WriteStartObject();
        writer.WriteNumber("order"u8, order);
        writer.WriteString("id"u8, $"{kind}-{order}");
        writer.WriteString("kind"u8, kind);
        writer.WriteBoolean("destructive"u8, false);
        writer.WriteString("description"u8, description);
        writer.WriteString("expected_result"u8, expected);
        writer.WriteEndObject();
    }

    private static void WriteBlocked(Utf8JsonWriter writer, string id, string reason)
    {
        writer.WriteStartObject();
        writer.WriteString("id"u8, id);
        writer.WriteString("reason"u8, reason);
        writer.WriteEndObject();
    }

    // Only a fence can be undone as a whole; what is made again from the log has nothing behind it to go back to, and what it replaces is set aside.
    private static void WriteRollback(RepairPlan plan, bool isNeeded, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("rollback"u8);
        writer.WriteBoolean("available"u8, !isNeeded || plan.IsDestructive);
        writer.WriteString("strategy"u8, !isNeeded ? "nothing is done"
            : plan.IsDestructive ? "statestore repair rollback puts the store back that was set aside, as long as nothing was written since"
            : "what is made again is derived from the log; replaced bytes stay in quarantine");
        writer.WriteBoolean("requires_operator_approval"u8, isNeeded);
        writer.WriteEndObject();
    }
}
