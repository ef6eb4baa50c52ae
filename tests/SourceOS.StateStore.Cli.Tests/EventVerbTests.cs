// Why this file exists: the event stream as the command line shows it: in order, filtered rightly, followed live, and not forged.

using System.Diagnostics;
using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class EventVerbTests
{
    [Fact]
    public void An_event_is_appended_and_the_log_finds_it_by_every_filter()
    {
        using Statestore store = Statestore.Initialised();
        store.RunWith("""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:1"}""", null, "put", "objects").Exits(0);
        JsonElement appended = store.Run("event", "append", "app.note.opened", "--object", "note:1", "--data", """{ "n": [1, 2] }""", "--json").Exits(0).Json;
        ulong sequence = appended.GetProperty("sequence").GetUInt64();
        store.Run("event", "append", "app.quiet").Exits(0);

        JsonElement item = Assert.Single(store.Run("log", "--type", "app.note.*", "--json").Exits(0).Lines);
        Assert.Equal(sequence, item.GetProperty("sequence").GetUInt64());
        Assert.Equal("app.note.opened", item.GetProperty("type").GetString());
        Assert.Equal("note:1", item.GetProperty("object").GetString());
        Assert.Equal("none", item.GetProperty("action").GetString());
        Assert.Equal("""{"n":[1,2]}""", item.GetProperty("data").GetRawText());

        Assert.Equal(2, store.Run("log", "--object", "note:1", "--json").Lines.Count);
        Assert.Equal([1UL, 2], Sequences(store.Run("log", "--from", "1", "--to", "2", "--json")));
        Assert.Equal([1UL, 2, 3], Sequences(store.Run("log", "--from", "1", "--limit", "3", "--json")));
        Assert.Equal([sequence, sequence + 1], Sequences(store.Run("log", "--limit", "2", "--json")));
        Assert.Empty(store.Run("log", "--actor", "actor:nobody", "--json").Exits(0).Out);
        Assert.Contains("app.quiet", store.Run("log", "--limit", "1").Exits(0).Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sync.object.created", 4)]
    [InlineData("sync", 4)]
    [InlineData("Upper.Case", 8)]
    [InlineData("a..b", 8)]
    [InlineData("", 8)]
    public void Reserved_and_malformed_types_are_refused(string type, int exit)
    {
        using Statestore store = Statestore.Initialised();
        store.Run("event", "append", type).Exits(exit);
    }

    [Fact]
    public void Data_that_is_not_one_json_value_is_refused()
    {
        using Statestore store = Statestore.Initialised();
        foreach (string data in (string[])["", "{", "1 2", new string('[', 70) + new string(']', 70), "\"" + new string('x', 70_000) + "\""])
        {
            store.Run("event", "append", "a.b", "--data", data).Exits(8);
        }

        store.Run("event", "append", "a.b", "--object", "").Exits(8);
    }

    [Fact]
    public async Task Follow_shows_the_past_and_then_what_another_process_commits_and_ends_at_ctrl_c()
    {
        using Statestore store = Statestore.Initialised();
        using Process follower = store.Start(null, "log", "--follow", "--json", "--type", "app.*");
        try
        {
            store.Run("event", "append", "app.one").Exits(0);
            Assert.Equal("app.one", await NextAsync(follower));
            store.Run("event", "append", "other.event").Exits(0);
            store.Run("event", "append", "app.two").Exits(0);
            Assert.Equal("app.two", await NextAsync(follower));
            Process.Start("kill", ["-INT", $"{follower.Id}"]).WaitForExit();
            Assert.True(follower.WaitForExit(60_000));
            Assert.Equal(130, follower.ExitCode);
        }
        finally
        {
            if (!follower.HasExited)
            {
                follower.Kill();
            }
        }
    }

    [Fact]
    public async Task A_reader_that_closes_the_pipe_ends_the_program_quietly()
    {
        using Statestore store = Statestore.Initialised();
        using Process shell = Process.Start(new ProcessStartInfo("/bin/bash")
        {
            ArgumentList = { "-c", $"'{AppContext.BaseDirectory}statestore' --store '{store.StorePath}' log --json | head -n 1; echo \"${{PIPESTATUS[0]}}\"" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> error = shell.StandardError.ReadToEndAsync();
        string output = await shell.StandardOutput.ReadToEndAsync();
        Assert.True(shell.WaitForExit(60_000));
        Assert.Equal("", await error);
        Assert.EndsWith("\n0\n", output, StringComparison.Ordinal);
    }

    private static async Task<string?> NextAsync(Process follower)
    {
        string? line = await follower.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return JsonDocument.Parse(line!).RootElement.GetProperty("type").GetString();
    }

    private static IEnumerable<ulong> Sequences(Answer answer) => answer.Exits(0).Lines.Select(static line => line.GetProperty("sequence").GetUInt64());
}
