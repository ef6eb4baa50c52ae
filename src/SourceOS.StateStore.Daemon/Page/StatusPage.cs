// Why this file exists: a small page for people: health, lanes, latest events, conflicts, and where in the store damage lies. Invariants: one document without script and without anything from elsewhere; every text of the store is
// encoded; it shows what the reader's scope covers; a store that cannot be read gets a page that says why and what to do.

using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using SourceOS.StateStore.Daemon.Http;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Hosting;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Daemon.Page;

/// <summary>The page.</summary>
internal sealed class StatusPage(StateStoreAccess access)
{
    private const int EventsShown = 20;
    private const int EventsLooked = 500;
    private const int ConflictsShown = 10;
    private const int ConflictsLooked = 1_000;
    private const int FindingsShown = 20;
    private const int FilesShown = 64;

    /// <summary>Adds the endpoint.</summary>
    /// <param name="routes">Where to.</param>
    public void Map(IEndpointRouteBuilder routes) => routes.Map("/", (RequestDelegate)PageAsync);

    private async Task PageAsync(HttpContext context)
    {
        StringBuilder body = new(16 << 10);
        int status = StatusCodes.Status200OK;
        string title;
        try
        {
            PageFacts facts = access.Read(Read);
            VerificationReport report = await Readiness.WorstAsync(access, context.RequestAborted).ConfigureAwait(false);
            Readiness readiness = Readiness.Of(facts.Glance, report);
            title = readiness.Status;
            WriteHealth(body, facts.Glance, readiness);
            WriteCounts(body, facts.Glance);
            WriteLanes(body, facts.Glance);
            WriteMap(body, report);
            WriteConflicts(body, facts.Conflicts);
            WriteEvents(body, facts.Events);
        }
        catch (StateStoreException exception)
        {
            DoorError error = DoorError.Of(exception, access.Options.StorePath);
            title = DoorError.HealthOf(exception.Code);
            status = StatusCodes.Status503ServiceUnavailable;
            WriteBanner(body, title, error.Message, error.Next);
        }

        string page = PageFrame.Wrap(title, body.ToString());
        await Answers.BytesAsync(context, Encoding.UTF8.GetBytes(page), "text/html; charset=utf-8", status).ConfigureAwait(false);
    }

    private PageFacts Read(ReadSnapshot snapshot)
    {
        ReadScope scope = access.Scope(snapshot);
        List<StoredEvent> events = [];
        ulong at = snapshot.Sequence;
        for (int looked = 0; at > 0 && looked < EventsLooked && events.Count < EventsShown; at--, looked++)
        {
            if (snapshot.ReadEvent(at) is { } item && scope.Allows(item))
            {
                events.Add(item);
            }
        }

        List<StoredRecord> conflicts = [.. snapshot.Range(RecordKind.Conflict).ToList(ConflictsLooked).Where(record => scope.Allows(record) && record.Text("status") is not ("resolved" or "closed")).Take(ConflictsShown)];
        return new PageFacts(StoreGlance.Of(snapshot), events, conflicts);
    }

    private static void WriteHealth(StringBuilder body, StoreGlance glance, Readiness readiness)
    {
        WriteBanner(body, readiness.Status, readiness.Summary, readiness.Next);
        body.Append("<dl class=facts>");
        Fact(body, "Sequence", $"{Number(glance.Status.Sequence)}{(glance.Status.DurableSequence > glance.Status.Sequence ? $" ({Number(glance.Status.DurableSequence)} durable)" : "")}");
        Fact(body, "Last commit", glance.Status.LastCommitAt is { } last ? DoorTimes.Exact(last) : "none");
        Fact(body, "Log", Size(glance.Status.LogLengthBytes));
        Fact(body, "State", $"{Size(glance.Status.StateLengthBytes)}, generation {Number(glance.Status.StateGeneration)}");
        Fact(body, "Store", glance.Status.StoreId.ToString("D"));
        Fact(body, "Root", glance.Status.LogRoot);
        body.Append("</dl>");
    }

    private static void WriteBanner(StringBuilder body, string status, string summary, string next)
    {
        body.Append("<section class=\"banner ").Append(Encode(status)).Append("\" role=status><p class=word>").Append(Encode(status)).Append("</p><p>").Append(Encode(summary)).Append("</p>");
        if (next.Length > 0)
        {
            body.Append("<p>Next: <code>").Append(Encode(next)).Append("</code></p>");
        }

        body.Append("</section>");
    }

    private static void WriteCounts(StringBuilder body, StoreGlance glance)
    {
        body.Append("<section><h2>Records</h2><ul class=tiles>");
        foreach ((string name, ulong value) in glance.Counts())
        {
            body.Append("<li><b>").Append(Number(value)).Append("</b> ").Append(Encode(name)).Append("</li>");
        }

        body.Append("</ul></section>");
    }

    private static void WriteLanes(StringBuilder body, StoreGlance glance)
    {
        body.Append("<section><h2>Lanes</h2><div class=wide><table><thead><tr><th scope=col>Lane<th scope=col>Events<th scope=col>Last sequence<th scope=col>Last event</tr></thead><tbody>");
        foreach (LaneStatus lane in glance.Status.Lanes)
        {
            Row(body, StoreGlance.NameOf(lane), Number(lane.Events), lane.Events == 0 ? "" : Number(lane.LastSequence), lane.LastEventAt is { } at ? DoorTimes.Exact(at) : "");
        }

        body.Append("</tbody></table></div></section>");
    }

    private static void WriteMap(StringBuilder body, VerificationReport report)
    {
        body.Append("<section><h2>Integrity</h2><p>").Append(report.Level == VerificationLevel.Quick ? "Quick check: " : "Whole store: ").Append(Encode(report.Verdict.ToString().ToLowerInvariant())).Append(", ").Append(Size(report.BytesChecked)).Append(" read. The complete check is <code>statestore verify</code>.</p><ul class=map>");
        foreach (FileAccount file in report.Files.Take(FilesShown))
        {
            Cell(body, file.File, file.FindingCount);
        }

        foreach (TableAccount table in report.Tables)
        {
            Cell(body, $"table {table.Table}", table.FindingCount);
        }

        body.Append("</ul>");
        if (report.Files.Count > FilesShown)
        {
            body.Append("<p>And ").Append(Number((ulong)(report.Files.Count - FilesShown))).Append(" more files.</p>");
        }

        if (report.Findings.Count > 0)
        {
            body.Append("<div class=wide><table><thead><tr><th scope=col>Finding<th scope=col>Where<th scope=col>What</tr></thead><tbody>");
            foreach (Finding finding in report.Findings.Take(FindingsShown))
            {
                Row(body, $"{finding.Severity.ToString().ToLowerInvariant()}: {finding.Code}", finding.Place.ToString(), finding.Message);
            }

            body.Append("</tbody></table></div>");
        }

        body.Append("</section>");
    }

    private static void WriteConflicts(StringBuilder body, List<StoredRecord> conflicts)
    {
        body.Append("<section><h2>Conflicts</h2>");
        if (conflicts.Count == 0)
        {
            body.Append("<p>None is open.</p></section>");
            return;
        }

        body.Append("<div class=wide><table><thead><tr><th scope=col>Conflict<th scope=col>Object<th scope=col>Kind<th scope=col>Status</tr></thead><tbody>");
        foreach (StoredRecord conflict in conflicts)
        {
            Row(body, conflict.Id, conflict.Text("object_id") ?? "", conflict.Text("conflict_type") ?? "", conflict.Text("status") ?? "");
        }

        body.Append("</tbody></table></div></section>");
    }

    private static void WriteEvents(StringBuilder body, List<StoredEvent> events)
    {
        body.Append("<section><h2>Latest events</h2><div class=wide><table><thead><tr><th scope=col>Sequence<th scope=col>When<th scope=col>Type<th scope=col>About<th scope=col>By</tr></thead><tbody>");
        foreach (StoredEvent item in events)
        {
            Row(body, Number(item.Sequence), DoorTimes.Exact(item.CommittedAt), item.IsErased ? "erased" : item.Type, item.IsErased ? "" : item.SubjectId, item.IsErased ? "" : item.ActorId);
        }

        body.Append("</tbody></table></div></section>");
    }

    private static void Fact(StringBuilder body, string name, string value) =>
        body.Append("<div><dt>").Append(name).Append("</dt><dd>").Append(Encode(value)).Append("</dd></div>");

    private static void Cell(StringBuilder body, string name, long findings) =>
        body.Append("<li class=").Append(findings > 0 ? "bad" : "good").Append('>').Append(Encode(name)).Append(findings > 0 ? $": {findings.ToString(CultureInfo.InvariantCulture)} findings" : "").Append("</li>");

    private static void Row(StringBuilder body, params ReadOnlySpan<string> cells)
    {
        body.Append("<tr>");
        foreach (string cell in cells)
        {
            body.Append("<td>").Append(Encode(cell)).Append("</td>");
        }

        body.Append("</tr>");
    }

    private static string Encode(string text) => HtmlEncoder.Default.Encode(text);

    private static string Number(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Size(long bytes) => bytes switch
    {
        < 1 << 10 => $"{bytes.ToString(CultureInfo.InvariantCulture)} B",
        < 1 << 20 => $"{(bytes / 1024.0).ToString("0.0", CultureInfo.InvariantCulture)} KiB",
        < 1 << 30 => $"{(bytes / 1048576.0).ToString("0.0", CultureInfo.InvariantCulture)} MiB",
        _ => $"{(bytes / 1073741824.0).ToString("0.0", CultureInfo.InvariantCulture)} GiB",
    };

    private sealed record PageFacts(StoreGlance Glance, List<StoredEvent> Events, List<StoredRecord> Conflicts);
}
