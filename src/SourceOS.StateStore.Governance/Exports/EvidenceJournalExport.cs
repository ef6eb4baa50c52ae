// Why this file exists: the events as a hash-chained journal that Python readers verify: each line's hash covers its canonical JSON and the hash before it. Invariants: canonical means sorted by code point, no spaces, every
// non-ASCII letter escaped, and no number that is not an integer, because floats do not survive other languages' canonical form.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;

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
            SortedDictionary<string, string> fields = new(CodePoints.Instance)
            {
                ["action"] = Quote(item.Action.ToString().ToLowerInvariant()),
                ["actor"] = Quote(item.ActorId),
                ["commit"] = Number(item.CommitId),
                ["device"] = Quote(item.DeviceId),
                ["erased"] = item.IsErased ? "true" : "false",
                ["event_id"] = Quote($"evt-{item.Sequence.ToString("D8", CultureInfo.InvariantCulture)}"),
                ["frame"] = Number(item.FrameNumber),
                ["occurred_at"] = Quote(ExportContext.Time(item.OccurredAt)),
                ["previous_hash"] = Quote(previous),
                ["profile"] = Quote(item.ProfileId),
                ["sequence"] = Number(item.Sequence),
                ["subject"] = Quote(item.SubjectId),
                ["type"] = Quote(item.Type),
                ["workspace"] = Quote(item.WorkspaceId),
            };
            previous = "sha256:" + Checksum.Sha256(Encoding.ASCII.GetBytes(Object(fields)));
            fields["event_hash"] = Quote(previous);
            output.Write(Encoding.ASCII.GetBytes(Object(fields) + "\n"));
        }
    }

    private static string Object(SortedDictionary<string, string> fields) => "{" + string.Join(',', fields.Select(static field => $"{Quote(field.Key)}:{field.Value}")) + "}";

    private static string Number(ulong value) => value.ToString(CultureInfo.InvariantCulture);

    // The escapes of Python's json.dumps with ensure_ascii: short ones where there are, else \u and four lower-case digits a UTF-16 unit.
    private static string Quote(string text)
    {
        StringBuilder quoted = new("\"");
        foreach (char letter in text)
        {
            _ = letter switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                '\b' => quoted.Append("\\b"),
                '\f' => quoted.Append("\\f"),
                < ' ' or > '~' => quoted.Append("\\u").Append(((int)letter).ToString("x4", CultureInfo.InvariantCulture)),
                _ => quoted.Append(letter),
            };
        }

        return quoted.Append('"').ToString();
    }

    private sealed class CodePoints : IComparer<string>
    {
        public static CodePoints Instance { get; } = new();

        // .NET compares UTF-16 units, in which letters beyond the first plane come before some of the first.
        public int Compare(string? x, string? y) => Encoding.UTF8.GetBytes(x ?? "").AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(y ?? ""));
    }
}
