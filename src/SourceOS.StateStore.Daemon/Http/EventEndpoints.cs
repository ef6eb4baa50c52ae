// Why this file exists: the event stream over HTTP: pages, one event, and live (Server-Sent Events, WHATWG HTML 9.2). Invariants: events come in order, each once, only those that the reader may see; a page looks at a bounded number of
// events, whatever it finds, and says where to go on; a stream holds no snapshot while it waits and ends when the daemon stops.

using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Hosting;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Hosting;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>Events.</summary>
internal sealed class EventEndpoints(StateStoreAccess access, RequestCounts counts, IHostApplicationLifetime lifetime)
{
    /// <summary>Most events that a page shows.</summary>
    public const int MaxPage = 1_000;

    private const int DefaultPage = 100;
    private const int MaxLooked = 20_000;
    private const int MaxStreams = 16;
    private const int HeartbeatMs = 15_000;

    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Adds the endpoints.</summary>
    /// <param name="routes">Where to.</param>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.Map("/events", (RequestDelegate)EventsAsync);
        routes.Map("/events/{id}", (RequestDelegate)(context => OneAsync(context, JournalEventJson.Write)));
        routes.Map("/events/{id}/explain", (RequestDelegate)(context => OneAsync(context, JournalEventJson.WriteExplanation)));
    }

    private async Task EventsAsync(HttpContext context)
    {
        Query query = new(context.Request);
        ulong? from = query.Number("from", 1, ulong.MaxValue);
        ulong? to = query.Number("to", 1, ulong.MaxValue);
        int limit = (int)(query.Number("limit", 1, MaxPage) ?? DefaultPage);
        bool isNewestFirst = query.Text("order") switch
        {
            null or "asc" => false,
            "desc" => true,
            _ => false,
        };
        EventFilter filter = new(query.Id("object"), query.Id("actor"), query.Text("type"));
        bool isStream = query.Flag("stream") || context.Request.Headers.Accept.ToString().Contains("text/event-stream", StringComparison.Ordinal);
        if (!query.IsWhole() || (query.Text("order") is { } order && order is not ("asc" or "desc")))
        {
            await Answers.BadRequestAsync(context, query.Fault.Length > 0 ? query.Fault : "'order' is asc or desc.", query.Fault.Length > 0 ? query.Place : "query order").ConfigureAwait(false);
            return;
        }

        if (isStream)
        {
            await StreamAsync(context, filter, from).ConfigureAwait(false);
            return;
        }

        ReadOnlyMemory<byte> answer = access.Read(snapshot => Page(snapshot, filter, from, to, limit, isNewestFirst));
        await Answers.BytesAsync(context, answer, "application/json; charset=utf-8").ConfigureAwait(false);
    }

    private ReadOnlyMemory<byte> Page(ReadSnapshot snapshot, EventFilter filter, ulong? from, ulong? to, int limit, bool isNewestFirst)
    {
        ReadScope scope = access.Scope(snapshot);
        ulong last = Math.Min(to ?? ulong.MaxValue, snapshot.Sequence);
        ulong first = from ?? 1;
        List<StoredEvent> found = [];
        ulong? next = null;
        int looked = 0;
        ulong at = isNewestFirst ? last : first;
        while (at >= first && at <= last && at > 0)
        {
            if (found.Count == limit || looked == MaxLooked)
            {
                next = at;
                break;
            }

            looked++;
            if (snapshot.ReadEvent(at) is { } item && scope.Allows(item) && filter.IsMatch(item))
            {
                found.Add(item);
            }

            at = isNewestFirst ? at - 1 : at + 1;
        }

        return Answers.Build(writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartArray("events"u8);
            foreach (StoredEvent item in found)
            {
                JournalEventJson.Write(writer, item);
            }

            writer.WriteEndArray();
            writer.WriteNumber("sequence"u8, snapshot.Sequence);
            if (next is { } sequence)
            {
                writer.WriteNumber("next"u8, sequence);
            }
            else
            {
                writer.WriteNull("next"u8);
            }

            writer.WriteEndObject();
        });
    }

    private async Task OneAsync(HttpContext context, Action<Utf8JsonWriter, StoredEvent> write)
    {
        string text = context.Request.RouteValues["id"] as string ?? "";
        if (!new Query(context.Request).IsWhole())
        {
            await Answers.BadRequestAsync(context, "An event takes no query.", "query").ConfigureAwait(false);
            return;
        }

        if (!JournalEventJson.TryParseId(text, out ulong sequence))
        {
            await Answers.BadRequestAsync(context, "An event's identifier is evt-00000001 or its sequence.", "path").ConfigureAwait(false);
            return;
        }

        StoredEvent? item = access.Read(snapshot => sequence <= snapshot.Sequence && snapshot.ReadEvent(sequence) is { } known && access.Scope(snapshot).Allows(known) ? known : null);
        if (item is null)
        {
            await Answers.NotFoundAsync(context, $"There is no event {sequence.ToString(CultureInfo.InvariantCulture)}.", $"event {sequence.ToString(CultureInfo.InvariantCulture)}").ConfigureAwait(false);
            return;
        }

        await Answers.JsonAsync(context, writer => write(writer, item)).ConfigureAwait(false);
    }

    private async Task StreamAsync(HttpContext context, EventFilter filter, ulong? from)
    {
        string lastId = context.Request.Headers["Last-Event-ID"].ToString();
        ulong seen = 0;
        if (lastId.Length > 0 && !JournalEventJson.TryParseId(lastId, out seen))
        {
            await Answers.BadRequestAsync(context, "Last-Event-ID is an event's identifier, evt-00000001.", "Last-Event-ID").ConfigureAwait(false);
            return;
        }

        (ReadScope scope, ulong start) = access.Read(snapshot => (access.Scope(snapshot), seen > 0 ? seen + 1 : from ?? (snapshot.Sequence + 1)));
        if (!counts.TryEnterStream(MaxStreams))
        {
            context.Response.Headers.RetryAfter = "5";
            await Answers.ErrorAsync(context, StatusCodes.Status503ServiceUnavailable, new DoorError("too_many_streams", $"There are {MaxStreams} streams already.", "", IsRetryable: true, Next: "Try again in some seconds.")).ConfigureAwait(false);
            return;
        }

        try
        {
            context.Response.ContentType = "text/event-stream; charset=utf-8";
            if (HttpMethods.IsHead(context.Request.Method))
            {
                return;
            }

            using CancellationTokenSource ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
            await SendAsync(context.Response, scope, filter, start, ends.Token).ConfigureAwait(false);
        }
        finally
        {
            counts.LeaveStream();
        }
    }

    private async Task SendAsync(HttpResponse response, ReadScope scope, EventFilter filter, ulong start, CancellationToken cancellationToken)
    {
        try
        {
            await response.Body.WriteAsync("retry: 2000\n\n"u8.ToArray(), cancellationToken).ConfigureAwait(false);
            await response.Body.FlushAsync(cancellationToken).ConfigureAwait(false);
            IAsyncEnumerator<StoredEvent> events = access.SubscribeAsync(start, cancellationToken).GetAsyncEnumerator(cancellationToken);
            await using (events.ConfigureAwait(false))
            {
                Task<bool> next = events.MoveNextAsync().AsTask();
                while (true)
                {
                    if (!await WaitAsync(next, cancellationToken).ConfigureAwait(false))
                    {
                        // A comment line keeps proxies and a reader that went away from waiting for ever.
                        await response.Body.WriteAsync(": waiting\n\n"u8.ToArray(), cancellationToken).ConfigureAwait(false);
                        await response.Body.FlushAsync(cancellationToken).ConfigureAwait(false);
                        continue;
                    }

                    if (!await next.ConfigureAwait(false))
                    {
                        return;
                    }

                    if (ReadScope.MayChangeBy(events.Current) || DateTimeOffset.UtcNow >= scope.ValidUntil)
                    {
                        // Who lost a right while following sees nothing more by it.
                        scope = access.Read(access.Scope);
                    }

                    if (scope.Allows(events.Current) && filter.IsMatch(events.Current))
                    {
                        await response.Body.WriteAsync(Message(events.Current), cancellationToken).ConfigureAwait(false);
                        await response.Body.FlushAsync(cancellationToken).ConfigureAwait(false);
                    }

                    next = events.MoveNextAsync().AsTask();
                }
            }
        }
        catch (ReadRefusedException)
        {
            // What the reader might see was taken away while it followed; the stream ends, and asking again gets the reason.
            return;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The reader has gone, or the daemon stops: what was sent stands, and Last-Event-ID goes on from there.
            return;
        }
    }

    private static async Task<bool> WaitAsync(Task next, CancellationToken cancellationToken)
    {
        if (next.IsCompleted)
        {
            return true;
        }

        using CancellationTokenSource heartbeat = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task first = await Task.WhenAny(next, Task.Delay(HeartbeatMs, heartbeat.Token)).ConfigureAwait(false);
        await heartbeat.CancelAsync().ConfigureAwait(false);
        return first == next;
    }

    private static byte[] Message(StoredEvent item)
    {
        ArrayBufferWriter<byte> json = new();
        using (Utf8JsonWriter writer = new(json, s_options))
        {
            JournalEventJson.Write(writer, item);
        }

        // One line of data: an escaped document has no line breaks of its own. The type is plain text of ours or a checked dotted name.
        return [.. Encoding.UTF8.GetBytes($"id: {JournalEventJson.IdOf(item.Sequence)}\nevent: {(item.IsErased ? "erased" : item.Type)}\ndata: "), .. json.WrittenSpan, .. "\n\n"u8];
    }

    private sealed record EventFilter(string? Object, string? Actor, string? Type)
    {
        private readonly string? _prefix = Type?.EndsWith(".*", StringComparison.Ordinal) == true ? Type[..^1] : null;

        public bool IsMatch(StoredEvent item) =>
            (Object is null || item.SubjectId == Object)
            && (Actor is null || item.ActorId == Actor)
            && (Type is null || item.Type == Type || (_prefix is not null && item.Type.StartsWith(_prefix, StringComparison.Ordinal)));
    }
}
