// Why this file exists: an event as one line, for people or as JSON. Invariants: an erased event shows that it was there and nothing else; --follow prints
// each line as it comes, so lines for people have fixed columns instead of measured ones.

using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Governance.Doors;

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
            JsonLine.Write(context.Out, writer => EventJson.Write(writer, item));
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
}
