// Why this file exists: the pages of format-spec are complete only if a reader written from them alone agrees with the engine. Invariants: the
// reader (format-spec/reader/read.py) shares no code with the project; a store that it cannot read whole fails the test, and damage must not please it.

using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SourceOS.StateStore.Cli.Tests.Support;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class SecondReaderTests
{
    [Fact]
    public void A_reader_written_from_the_pages_reads_what_the_engine_wrote()
    {
        using Statestore store = Lived();
        (int exit, string[] lines) = Read(store.StorePath, "--records");
        JsonElement summary = JsonDocument.Parse(lines[0]).RootElement;
        Assert.True(exit == 0, lines[0]);
        JsonElement verify = store.Run("verify", "--json").Exits(0).Json;
        Assert.Equal(verify.GetProperty("root").GetString(), summary.GetProperty("root").GetString());
        Assert.Equal(verify.GetProperty("framesChecked").GetInt64(), summary.GetProperty("frames").GetInt64());
        Assert.True(summary.GetProperty("cleanClose").GetBoolean());

        Dictionary<string, JsonNode> theirs = ByIdentity(lines.Skip(1));
        List<string> ours = [];
        foreach (RecordKindInfo kind in RecordKinds.All)
        {
            ours.AddRange(store.Run("list", kind.PluralName, "--json").Exits(0).Out.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }

        Assert.Equal(ours.Count, theirs.Count);
        foreach ((string identity, JsonNode record) in ByIdentity(ours))
        {
            Assert.True(JsonNode.DeepEquals(record, theirs[identity]), $"{identity}: {record} and {theirs[identity]}");
        }
    }

    [Fact]
    public void It_sees_the_same_events_in_the_same_order()
    {
        using Statestore store = Lived();
        List<JsonElement> theirs = [.. Read(store.StorePath, "--events").Lines.Skip(1).Select(static line => JsonDocument.Parse(line).RootElement)];
        List<JsonElement> ours = store.Run("log", "--from", "1", "--json").Exits(0).Lines;
        Assert.Equal(ours.Count, theirs.Count);
        for (int i = 0; i < ours.Count; i++)
        {
            Assert.Equal(i + 1, theirs[i].GetProperty("sequence").GetInt32());
            Assert.Equal(ours[i].GetProperty("sequence").GetInt32(), theirs[i].GetProperty("sequence").GetInt32());
            Assert.Equal(ours[i].GetProperty("type").GetString(), theirs[i].GetProperty("type").GetString());
        }
    }

    [Fact]
    public void A_damaged_log_or_state_does_not_please_it()
    {
        using Statestore store = Lived();
        string segment = Path.Combine(store.StorePath, "events", "segment-00000000.log");
        string state = Directory.GetFiles(Path.Combine(store.StorePath, "state"), "data.mdb", SearchOption.AllDirectories).Single();
        Damage(store, segment, static bytes => bytes[32768 + 64 + 300] ^= 0x10);
        Damage(store, segment, static bytes => bytes[4096 + 60] ^= 0x10);
        Damage(store, Path.Combine(store.StorePath, "STORE"), static bytes => bytes[40] ^= 0x10);
        Damage(store, state, static bytes =>
        {
            // Pages that are free keep old copies, so every copy is hit.
            ReadOnlySpan<byte> text = "note:1499"u8;
            int at = 0;
            for (int step = bytes.AsSpan().IndexOf(text); step >= 0; step = bytes.AsSpan(at).IndexOf(text))
            {
                at += step;
                bytes[at] ^= 0x10;
            }
        });
        Assert.Equal(0, Read(store.StorePath, "--records").Exit);
    }

    [Fact]
    public void It_follows_a_fence_and_reads_what_stands_behind_it()
    {
        using Statestore store = Lived();
        byte[] bytes = File.ReadAllBytes(Path.Combine(store.StorePath, "events", "segment-00000000.log"));
        bytes[32768 + 64 + 300] ^= 0x10;
        File.WriteAllBytes(Path.Combine(store.StorePath, "events", "segment-00000000.log"), bytes);
        int records = RecordKinds.All.Sum(kind => store.Run("list", kind.PluralName, "--json").Exits(0).Lines.Count);
        JsonElement plan = store.Run("repair", "--json").Exits(6).Json;
        Assert.True(plan.GetProperty("steps")[0].GetProperty("destructive").GetBoolean());
        Assert.Equal("loss_not_accepted", store.Run("repair", "--apply", "--json").Exits(4).JsonError.GetProperty("code").GetString());
        JsonElement applied = store.Run("repair", "--apply", "--accept-loss", "--json").Exits(0).Json;
        Assert.Equal(plan.GetProperty("planHash").GetString(), applied.GetProperty("planHash").GetString());
        Assert.Equal("clean", store.Run("verify", "--json").Exits(0).Json.GetProperty("verdict").GetString());

        (int exit, string[] lines) = Read(store.StorePath, "--records");
        Assert.True(exit == 0, lines[0]);
        Dictionary<string, JsonNode> theirs = ByIdentity(lines.Skip(1));
        Dictionary<string, JsonNode> ours = ByIdentity(RecordKinds.All.SelectMany(kind => store.Run("list", kind.PluralName, "--json").Exits(0).Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Equal(ours.Count, theirs.Count);
        Assert.Equal(records + 1, ours.Count);
        Assert.All(ours, pair => Assert.True(JsonNode.DeepEquals(pair.Value, theirs[pair.Key]), pair.Key));
        Assert.Equal("sync.repair.fenced", store.Run("log", "--from", "1", "--json").Exits(0).Lines[1].GetProperty("type").GetString());
        Assert.Contains("User data was not modified", Assert.Single(store.Run("repair", "reports", "--json").Exits(0).Lines).GetProperty("summary").GetString(), StringComparison.Ordinal);
        JsonElement kept = Assert.Single(store.Run("repair", "quarantine", "list", "--json").Exits(0).Lines);
        Assert.True(kept.GetProperty("canRollBack").GetBoolean());
        store.Run("repair", "rollback", kept.GetProperty("id").GetString()!, "--json").Exits(0);
        store.Run("repair", "rollback", kept.GetProperty("id").GetString()!, "--json").Exits(3);
        Assert.Equal(plan.GetProperty("planHash").GetString(), store.Run("repair", "--json").Exits(6).Json.GetProperty("planHash").GetString());
    }

    private static void Damage(Statestore store, string file, Action<byte[]> damage)
    {
        byte[] sound = File.ReadAllBytes(file);
        byte[] damaged = [.. sound];
        damage(damaged);
        Assert.False(sound.AsSpan().SequenceEqual(damaged));
        File.WriteAllBytes(file, damaged);
        (int exit, string[] lines) = Read(store.StorePath, "--records");
        Assert.True(exit == 1, $"{file}: {lines[0]}");
        File.WriteAllBytes(file, sound);
    }

    // Enough of everything: several commits, a compressed one over more than one frame, unknown fields, long paths, deletes, plain events.
    private static Statestore Lived()
    {
        Statestore store = Statestore.Initialised();
        StringBuilder many = new();
        for (int i = 0; i < 1500; i++)
        {
            string path = string.Concat(Enumerable.Repeat(i % 500 == 0 ? "dir/" : "d/", i % 500 == 0 ? 150 : 3));
            many.Append(CultureInfo.InvariantCulture, $$$"""
                {"schema":"sourceos.object-record/v1alpha1","object_id":"note:{{{i}}}","object_type":"note","workspace_id":"workspace:w","path":"{{{path}}}{{{i}}}","title":"Größe {{{i}}} \u2028","x_unknown":{"a":[1,2.50,{{{i}}}e3],"b":null},"updated_at":"2026-01-02T03:04:05.{{{i:D6}}}Z","attributes":{"text":"{{{new string('x', i % 700)}}}"}}
                """).Append('\n');
        }

        store.Write("many.ndjson", many.ToString());
        store.Run("import", store.PathOf("many.ndjson")).Exits(0);
        store.Run("delete", "objects", "note:7").Exits(0);
        store.Run("event", "append", "app.note.opened", "--object", "note:8", "--data", "{ \"a\": [ 1 ] }").Exits(0);
        store.Write("tree/a.txt", "a");
        store.Write("tree/sub/b.txt", "b");
        store.Run("adopt", store.PathOf("tree")).Exits(0);
        return store;
    }

    private static Dictionary<string, JsonNode> ByIdentity(IEnumerable<string> lines)
    {
        Dictionary<string, JsonNode> records = [];
        foreach (string line in lines)
        {
            JsonNode record = JsonNode.Parse(line)!;
            Assert.True(RecordKinds.TryParseSchema(Encoding.UTF8.GetBytes(record["schema"]!.GetValue<string>()), out RecordKindInfo? kind));
            records.Add($"{kind.Name} {record[kind.IdField]!.GetValue<string>()}", record);
        }

        return records;
    }

    private static (int Exit, string[] Lines) Read(string store, string what)
    {
        ProcessStartInfo start = new("python3") { RedirectStandardOutput = true, StandardOutputEncoding = Encoding.UTF8 };
        start.ArgumentList.Add(ReaderPath());
        start.ArgumentList.Add(store);
        start.ArgumentList.Add(what);
        start.Environment["PYTHONIOENCODING"] = "utf-8";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(5)), "The reader did not end.");
        return (process.ExitCode, output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private static string ReaderPath()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "SourceOS.StateStore.sln")))
        {
            directory = directory.Parent;
        }

        return Path.Combine(directory.FullName, "format-spec", "reader", "read.py");
    }
}
