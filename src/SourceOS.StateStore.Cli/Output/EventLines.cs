// Why this file exists: an event as one line, for people or as JSON. Invariants: an erased event shows that it was there and nothing else; --follow prints
// each line as it comes, so lines for people have fixed columns instead of measured ones.

using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Output;

/// <summary>Writes events.</summary>
internal sealed class EventLines(VerbContext context)
{
    private long _count;

    /// <summary>Writes one event.</summary>
    public void Write(StoredEvent item)
    {
        _count++;
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer => WriteJson(writer, item));
        }
        else
        {
            WriteText(item);
        }
    }

    /// <summary>Makes what was written visible now.</summary>
    public void Flush() => context.Out.Flush();

    /// <summary>Ends the list.</summary>
    public void Finish()
    {
        if (_count == 0 && !context.Json)
        {
            context.Messages.Info("No events.");
        }
    }

    /// <summary>Writes an event as a JSON object.</summary>
    public static void WriteJson(Utf8JsonWriter writer, StoredEvent item)
    {
        writer.WriteStartObject();
        writer.WriteNumber("sequence"u8, item.Sequence);
        writer.WriteNumber("frame"u8, item.FrameNumber);
        writer.WriteNumber("commit"u8, item.CommitId);
        writer.WriteString("committedAt"u8, Units.ExactTime(item.CommittedAt));
        if (item.IsErased)
        {
            writer.WriteBoolean("erased"u8, true);
            writer.WriteEndObject();
            return;
        }

        writer.WriteString("type"u8, item.Type);
        writer.WriteString("lane"u8, item.Lane.ToString().ToLowerInvariant());
        writer.WriteString("action"u8, item.Action.ToString().ToLowerInvariant());
        writer.WriteString("occurredAt"u8, Units.ExactTime(item.OccurredAt));
        WriteUnlessEmpty(writer, "kind", item.SubjectKind is { } kind ? RecordKinds.Get(kind).Name : "");
        WriteUnlessEmpty(writer, "object", item.SubjectId);
        WriteUnlessEmpty(writer, "actor", item.ActorId);
        WriteUnlessEmpty(writer, "device", item.DeviceId);
        WriteUnlessEmpty(writer, "profile", item.ProfileId);
        WriteUnlessEmpty(writer, "workspace", item.WorkspaceId);
        WriteUnlessEmpty(writer, "decision", item.DecisionId);
        if (item.PreviousSequence != 0)
        {
            writer.WriteNumber("previousSequence"u8, item.PreviousSequence);
        }

        if (item.IsBootCritical)
        {
            writer.WriteBoolean("bootCritical"u8, true);
        }

        if (!item.DataJson.IsEmpty)
        {
            writer.WritePropertyName("data"u8);
            writer.WriteRawValue(item.DataJson.Span);
        }

        writer.WriteEndObject();
    }

    private void WriteText(StoredEvent item)
    {
        string head = $"{item.Sequence,8}  {Units.Time(item.CommittedAt)}  ";
        if (item.IsErased)
        {
            context.Out.WriteLine(head + context.Style.Dim("(erased)"));
            return;
        }

        string subject = item.SubjectId.Length == 0 ? "" : "  " + TerminalText.Clean(item.SubjectId);
        string actor = item.ActorId.Length == 0 ? "" : context.Style.Dim("  by " + TerminalText.Clean(item.ActorId));
        context.Out.WriteLine($"{head}{TerminalText.Clean(item.Type),-28}{subject}{actor}");
    }

    private static void WriteUnlessEmpty(Utf8JsonWriter writer, string name, string text)
    {
        if (text.Length > 0)
        {
            writer.WriteString(name, text);
        }
    }
}
