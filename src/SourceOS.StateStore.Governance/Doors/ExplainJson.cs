// Why this file exists: the eleven answers as every door shows them to programs. Invariants: the keys are the doors' contract; always eleven answers, in order.

using System.Text.Json;
using SourceOS.StateStore.Governance.Explain;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>The eleven answers as JSON.</summary>
public static class ExplainJson
{
    /// <summary>Writes the answers as a JSON object.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="report">The answers.</param>
    public static void Write(Utf8JsonWriter writer, ExplainReport report)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(report);
        writer.WriteStartObject();
        writer.WriteString("object"u8, report.ObjectId);
        writer.WriteNumber("asOf"u8, report.AsOf);
        writer.WriteStartArray("answers"u8);
        foreach (ExplainAnswer answer in report.Answers)
        {
            writer.WriteStartObject();
            writer.WriteNumber("number"u8, answer.Number);
            writer.WriteString("question"u8, answer.Question);
            writer.WriteString("value"u8, answer.Value);
            writer.WriteString("sentence"u8, answer.Sentence);
            writer.WriteStartArray("evidence"u8);
            foreach (string evidence in answer.Evidence)
            {
                writer.WriteStringValue(evidence);
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
