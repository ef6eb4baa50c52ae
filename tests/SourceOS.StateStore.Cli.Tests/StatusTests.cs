// Why this file exists: health at a glance must be right in every form, also when there is no store, a foreign directory or a damaged one.

using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class StatusTests
{
    [Fact]
    public void Every_form_of_status_is_there()
    {
        using Statestore store = Statestore.Initialised();
        JsonElement status = store.Run("status", "--json").Exits(0).Json;
        Assert.Equal("healthy", status.GetProperty("health").GetString());
        Assert.Equal(1, status.GetProperty("store").GetProperty("formatVersion").GetInt32());
        Assert.True(status.GetProperty("durableSequence").GetUInt64() >= status.GetProperty("sequence").GetUInt64());
        Assert.Equal(status.GetProperty("sequence").GetUInt64(), status.GetProperty("counts").GetProperty("events").GetUInt64());
        Assert.Equal(JsonValueKind.Array, status.GetProperty("lanes").ValueKind);
        Assert.Equal(JsonValueKind.Null, status.GetProperty("lastVerified").ValueKind);
        Assert.Equal(0, status.GetProperty("openConflicts").GetInt32());
        Assert.Equal(0, status.GetProperty("plansBlocked").GetInt32());
        Assert.Equal("", status.GetProperty("nextAction").GetString());
        foreach (string key in (string[])["objects", "actors", "schemas", "devices", "profiles", "events", "conflicts", "tombstones"])
        {
            Assert.Equal(JsonValueKind.Number, status.GetProperty("counts").GetProperty(key).ValueKind);
        }

        Assert.Contains("healthy", store.Run("status").Exits(0).Out, StringComparison.Ordinal);
        Assert.Single(store.Run("status", "--format", "line").Exits(0).Out.TrimEnd('\n').Split('\n'));
        Assert.InRange(store.Run("status", "--format", "prompt").Exits(0).Out.TrimEnd('\n').Length, 1, 24);
        Assert.Equal("healthy", store.Run("status", "--format", "json").Exits(0).Json.GetProperty("health").GetString());
        store.Run("status", "--format", "morse").Exits(2);
        Assert.Equal("healthy", store.Run("sync", "status", "--json").Exits(0).Json.GetProperty("health").GetString());
    }

    [Fact]
    public void Open_conflicts_and_blocked_plans_are_counted()
    {
        using Statestore store = Statestore.Initialised();
        store.RunWith(
            """
            {"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:1","status":"open"}
            {"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:2","status":"resolved"}
            {"schema":"sourceos.sync-plan/v1alpha1","plan_id":"p:1","status":"blocked"}
            {"schema":"sourceos.sync-plan/v1alpha1","plan_id":"p:2","status":"planned"}
            """, null, "import", "-").Exits(0);
        JsonElement status = store.Run("status", "--json").Exits(0).Json;
        Assert.Equal(1, status.GetProperty("openConflicts").GetInt32());
        Assert.Equal(1, status.GetProperty("plansBlocked").GetInt32());
        Assert.NotEqual("", status.GetProperty("nextAction").GetString());
        JsonElement doctor = store.Run("doctor", "--json").Exits(1).Json;
        Assert.Equal(2, doctor.GetProperty("steps").GetArrayLength());
    }

    [Fact]
    public void No_store_is_a_status_of_its_own_and_reading_never_makes_one()
    {
        using Statestore store = new();
        Answer answer = store.Run("status", "--json").Exits(3);
        Assert.Equal("uninitialized", answer.Json.GetProperty("health").GetString());
        Assert.Equal("not_initialized", answer.JsonError.GetProperty("code").GetString());
        Assert.InRange(store.Run("status", "--format", "prompt").Exits(3).Out.TrimEnd('\n').Length, 1, 24);
        foreach (string[] command in (string[][])[["list", "objects"], ["log"], ["verify"], ["doctor"], ["explain", "object:a"], ["actors"], ["inspect", "--frame", "0"], ["repair"]])
        {
            store.Run([.. command, "--json"]).Exits(3);
        }

        Assert.False(Directory.Exists(store.StorePath));
        store.Write("store/unrelated", "x");
        store.Run("list", "objects").Exits(3);
        store.Run("event", "append", "a.b").Exits(3);
        Assert.Equal(["unrelated"], Directory.EnumerateFileSystemEntries(store.StorePath).Select(Path.GetFileName));
    }

    [Fact]
    public void Reading_works_beside_a_writer_and_a_second_writer_is_told_who_holds_the_store()
    {
        using Statestore store = Statestore.Initialised();
        using StateStore writer = StateStore.Open(store.StorePath);
        store.Run("status").Exits(0);
        store.Run("list", "actors", "--json").Exits(0);
        store.Run("log", "--limit", "1").Exits(0);
        store.Run("verify", "--level", "quick").Exits(0);
        JsonElement error = store.Run("event", "append", "a.b", "--json").Exits(5).JsonError;
        Assert.Equal("locked", error.GetProperty("code").GetString());
        Assert.Contains($"{Environment.ProcessId}", error.GetProperty("message").GetString() + error.GetProperty("place").GetString(), StringComparison.Ordinal);
    }
}
