// Why this file exists: what a golden store says, in lines that do not depend on who reads it: the engine or the second reader. Invariants: whatever the clock or
// chance put into a store stands in the lines that begin with `store`, and nowhere else.

using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests.Golden;

/// <summary>Asks a store everything that the golden answers hold.</summary>
internal static class GoldenAnswers
{
    /// <summary>The engine's answers.</summary>
    internal static List<string> OfEngine(string path)
    {
        using StateStore store = StateStore.OpenRead(path, LiveStore.Options());
        using ReadSnapshot snapshot = store.OpenSnapshot();
        StateStoreStatus status = snapshot.GetStatus();
        List<string> lines = [Head(status.StoreId.ToString("N"), status.LogRoot, (long)status.FrameCount, (long)status.Sequence)];
        foreach (RecordKindInfo kind in RecordKinds.All)
        {
            lines.AddRange(snapshot.Range(kind.Kind).ToList().Select(record => Record(Encoding.UTF8.GetString(record.ToJson()))));
        }

        lines.AddRange(snapshot.ReadEvents(1).Select(static item => Event(new JsonObject
        {
            ["sequence"] = item.Sequence,
            ["type"] = item.Type,
            ["lane"] = item.Lane.ToString().ToLowerInvariant(),
            ["action"] = (int)item.Action,
            ["kind"] = (int)(item.SubjectKind ?? 0),
            ["subject"] = item.SubjectId,
            ["previous"] = item.PreviousSequence,
            ["at"] = (item.OccurredAt - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
            ["actor"] = item.ActorId,
            ["device"] = item.DeviceId,
            ["profile"] = item.ProfileId,
            ["workspace"] = item.WorkspaceId,
            ["decision"] = item.DecisionId,
            ["boot_critical"] = item.IsBootCritical,
        }, item.DataJson.Span, item.Action == EventAction.Put ? item.Image.Span : default)));
        return lines;
    }

    /// <summary>The second reader's answers.</summary>
    internal static List<string> OfSecondReader(string path)
    {
        List<string> records = Read(path, "--records");
        JsonNode summary = JsonNode.Parse(records[0])!;
        Assert.Empty(summary["findings"]!.AsArray());
        List<string> lines = [Head(Text(summary["storeId"]), Text(summary["root"]), summary["frames"]!.GetValue<long>(), summary["lastSequence"]!.GetValue<long>())];
        lines.AddRange(records.Skip(1).Select(Record));
        foreach (string line in Read(path, "--events").Skip(1))
        {
            JsonObject read = JsonNode.Parse(line)!.AsObject();
            JsonObject item = [];
            foreach (string name in (string[])["sequence", "type", "lane", "action", "kind", "subject", "previous", "at", "actor", "device", "profile", "workspace", "decision", "boot_critical"])
            {
                item[name] = read[name]!.DeepClone();
            }

            bool isPut = read["action"]!.GetValue<int>() == (int)EventAction.Put;
            lines.Add(Event(item, Convert.FromHexString(Text(read["data"])), isPut ? Convert.FromHexString(Text(read["image"])) : default));
        }

        return lines;
    }

    /// <summary>What the second reader prints; its exit code has to follow from its findings.</summary>
    internal static List<string> Read(string path, string what)
    {
        ProcessStartInfo start = new("python3") { RedirectStandardOutput = true, StandardOutputEncoding = Encoding.UTF8 };
        start.ArgumentList.Add(Path.Combine(GoldenFiles.Pages, "reader", "read.py"));
        start.ArgumentList.Add(path);
        start.ArgumentList.Add(what);
        start.Environment["PYTHONIOENCODING"] = "utf-8";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(2)), "The reader did not end.");
        List<string> lines = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        Assert.Equal(JsonNode.Parse(lines[0])!["findings"]!.AsArray().Count == 0 ? 0 : 1, process.ExitCode);
        return lines;
    }

    private static string Head(string storeId, string root, long frames, long sequence) =>
        string.Create(CultureInfo.InvariantCulture, $"store: {storeId} root {root} frames {frames} sequence {sequence}");

    private static string Record(string json) => "record: " + JsonNode.Parse(json)!.ToJsonString();

    private static string Event(JsonObject item, ReadOnlySpan<byte> data, ReadOnlySpan<byte> image)
    {
        Add(item, "data", data);
        Add(item, "image", image);
        return "event: " + item.ToJsonString();
    }

    // Long parts stand as their hash, so that the answers stay readable.
    private static void Add(JsonObject item, string name, ReadOnlySpan<byte> part)
    {
        if (!part.IsEmpty)
        {
            item[name] = $"{part.Length} bytes {Convert.ToHexStringLower(SHA256.HashData(part))}";
        }
    }

    private static string Text(JsonNode? node) => node!.GetValue<string>();
}
