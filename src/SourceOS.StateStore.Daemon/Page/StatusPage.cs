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
            if (facts.LogFault is { } fault && readiness.IsReady)
            {
                // The check has not come this far yet; what was met here is known all the same.
                readiness = new Readiness(DoorError.HealthOf(fault.Code), "critical", DoorError.Of(fault, access.Options.StorePath).Message, "statestore doctor");
            }

            title = readiness.Status;
            WriteHealth(body, facts.Glance, readiness);
            WriteCounts(body, facts.Glance);
            body.Append("<div class=columns><div>");
            WriteMap(body, report);
            WriteConflicts(body, facts.Conflicts);
            body.Append("</div>");
            WriteLanes(body, facts.Glance);
            body.Append("</div>");
            WriteEvents(body, facts.Events, facts.LogFault);
        }
        catch (StateStoreException exception)
        {
            DoorError error = DoorError.Of(exception, access.Options.StorePath);
            title = DoorError.HealthOf(exception.Code);
            status = StatusCodes.Status503ServiceUnavailable;
            WriteBanner(body, title, error.Message, error.Next);
            await WriteMapOfUnreadableAsync(body, title, context.RequestAborted).ConfigureAwait(false);
        }

        string page = PageFrame.Wrap(title, body.ToString());
        await Answers.BytesAsync(context, Encoding.UTF8.GetBytes(page), "text/html; charset=utf-8", status).ConfigureAwait(false);
    }

    // A state that cannot be read still has files that can be checked, and where the damage lies is what a person wants to see then.
    private async Task WriteMapOfUnreadableAsync(StringBuilder body, string health, CancellationToken cancellationToken)
    {
        if (health != "unsafe")
        {
            return;
        }

        try
        {
            VerificationReport report = await Readiness.WorstAsync(access, cancellationToken).ConfigureAwait(false);
            if (report.Verdict != VerificationVerdict.Clean)
            {
                WriteMap(body, report);
                return;
            }

            // The quick check looks at little; a map that is all sound beside a state that cannot be read would mislead.
            body.Append("<section><h2>Integrity</h2><p>Where the damage lies is not known yet: the whole store is being checked. <code>statestore verify</code> tells it at once.</p></section>");
        }
        catch (StateStoreException exception)
        {
            body.Append("<section><h2>Integrity</h2><p>").Append(Encode($"The check did not end: {exception.Message}")).Append("</p></section>");
        }
    }

    private PageFacts Read(ReadSnapshot snapshot)
    {
        ReadScope scope = access.Scope(snapshot);
        List<StoredEvent> events = [];
        StateStoreException? logFault = ReadEvents(snapshot, scope, events);
        List<StoredRecord> conflicts = [.. snapshot.Range(RecordKind.Conflict).ToList(ConflictsLooked).Where(record => scope.Allows(record) && record.Text("status") is not ("resolved" or "closed")).Take(ConflictsShown)];
        return new PageFacts(StoreGlance.Of(snapshot), events, logFault, conflicts);
    }

    // The state may be whole where the log is not: what can be read is shown, and what stopped the reading is said.
    private static StateStoreException? ReadEvents(ReadSnapshot snapshot, ReadScope scope, List<StoredEvent> events)
    {
        ulong at = snapshot.Sequence;
        try
        {
            for (int looked = 0; at > 0 && looked < EventsLooked && events.Count < EventsShown; at--, looked++)
            {
                if (snapshot.ReadEvent(at) is { } item && scope.Allows(item))
                {
                    events.Add(item);
                }
            }
        }
        catch (StateStoreException exception) when (exception.Code == StateStoreErrorCode.LogDamaged)
        {
            return exception;
        }

        return null;
    }

    private static void WriteHealth(StringBuilder body, StoreGlance glance, Readiness readiness)
    {
        WriteBanner(body, readiness.Status, readiness.Summary, readiness.Next);
        body.Append("<dl class=facts>");
        Fact(body, "Sequence", $"{Number(glance.Status.Sequence)}{(glance.Status.DurableSequence > glance.Status.Sequence ? $" ({Number(glance.Status.DurableSequence)} durable)" : "")}");
        Fact(body, "Last commit", glance.Status.LastCommitAt is { } last ? Clock(last) : "none");
        Fact(body, "Log", Size(glance.Status.LogLengthBytes));
        Fact(body, "State", $"{Size(glance.Status.StateLengthBytes)}, generation {Number(glance.Status.StateGeneration)}");
        Fact(body, "Store", $"<code>{glance.Status.StoreId:D}</code>");
        Fact(body, "Root", $"<code>{Encode(glance.Status.LogRoot)}</code>");
        body.Append("</dl>");
    }

    private static void WriteBanner(StringBuilder body, string status, string summary, string next)
    {
        body.Append("<section class=\"banner ").Append(Encode(status)).Append("\" role=status><p class=word>").Append(Encode(status)).Append("</p><p>").Append(Advice(summary)).Append("</p>");
        if (next.Length > 0 && next != summary)
        {
            body.Append("<p>Next: ").Append(Advice(next)).Append("</p>");
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
        body.Append("<section><h2>Lanes</h2><div class=wide><table><thead><tr><th scope=col>Lane<th scope=col>Events<th scope=col>Last event</tr></thead><tbody>");
        foreach (LaneStatus lane in glance.Status.Lanes)
        {
            body.Append(lane.Events == 0 ? "<tr class=none>" : "<tr>");
            body.Append("<td>").Append(Encode(StoreGlance.NameOf(lane))).Append("<td>").Append(Number(lane.Events));
            body.Append("<td>").Append(lane.LastEventAt is { } at && lane.Events > 0 ? $"{Clock(at)}, {Number(lane.LastSequence)}" : "").Append("</tr>");
        }

        body.Append("</tbody></table></div></section>");
    }

    private static void WriteMap(StringBuilder body, VerificationReport report)
    {
        body.Append("<section><h2>Integrity</h2><p>").Append(report.Level == VerificationLevel.Quick ? "Quick check" : "Whole store").Append(": <b>").Append(Encode(report.Verdict.ToString().ToLowerInvariant())).Append("</b>, ").Append(Size(report.BytesChecked)).Append(" read. The complete check is <code>statestore verify</code>.</p><ul class=map>");
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
            // A message is a sentence or two, and the end of it is what helps: nothing of it is cut off on any width.
            body.Append("<ul class=findings>");
            foreach (Finding finding in report.Findings.Take(FindingsShown))
            {
                body.Append("<li><b>").Append(Encode($"{finding.Severity.ToString().ToLowerInvariant()}: {finding.Code}")).Append("</b> <code>").Append(Encode(finding.Place.ToString()));
                body.Append("</code><br>").Append(Advice(finding.Message)).Append("</li>");
            }

            body.Append("</ul>");
            if (report.Findings.Count > FindingsShown)
            {
                body.Append("<p>And ").Append(Number((ulong)(report.Findings.Count - FindingsShown))).Append(" more findings: <code>statestore verify</code>.</p>");
            }
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

        string[] heads = ["Conflict", "Object", "Kind", "Severity", "Status"];
        Head(body, heads);
        foreach (StoredRecord conflict in conflicts)
        {
            string kind = conflict.Text("conflict_type") ?? conflict.Text("object_type") ?? "";
            Row(body, heads, Encode(conflict.Id), Encode(conflict.Text("object_id") ?? ""), Encode(kind), Encode(conflict.Text("severity") ?? ""), Encode(conflict.Text("status") ?? "open"));
        }

        body.Append("</tbody></table></div></section>");
    }

    private static void WriteEvents(StringBuilder body, List<StoredEvent> events, StateStoreException? fault)
    {
        body.Append("<section><h2>Latest events</h2>");
        if (fault is not null)
        {
            body.Append("<p>What is older cannot be read: ").Append(Advice(fault.Summary)).Append(" <code>").Append(Encode(fault.Place)).Append("</code></p>");
        }

        if (events.Count == 0)
        {
            body.Append(fault is null ? "<p>There is none to show.</p></section>" : "</section>");
            return;
        }

        string[] heads = ["Sequence", "When", "Type", "About", "By"];
        Head(body, heads);
        foreach (StoredEvent item in events)
        {
            Row(body, heads, Number(item.Sequence), Clock(item.CommittedAt), Encode(item.IsErased ? "erased" : item.Type), Encode(item.IsErased ? "" : item.SubjectId), Encode(item.IsErased ? "" : item.ActorId));
        }

        body.Append("</tbody></table></div></section>");
    }

    private static void Fact(StringBuilder body, string name, string html) =>
        body.Append("<div><dt>").Append(name).Append("</dt><dd>").Append(html).Append("</dd></div>");

    private static void Cell(StringBuilder body, string name, long findings) =>
        body.Append("<li class=").Append(findings > 0 ? "bad" : "good").Append('>').Append(Encode(name)).Append(findings > 0 ? $": {findings.ToString(CultureInfo.InvariantCulture)} finding{(findings == 1 ? "" : "s")}" : "").Append("</li>");

    private static void Head(StringBuilder body, string[] heads)
    {
        body.Append("<div class=wide><table class=cards><thead><tr>");
        foreach (string head in heads)
        {
            body.Append("<th scope=col>").Append(head);
        }

        body.Append("</tr></thead><tbody>");
    }

    // On a phone each row becomes a card, and a cell says by itself what it is.
    private static void Row(StringBuilder body, string[] heads, params ReadOnlySpan<string> html)
    {
        body.Append("<tr>");
        for (int i = 0; i < html.Length; i++)
        {
            body.Append("<td data-head=").Append(heads[i]).Append('>').Append(html[i]);
        }

        body.Append("</tr>");
    }

    // Advice marks commands with backticks, or is a command as a whole; a person copies them from here.
    private static string Advice(string text)
    {
        if (text.StartsWith("statestore ", StringComparison.Ordinal))
        {
            return $"<code>{Encode(text)}</code>";
        }

        string[] parts = text.Split('`');
        StringBuilder html = new(text.Length + 32);
        for (int i = 0; i < parts.Length; i++)
        {
            bool isCode = i % 2 == 1 && i < parts.Length - 1;
            html.Append(isCode ? "<code>" : i % 2 == 1 ? "`" : "").Append(Encode(parts[i])).Append(isCode ? "</code>" : "");
        }

        return html.ToString();
    }

    private static string Clock(DateTimeOffset time) =>
        $"<time datetime=\"{DoorTimes.Exact(time)}\" title=\"{DoorTimes.Exact(time)}\">{time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)}</time>";

    private static string Encode(string text) => HtmlEncoder.Default.Encode(text);

    private static string Number(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Size(long bytes) => bytes switch
    {
        < 1 << 10 => $"{bytes.ToString(CultureInfo.InvariantCulture)} B",
        < 1 << 20 => $"{(bytes / 1024.0).ToString("0.0", CultureInfo.InvariantCulture)} KiB",
        < 1 << 30 => $"{(bytes / 1048576.0).ToString("0.0", CultureInfo.InvariantCulture)} MiB",
        _ => $"{(bytes / 1073741824.0).ToString("0.0", CultureInfo.InvariantCulture)} GiB",
    };

    private sealed record PageFacts(StoreGlance Glance, List<StoredEvent> Events, StateStoreException? LogFault, List<StoredRecord> Conflicts);
}
