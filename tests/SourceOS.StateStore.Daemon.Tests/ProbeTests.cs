// Why this file exists: probes decide whether others go on, so their words must be true of the store: sound, missing, damaged, replaced while the daemon runs; and others' schemas must accept them.

using System.Text.Json;

namespace SourceOS.StateStore.Daemon.Tests;

public sealed class ProbeTests
{
    [Fact]
    public async Task A_sound_store_is_live_ready_and_reported_in_shapes_that_others_accept()
    {
        using DaemonStore store = new();
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path);
        (int status, JsonElement health) = await daemon.GetAsync("/healthz");
        Assert.Equal(200, status);
        Assert.True(health.GetProperty("live").GetBoolean());
        (status, JsonElement ready) = await daemon.GetAsync("/readyz");
        Assert.Equal(200, status);
        Assert.Equal("healthy", ready.GetProperty("status").GetString());
        Assert.True(ready.GetProperty("ready").GetBoolean());
        (status, JsonElement report) = await daemon.GetAsync("/statez");
        Assert.Equal(200, status);
        Interop.Accepts("sourceos.state-integrity-report.v1alpha1.schema.json", report);
        Assert.Equal("healthy", report.GetProperty("diagnosis").GetProperty("status").GetString());
        (status, JsonElement plan) = await daemon.GetAsync("/repairz");
        Assert.Equal(200, status);
        Interop.Accepts("sourceos.repair-plan.v1alpha1.schema.json", plan);
        Assert.Equal("info", plan.GetProperty("severity").GetString());
    }

    [Fact]
    public async Task A_store_that_is_not_there_is_said_so_is_not_made_and_is_found_once_somebody_makes_it()
    {
        using DaemonStore store = new(isInitialised: false);
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path);
        foreach (string path in (string[])["/readyz", "/statez", "/repairz", "/events", "/objects/note:shown"])
        {
            (int status, JsonElement answer) = await daemon.GetAsync(path);
            Assert.Equal(503, status);
            Assert.True(answer.TryGetProperty("error", out JsonElement error) ? error.GetProperty("code").GetString() == "not_initialized" : answer.GetProperty("status").GetString() == "uninitialized", answer.ToString());
        }

        Assert.Equal(200, (await daemon.GetAsync("/healthz")).Status);
        Assert.Contains("sourceos_statestore_up 0\n", await daemon.Client.GetStringAsync(new Uri("/metrics", UriKind.Relative)), StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(store.Root));
        store.Initialise();
        Assert.Equal(200, (await daemon.GetAsync("/objects/note:shown")).Status);
        Directory.Delete(store.Path, recursive: true);
        Assert.Equal(503, (await daemon.GetAsync("/objects/note:shown")).Status);
        store.Initialise();
        store.Write(DaemonStore.Object("note:again"));
        Assert.Equal(200, (await daemon.GetAsync("/objects/note:again")).Status);
    }

    [Fact]
    public async Task The_page_of_a_state_that_cannot_be_read_still_shows_where_the_damage_lies()
    {
        using DaemonStore store = new();
        string state = System.IO.Path.Combine(store.Path, "state", "g1", "data.mdb");
        byte[] bytes = File.ReadAllBytes(state);
        byte[] wanted = "note:shown"u8.ToArray();
        for (int at = bytes.AsSpan().IndexOf(wanted), next; at >= 0; at = next < 0 ? -1 : at + 1 + next)
        {
            bytes[at] = 0xFF;
            next = bytes.AsSpan(at + 1).IndexOf(wanted);
        }

        File.WriteAllBytes(state, bytes);
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path);
        string text = "";
        for (int i = 0; !text.Contains("<li class=bad>state/g1/data.mdb", StringComparison.Ordinal); i++)
        {
            // Until the check of the whole store has ended nothing may be called sound.
            Assert.DoesNotContain("<li class=good>", text, StringComparison.Ordinal);
            Assert.True(i < 600, text);
            using HttpResponseMessage page = await daemon.Client.GetAsync(new Uri("/", UriKind.Relative));
            text = await page.Content.ReadAsStringAsync();
            Assert.Equal(503, (int)page.StatusCode);
            Assert.Contains("class=word>unsafe<", text, StringComparison.Ordinal);
            await Task.Delay(100);
        }

        Assert.Contains("<li class=good>events/segment-00000000.log", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_log_is_unsafe_everywhere_and_its_preview_changes_nothing()
    {
        using DaemonStore store = new();
        string segment = Directory.EnumerateFiles(System.IO.Path.Combine(store.Path, "events")).Order(StringComparer.Ordinal).First();
        byte[] bytes = File.ReadAllBytes(segment);
        int at = Array.FindIndex(bytes, 20_000, static value => value != 0);
        bytes[at + 40] ^= 1;
        File.WriteAllBytes(segment, bytes);
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path);
        (int status, JsonElement ready) = await daemon.GetAsync("/readyz");
        for (int i = 0; status == 200; i++)
        {
            // What rotted long ago is found by the check of the whole store, which runs in the background from the start.
            Assert.True(i < 600, ready.ToString());
            await Task.Delay(100);
            (status, ready) = await daemon.GetAsync("/readyz");
        }

        Assert.Equal(503, status);
        Assert.Equal("unsafe", ready.GetProperty("status").GetString());
        using HttpResponseMessage page = await daemon.Client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Contains("unsafe", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        (status, JsonElement report) = await daemon.GetAsync("/statez");
        if (status == 200)
        {
            Assert.NotEqual("healthy", report.GetProperty("diagnosis").GetProperty("status").GetString());
            Assert.DoesNotContain(report.GetProperty("lanes").EnumerateArray(), static lane => lane.GetProperty("status").GetString() == "active");
        }

        (status, JsonElement plan) = await daemon.GetAsync("/repairz");
        Assert.Equal(200, status);
        Interop.Accepts("sourceos.repair-plan.v1alpha1.schema.json", plan);
        Assert.NotEqual("info", plan.GetProperty("severity").GetString());
        Assert.DoesNotContain(plan.GetProperty("steps").EnumerateArray(), static step => step.GetProperty("destructive").GetBoolean());
        Assert.Equal(bytes, File.ReadAllBytes(segment));
    }

    [Fact]
    public async Task Metrics_follow_the_text_format_and_the_store()
    {
        using DaemonStore store = new();
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path);
        ulong sequence = store.Write(DaemonStore.Object("note:counted"));
        string text = await daemon.Client.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        Assert.Contains($"\nsourceos_statestore_sequence {sequence}\n", text, StringComparison.Ordinal);
        Assert.Contains("sourceos_statestore_health{status=\"healthy\"} 1\n", text, StringComparison.Ordinal);
        string type = "";
        foreach (string line in text.TrimEnd('\n').Split('\n'))
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                type = line.Split(' ')[2];
            }
            else if (!line.StartsWith('#'))
            {
                Assert.Matches("^sourceos_statestore_[a-z_]+(\\{[a-z]+=\"[a-z0-9_-]+\"\\})? [0-9.E+]+$", line);
                Assert.StartsWith(type, line, StringComparison.Ordinal);
            }
        }
    }
}
