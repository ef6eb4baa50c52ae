// Why this file exists: repairs that give up durable data are approved and signed, what they set aside is shown and let go, and a recorded verification is known to the status; all of it by the program as people run it.

using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class RepairVerbTests
{
    [Fact]
    public void Giving_up_history_takes_a_signed_approval_where_the_store_has_keys_and_what_was_set_aside_can_be_let_go()
    {
        using Statestore store = Statestore.Initialised();
        Dictionary<string, string> keys = new() { [KeyFolder.FolderVariable] = store.PathOf("keys") };
        Dictionary<string, string> none = new() { [KeyFolder.FolderVariable] = store.PathOf("no-keys") };
        string id = store.RunWith(null, keys, "keys", "create", "--json").Exits(0).Json.GetProperty("key").GetProperty("id").GetString()!;
        for (int i = 0; i < 5; i++)
        {
            store.Run("event", "append", "app.test").Exits(0);
        }

        DamageFirstFrame(store.StorePath);
        Answer plan = store.RunWith(null, none, "repair", "--json").Exits(6);
        Assert.Equal("fence_log", plan.Json.GetProperty("steps")[0].GetProperty("action").GetString());
        Answer unsigned = store.RunWith(null, none, "repair", "--apply", "--accept-loss", "--json");
        Assert.NotEqual(0, unsigned.Exit);
        Assert.Contains("repair approve", unsigned.JsonError.GetProperty("next").GetString(), StringComparison.Ordinal);
        Assert.Equal(plan.Json.GetProperty("planHash").GetString(), store.RunWith(null, none, "repair", "--json").Exits(6).Json.GetProperty("planHash").GetString());

        store.RunWith(null, none, "repair", "approve", "-o", store.PathOf("note")).Exits(4);
        store.RunWith(null, keys, "repair", "approve", "-o", store.PathOf("note")).Exits(0);
        string note = File.ReadAllText(store.PathOf("note"));
        string forged = store.Write("forged", note.Replace("lost-records 0", "lost-records 1", StringComparison.Ordinal));
        Assert.NotEqual(0, store.RunWith(null, none, "repair", "--apply", "--accept-loss", "--approval", forged).Exit);
        store.RunWith(null, none, "repair", "--apply", "--approval", store.PathOf("note")).Exits(2);
        store.RunWith(null, none, "repair", "--apply", "--accept-loss", "--approval", store.PathOf("note")).Exits(0);
        store.Run("verify").Exits(0);
        JsonElement report = store.Run("repair", "reports", "--json").Exits(0).Lines.Single();
        Assert.Equal(note, report.GetProperty("approval").GetString());
        Assert.StartsWith("actor:", report.GetProperty("approved_by").GetString(), StringComparison.Ordinal);
        Assert.StartsWith("key:", id, StringComparison.Ordinal);

        string fence = store.Run("repair", "quarantine", "list", "--json").Exits(0).Lines.Single().GetProperty("id").GetString()!;
        JsonElement shown = store.Run("repair", "quarantine", "show", fence, "--json").Exits(0).Json;
        Assert.True(shown.GetProperty("canRollBack").GetBoolean());
        store.Run("repair", "quarantine", "release", "no-such").Exits(3);
        Assert.Equal("would-be-released", store.Run("repair", "quarantine", "release", fence, "--json").Exits(0).Json.GetProperty("status").GetString());
        Assert.True(Directory.Exists(Path.Combine(store.StorePath, "quarantine", fence, "old")));
        store.Run("repair", "quarantine", "release", fence, "--apply").Exits(0);
        Assert.False(Directory.Exists(Path.Combine(store.StorePath, "quarantine", fence, "old")));
        JsonElement released = store.Run("log", "--type", "sync.repair.released", "--json").Exits(0).Lines.Single();
        Assert.Contains(shown.GetProperty("sha256").GetString()!, released.GetRawText(), StringComparison.Ordinal);
        store.Run("repair", "rollback", fence).Exits(3);
        store.Run("verify").Exits(0);

        // What was let go does not take the superblock's base with it.
        File.Delete(Path.Combine(store.StorePath, "STORE"));
        store.Run("repair", "--apply").Exits(0);
        store.Run("verify").Exits(0);
    }

    [Fact]
    public void A_store_without_keys_takes_the_callers_word_and_says_so()
    {
        using Statestore store = Statestore.Initialised();
        DamageFirstFrame(store.StorePath);
        store.Run("repair", "approve").Exits(4);
        store.Run("repair", "--apply").Exits(4);
        store.Run("repair", "--apply", "--accept-loss").Exits(0);
        Assert.Equal("", store.Run("repair", "reports", "--json").Exits(0).Lines.Single().GetProperty("approval").GetString());
    }

    [Fact]
    public void A_recorded_verification_is_known_to_the_status_and_doctor_finds_what_only_a_whole_check_finds()
    {
        using Statestore store = Statestore.Initialised();
        Assert.Equal(JsonValueKind.Null, store.Run("status", "--json").Exits(0).Json.GetProperty("lastVerified").ValueKind);
        store.Run("verify", "--level", "deep", "--record", "--json").Exits(0);
        JsonElement status = store.Run("status", "--json").Exits(0).Json;
        Assert.True(DateTimeOffset.TryParse(status.GetProperty("lastVerified").GetString(), System.Globalization.CultureInfo.InvariantCulture, out _));
        Assert.Equal("clean", status.GetProperty("lastVerification").GetProperty("verdict").GetString());
        Assert.Equal("deep", status.GetProperty("lastVerification").GetProperty("level").GetString());
        store.Run("doctor").Exits(0);

        string state = Directory.GetFiles(Path.Combine(store.StorePath, "state"), "data.mdb", SearchOption.AllDirectories).Single();
        byte[] bytes = File.ReadAllBytes(state);
        int at = bytes.AsSpan().IndexOf("actor:"u8);
        bytes[at + 2] ^= 4;
        File.WriteAllBytes(state, bytes);
        JsonElement doctor = store.Run("doctor", "--json").Exits(1).Json;
        Assert.Equal("standard", doctor.GetProperty("level").GetString());
        Assert.Contains("repair --apply", doctor.GetRawText(), StringComparison.Ordinal);
        store.Run("repair", "--apply").Exits(0);
        store.Run("doctor").Exits(0);
    }

    private static void DamageFirstFrame(string path)
    {
        string segment = Directory.GetFiles(Path.Combine(path, "events")).Order(StringComparer.Ordinal).First();
        byte[] bytes = File.ReadAllBytes(segment);
        bytes[32768 + 64 + 400] ^= 0x10;
        File.WriteAllBytes(segment, bytes);
    }
}
