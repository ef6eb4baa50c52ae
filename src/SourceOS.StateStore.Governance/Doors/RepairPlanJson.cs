// Why this file exists: a repair's plan as every door shows it to programs; `repair --apply --plan` reads its hash back. Invariants: the keys are the doors' contract; losses are named by sequence.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>Repair plans as JSON.</summary>
public static class RepairPlanJson
{
    /// <summary>Writes a plan, and what came of it, as a JSON object.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="outcome">What applying it did; null when it was not applied.</param>
    public static void Write(Utf8JsonWriter writer, RepairPlan plan, RepairOutcome? outcome)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(plan);
        writer.WriteStartObject();
        writer.WriteString("planHash"u8, plan.PlanHash);
        writer.WriteStartArray("steps"u8);
        foreach (RepairStep step in plan.Steps)
        {
            writer.WriteStartObject();
            writer.WriteNumber("order"u8, step.Order);
            writer.WriteString("action"u8, DoorError.SnakeCase(step.Action.ToString()));
            writer.WriteString("target"u8, step.Target);
            writer.WriteString("preserves"u8, step.Preserves);
            writer.WriteString("rebuilds"u8, step.Rebuilds);
            writer.WriteString("quarantines"u8, step.Quarantines);
            writer.WriteBoolean("destructive"u8, step.IsDestructive);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartObject("loss"u8);
        writer.WriteNumber("events"u8, plan.LostEvents);
        writer.WriteNumber("records"u8, plan.LostRecords);
        writer.WriteStartArray("sequences"u8);
        foreach (SequenceRange range in plan.LostRanges)
        {
            writer.WriteStartArray();
            writer.WriteNumberValue(range.First);
            writer.WriteNumberValue(range.Last);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteStartArray("humanReview"u8);
        foreach (string review in plan.HumanReview)
        {
            writer.WriteStringValue(review);
        }

        writer.WriteEndArray();
        if (outcome is not null)
        {
            writer.WriteString("outcome"u8, outcome.Outcome);
            writer.WriteString("reportId"u8, outcome.ReportId);
        }

        writer.WriteEndObject();
    }
}
