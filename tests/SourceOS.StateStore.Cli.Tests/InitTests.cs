// Why this file exists: `init` is everyone's first command, and the one that is run again by scripts.

using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class InitTests
{
    [Fact]
    public void Init_registers_device_profile_person_and_schemas_and_twice_is_harmless()
    {
        using Statestore store = new();
        JsonElement first = store.Run("init", "--json", "--device", "device:one", "--profile", "profile:work", "--profile-class", "work").Exits(0).Json;
        Assert.True(first.GetProperty("created").GetBoolean());
        Assert.Equal(store.StorePath, first.GetProperty("store").GetProperty("path").GetString());
        Assert.Equal("device:one", first.GetProperty("device").GetString());
        ulong sequence = first.GetProperty("sequence").GetUInt64();

        JsonElement again = store.Run("init", "--json").Exits(0).Json;
        Assert.False(again.GetProperty("created").GetBoolean());
        Assert.Equal("device:one", again.GetProperty("device").GetString());
        Assert.Equal("profile:work", again.GetProperty("profile").GetString());
        Assert.Equal(0, again.GetProperty("registered").GetArrayLength());
        Assert.Equal(sequence, again.GetProperty("sequence").GetUInt64());

        JsonElement counts = store.Run("status", "--json").Exits(0).Json.GetProperty("counts");
        Assert.Equal(1, counts.GetProperty("actors").GetInt32());
        Assert.Equal(1, counts.GetProperty("devices").GetInt32());
        Assert.Equal(1, counts.GetProperty("profiles").GetInt32());
        Assert.Equal(27, counts.GetProperty("schemas").GetInt32());
        Assert.Equal(0, counts.GetProperty("objects").GetInt32());
        Assert.Equal("work", store.Run("profiles", "--json").Exits(0).Lines.Single().GetProperty("profile_class").GetString());
        Assert.Equal("human", store.Run("actors", "--json").Exits(0).Lines.Single().GetProperty("actor_type").GetString());
        Assert.Contains(store.Run("schemas", "--json").Exits(0).Lines, static schema => schema.GetProperty("object_type").GetString() == "file");
    }

    [Fact]
    public void The_store_is_named_by_option_then_environment_then_the_working_directory()
    {
        using Statestore store = new();
        store.Run("--store", store.PathOf("by/option"), "init").Exits(0);
        Assert.True(File.Exists(store.PathOf("by/option/STORE")));
        store.Run("init").Exits(0);
        Assert.True(File.Exists(store.PathOf("store/STORE")));
        store.RunWith(null, new Dictionary<string, string> { ["SOURCEOS_STATE_STORE"] = "" }, "init").Exits(0);
        Assert.True(File.Exists(store.PathOf(".statestore/STORE")));
    }

    [Fact]
    public void What_cannot_become_a_store_is_refused_untouched()
    {
        using Statestore store = new();
        store.Write("store/precious.txt", "x");
        Assert.Equal("already_exists", store.Run("init", "--json").Exits(8).JsonError.GetProperty("code").GetString());
        Assert.Equal(["precious.txt"], Directory.EnumerateFileSystemEntries(store.StorePath).Select(Path.GetFileName));

        // No user, not even root, can make a directory here.
        store.Run("--store", "/proc/nowhere/store", "init").Exits(7);
        store.Run("init", "--profile-class", "imaginary").Exits(2);
        store.Run("--store", store.PathOf("other"), "init", "--device", "").Exits(8);
        Assert.False(Directory.Exists(store.PathOf("other")) && File.Exists(store.PathOf("other/STORE")));
    }

    [Fact]
    public void Help_of_init_says_what_its_profile_is_and_other_verbs_say_what_theirs_is()
    {
        using Statestore store = new();
        Assert.Contains("The first profile", store.Run("init", "--help").Exits(0).Out, StringComparison.Ordinal);
        Assert.DoesNotContain("The first profile", store.Run("adopt", "--help").Exits(0).Out, StringComparison.Ordinal);
    }

    [Fact]
    public void A_store_does_not_change_its_device()
    {
        using Statestore store = Statestore.Initialised();
        store.Run("init", "--device", "device:another").Exits(8);
    }
}
