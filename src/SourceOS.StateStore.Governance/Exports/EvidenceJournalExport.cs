// Why this file exists: the events as a hash-chained journal that Python readers verify: each line's hash covers its canonical JSON and the hash before it. Invariants: lines are whole; the form that is hashed is
// PythonCanonical's.

using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `evidence-journal` format.</summary>
internal static class EvidenceJournalExport
{
    private static readonly string s_genesis = "sha256:" + new string('0', 64);

    public static IEnumerable<(string Path, Action<Stream> Write)> Files(ExportContext context) => [("", stream => Write(context, stream))];

    private static void Write(ExportContext context, Stream output)
    {
        string previous = s_genesis;
        foreach (StoredEvent item in context.Events())
        {
            SortedDictionary<string, string> fields = PythonCanonical.Fields();
            fields["action"] = PythonCanonical.Quote(item.Action.ToString().ToLowerInvariant());
            fields["actor"] = PythonCanonical.Quote(item.ActorId);
            fields["commit"] = PythonCanonical.Number(item.CommitId);
            fields["device"] = PythonCanonical.Quote(item.DeviceId);
            fields["erased"] = PythonCanonical.Boolean(item.IsErased);
            fields["event_id"] = PythonCanonical.Quote($"evt-{item.Sequence.ToString("D8", CultureInfo.InvariantCulture)}");
            fields["frame"] = PythonCanonical.Number(item.FrameNumber);
            fields["occurred_at"] = PythonCanonical.Quote(ExportContext.Time(item.OccurredAt));
            fields["previous_hash"] = PythonCanonical.Quote(previous);
            fields["profile"] = PythonCanonical.Quote(item.ProfileId);
            fields["sequence"] = PythonCanonical.Number(item.Sequence);
            fields["subject"] = PythonCanonical.Quote(item.SubjectId);
            fields["type"] = PythonCanonical.Quote(item.Type);
            fields["workspace"] = PythonCanonical.Quote(item.WorkspaceId);
            previous = PythonCanonical.Digest(PythonCanonical.Object(fields));
            fields["event_hash"] = PythonCanonical.Quote(previous);
            output.Write(Encoding.ASCII.GetBytes(PythonCanonical.Object(fields) + "\n"));
        }
    }
}
