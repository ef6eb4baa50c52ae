// Why this file exists: the event stream over HTTP shows each event once and in order, in pages and live, and only what the reader may see.

using System.Text.Json;

namespace SourceOS.StateStore.Daemon.Tests;

public sealed class EventDoorTests
{
    [Fact]
    public async Task Pages_cover_the_log_once_in_both_directions_and_filters_keep_what_they_name()
    {
        using DaemonStore store = new();
        for (int i = 0; i < 7; i++)
        {
            store.Write(DaemonStore.Object($"note:{i}"), DaemonStore.Object($"note:{i}x"));
        }

        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path);
        List<ulong> up = await WalkAsync(daemon, "/events?limit=5", 1);
        List<ulong> down = await WalkAsync(daemon, "/events?limit=5&order=desc", null);
        Assert.Equal([.. up.Order()], up);
        Assert.Equal(Enumerable.Range(1, up.Count).Select(static item => (ulong)item), up);
        down.Reverse();
        Assert.Equal(up, down);
        (_, JsonElement page) = await daemon.GetAsync("/events?object=note:3&type=sync.object.*");
        JsonElement only = Assert.Single(page.GetProperty("events").EnumerateArray());
        Assert.Equal("note:3", only.GetProperty("object_id").GetString());
        Assert.Equal("sync.object.created", only.GetProperty("event_type").GetString());
        (int status, JsonElement one) = await daemon.GetAsync("/events/" + only.GetProperty("event_id").GetString());
        Assert.Equal(200, status);
        Assert.Equal(only.ToString(), one.ToString());
        (status, JsonElement explained) = await daemon.GetAsync("/events/" + only.GetProperty("event_id").GetString() + "/explain");
        Assert.Equal(200, status);
        foreach (string key in (string[])["event_id", "event_type", "summary", "actor_or_producer", "object_id", "created_at"])
        {
            Assert.NotEqual("", explained.GetProperty(key).GetString());
        }

        Assert.Equal(404, (await daemon.GetAsync("/events/999999")).Status);
    }

    [Fact]
    public async Task A_stream_shows_what_happens_once_each_goes_on_where_it_was_cut_and_ends_with_the_daemon()
    {
        using DaemonStore store = new();
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path);
        ulong first;
        using (SseReader live = await SseReader.OpenAsync(daemon, "/events?stream=1", null))
        {
            first = store.Write(DaemonStore.Object("note:live1"));
            Assert.Equal((first, "sync.object.created"), await live.NextAsync());
            ulong second = store.Write(DaemonStore.Object("note:live2"), DaemonStore.Object("note:live3"));
            Assert.Equal(second - 1, (await live.NextAsync()).Sequence);
            Assert.Equal(second, (await live.NextAsync()).Sequence);
        }

        using SseReader again = await SseReader.OpenAsync(daemon, "/events", $"evt-{first:D8}");
        Assert.Equal(first + 1, (await again.NextAsync()).Sequence);
        Assert.Equal(first + 2, (await again.NextAsync()).Sequence);
        Assert.Equal(0, await daemon.StopAsync());
        Assert.True(await again.IsEndedAsync());
    }

    [Fact]
    public async Task Streams_are_bounded_and_a_place_that_is_left_is_given_again()
    {
        using DaemonStore store = new();
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path);
        List<SseReader> open = [];
        try
        {
            for (int i = 0; i < 16; i++)
            {
                open.Add(await SseReader.OpenAsync(daemon, "/events?stream=1", null));
            }

            using HttpRequestMessage one = new(HttpMethod.Get, "/events?stream=1");
            using HttpResponseMessage refused = await daemon.Client.SendAsync(one, HttpCompletionOption.ResponseHeadersRead);
            Assert.Equal(503, (int)refused.StatusCode);
            Assert.Equal(200, (await daemon.GetAsync("/healthz")).Status);
        }
        finally
        {
            open.ForEach(static reader => reader.Dispose());
        }

        // The daemon learns that a reader has gone when it writes to it next.
        store.Write(DaemonStore.Object("note:wake"));
        for (int i = 0; ; i++)
        {
            using HttpRequestMessage next = new(HttpMethod.Get, "/events?stream=1");
            using HttpResponseMessage answer = await daemon.Client.SendAsync(next, HttpCompletionOption.ResponseHeadersRead);
            if (answer.IsSuccessStatusCode)
            {
                return;
            }

            Assert.True(i < 300, "No place was given back.");
            await Task.Delay(100);
        }
    }

    [Fact]
    public async Task A_reader_of_one_profile_sees_nothing_of_another_by_any_path()
    {
        using DaemonStore store = new();
        ulong hidden = store.Write(DaemonStore.Object("note:secret2", DaemonStore.Work));
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path, "--actor", DaemonStore.Bot);
        foreach (string path in (string[])["/objects/note:secret", "/objects/note:secret/explain", "/objects/note:secret?at=40", $"/events/{hidden}", $"/events/{hidden}/explain"])
        {
            (int status, JsonElement answer) = await daemon.GetAsync(path);
            Assert.True(status == 404, $"{path}: {status} {answer}");
        }

        string events = (await daemon.GetAsync("/events?limit=1000")).Json.ToString();
        Assert.Contains("note:shown", events, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", events, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", await daemon.Client.GetStringAsync(new Uri("/", UriKind.Relative)), StringComparison.Ordinal);
        using SseReader stream = await SseReader.OpenAsync(daemon, "/events?stream=1", null);
        store.Write(DaemonStore.Object("note:secret3", DaemonStore.Work));
        ulong shown = store.Write(DaemonStore.Object("note:shown3"));
        Assert.Equal(shown, (await stream.NextAsync()).Sequence);
    }

    private static async Task<List<ulong>> WalkAsync(DaemonProcess daemon, string path, ulong? first)
    {
        List<ulong> seen = [];
        bool isDown = path.Contains("desc", StringComparison.Ordinal);
        string at = first is { } from ? $"&from={from}" : "";
        while (true)
        {
            (int status, JsonElement page) = await daemon.GetAsync(path + at);
            Assert.Equal(200, status);
            seen.AddRange(page.GetProperty("events").EnumerateArray().Select(static item => item.GetProperty("sequence").GetUInt64()));
            if (page.GetProperty("next").ValueKind == JsonValueKind.Null)
            {
                return seen;
            }

            at = $"&{(isDown ? "to" : "from")}={page.GetProperty("next").GetUInt64()}";
        }
    }
}
