// Why this file exists: backup, restore, repair and purge as a user meets them when the power goes: the process dies by SIGKILL at some moment, and the same command again finishes. Invariants: moments are
// spread over the time that an undisturbed run takes; after the second run everything verifies and every record that should be there is; STATESTORE_SCALE multiplies the moments.

using System.Diagnostics;
using System.Globalization;
using System.Text;
using SourceOS.StateStore.Cli.Tests.Support;
using SourceOS.StateStore.Testing;
using Xunit.Abstractions;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class KilledVerbTests(ITestOutputHelper output)
{
    private const int Moments = 4;
    private const int Objects = 1500;

    [Theory]
    [InlineData("backup")]
    [InlineData("restore")]
    [InlineData("repair")]
    [InlineData("purge")]
    public void Killed_at_any_moment_it_is_finished_by_running_it_again(string verb)
    {
        using Statestore store = Filled();
        if (verb == "restore")
        {
            store.Run("backup", store.PathOf("source")).Exits(0);
        }

        long whole = Undisturbed(store, verb);
        double scale = double.TryParse(Environment.GetEnvironmentVariable("STATESTORE_SCALE"), NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed) ? parsed : 1;
        int moments = Math.Max(1, (int)(Moments * scale));
        int killed = 0;
        for (int i = 0; i < moments; i++)
        {
            string copy = store.PathOf($"copy-{i}");
            Prepare(store, verb, copy);
            using (Process process = store.Start(null, Arguments(store, verb, copy)))
            {
                // The first third of the time is the runtime's start.
                int waitMs = (int)(whole * ((1.0 / 3) + (2.0 / 3 * (i + 1) / (moments + 1))));
                killed += process.WaitForExit(waitMs) ? 0 : 1;
                process.Kill();
                process.WaitForExit();
            }

            Finish(store, verb, copy);
            Check(store, verb, copy);
            Directory.Delete(copy, recursive: true);
        }

        output.WriteLine($"killed-{verb}: {moments} tried, {moments} held ({killed} killed, {moments - killed} had ended)");
    }

    private static Statestore Filled()
    {
        Statestore store = Statestore.Initialised();
        StringBuilder lines = new();
        for (int i = 0; i < Objects; i++)
        {
            lines.AppendLine(CultureInfo.InvariantCulture, $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:{{i:D5}}","object_type":"note","profile_id":"profile:personal","workspace_id":"workspace:{{i % 2}}","title":"{{new string('x', 300)}} {{i}}"}""");
        }

        store.Run("import", store.Write("lines.ndjson", lines.ToString())).Exits(0);
        return store;
    }

    private static long Undisturbed(Statestore store, string verb)
    {
        string copy = store.PathOf("whole");
        Prepare(store, verb, copy);
        Stopwatch watch = Stopwatch.StartNew();
        store.Run(Arguments(store, verb, copy)).Exits(0);
        watch.Stop();
        Check(store, verb, copy);
        Directory.Delete(copy, recursive: true);
        return watch.ElapsedMilliseconds;
    }

    private static void Prepare(Statestore store, string verb, string copy)
    {
        if (verb is "backup" or "restore")
        {
            Directory.CreateDirectory(copy);
            return;
        }

        StoreCopy.CopyLive(store.StorePath, copy);
        if (verb == "repair")
        {
            Directory.Delete(Path.Combine(copy, "state"), recursive: true);
        }
    }

    private static string[] Arguments(Statestore store, string verb, string copy) => verb switch
    {
        "backup" => ["backup", Path.Combine(copy, "made")],
        "restore" => ["restore", store.PathOf("source"), Path.Combine(copy, "made")],
        "repair" => ["repair", "--apply", "--store", copy],
        _ => ["purge", "--scope", "workspace", "workspace:1", "--apply", "--store", copy],
    };

    // A purge that got so far that its records are gone is finished by --finish; before that, by the same command.
    private static void Finish(Statestore store, string verb, string copy)
    {
        if (verb is "backup" or "restore" && Directory.Exists(Path.Combine(copy, "made")))
        {
            return;
        }

        Answer again = store.Run(Arguments(store, verb, copy));
        if (verb == "purge")
        {
            Assert.True(again.Exit is 0 or 3, again.Error);
            store.Run("purge", "--finish", "--store", copy).Exits(0);
            return;
        }

        again.Exits(0);
    }

    private static void Check(Statestore store, string verb, string copy)
    {
        if (verb == "backup")
        {
            store.Run("restore", "--test", Path.Combine(copy, "made")).Exits(0);
            Assert.False(Directory.Exists(Path.Combine(copy, "made.unfinished")));
            return;
        }

        string path = verb == "restore" ? Path.Combine(copy, "made") : copy;
        store.Run("verify", "--store", path).Exits(0);
        int expected = verb == "purge" ? Objects / 2 : Objects;
        Assert.Equal(expected, store.Run("list", "objects", "--json", "--store", path).Exits(0).Lines.Count(static line => line.GetProperty("object_type").GetString() == "note"));
        Assert.False(File.Exists(Path.Combine(path, "erasure.journal")));
    }
}
