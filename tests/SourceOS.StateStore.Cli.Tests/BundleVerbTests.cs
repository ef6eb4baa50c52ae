// Why this file exists: bundles from the command line, between two stores that know nothing of each other: what travels, what is refused, with exit codes.

using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class BundleVerbTests
{
    [Fact]
    public void A_workspace_is_carried_to_another_store_and_forgeries_old_bundles_and_strangers_are_refused()
    {
        using Statestore there = Statestore.Initialised();
        using Statestore here = Statestore.Initialised();
        Dictionary<string, string> keys = new() { [KeyFolder.FolderVariable] = there.PathOf("keys") };
        there.RunWith(Note("note:1") + Note("note:2") + Note("note:3", ""","privacy_class":"secret" """), null, "import", "-").Exits(0);
        string key = there.RunWith(null, keys, "keys", "create", "--json").Exits(0).Json.GetProperty("key").GetProperty("verifierKey").GetString()!;
        string bundle = there.PathOf("trip.bundle");

        JsonElement made = there.RunWith(null, keys, "export", "--workspace", "workspace:trip", "-o", bundle, "--json").Exits(0).Json;
        Assert.Equal((2, true), (made.GetProperty("objects").GetInt32(), made.GetProperty("signed").GetBoolean()));
        JsonElement blocked = Assert.Single(made.GetProperty("blocked").EnumerateArray());
        Assert.Equal(("note:3", "privacy.secret"), (blocked.GetProperty("object").GetString(), blocked.GetProperty("rule").GetString()));

        string before = Sequence(here);
        JsonElement planned = here.Run("import-bundle", bundle, "--root-key", key, "--dry-run", "--json").Exits(0).Json;
        Assert.Equal(("planned", "verified", "first"), (Text(planned, "status"), Text(planned, "signature"), Text(planned, "age")));
        Assert.Equal(2, planned.GetProperty("counts").GetProperty("created").GetInt32());

        // Nothing that is refused opens the store for writing.
        byte[] bytes = File.ReadAllBytes(bundle);
        bytes[bytes.Length / 2] ^= 1;
        here.Run("import-bundle", here.PathOf("none.bundle")).Exits(3);
        File.WriteAllBytes(here.PathOf("forged.bundle"), bytes);
        Assert.Equal("invalid_input", Text(here.Run("import-bundle", here.PathOf("forged.bundle"), "--json").Exits(8).JsonError, "code"));
        string stranger = here.RunWith(null, new Dictionary<string, string> { [KeyFolder.FolderVariable] = here.PathOf("keys") }, "--store", there.StorePath, "keys", "create", "--json").Exits(0).Json.GetProperty("key").GetProperty("verifierKey").GetString()!;
        here.Run("import-bundle", bundle, "--root-key", stranger).Exits(8);
        Assert.Equal(before, Sequence(here));

        JsonElement taken = here.Run("import-bundle", bundle, "--root-key", key, "--json").Exits(0).Json;
        Assert.Equal(("imported", 2), (Text(taken, "status"), taken.GetProperty("counts").GetProperty("created").GetInt32()));
        Assert.Equal(there.Run("get", "objects", "note:1").Exits(0).Out, here.Run("get", "objects", "note:1").Exits(0).Out);
        here.Run("get", "objects", "note:3").Exits(3);
        JsonElement logged = Assert.Single(here.Run("log", "--type", "sync.bundle.imported", "--json").Exits(0).Lines);
        Assert.Equal("actor:import-bridge", logged.GetProperty("actor").GetString());
        string after = Sequence(here);
        Assert.Equal("unchanged", Text(here.Run("import-bundle", bundle, "--json").Exits(0).Json, "status"));
        Assert.Equal(after, Sequence(here));

        there.RunWith(Note("note:1", ""","title":"new" """), null, "import", "-").Exits(0);
        there.Run("export", "--object", "note:1", "-o", there.PathOf("one.bundle")).Exits(0);
        Assert.Contains("1 updated", here.Run("import-bundle", there.PathOf("one.bundle")).Exits(0).Out, StringComparison.Ordinal);
        Assert.Equal("bundle.older", Text(here.Run("import-bundle", bundle, "--json").Exits(4).JsonError, "rule"));
        here.Run("verify").Exits(0);
    }

    [Fact]
    public void What_cannot_be_exported_is_told_and_leaves_no_file()
    {
        using Statestore store = Statestore.Initialised();
        store.RunWith(Note("note:s", ""","privacy_class":"secret" """), null, "import", "-").Exits(0);
        string path = store.PathOf("x.bundle");
        store.Run("export", "-o", path).Exits(2);
        store.Run("export", "--workspace", "workspace:trip").Exits(2);
        store.Run("export", "--workspace", "workspace:trip", "--object", "note:s", "-o", path).Exits(2);
        store.Run("export", "--format", "records", "--object", "note:s", "-o", path).Exits(2);
        store.Run("export", "--object", "note:none", "-o", path).Exits(3);
        Assert.Equal("privacy.secret", Text(store.Run("export", "--object", "note:s", "-o", path, "--json").Exits(4).JsonError, "rule"));
        store.Run("export", "--profile", "profile:none", "-o", path).Exits(3);
        Assert.Empty(Directory.GetFiles(store.Root));
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private static string Sequence(Statestore store) => store.Run("status", "--json").Exits(0).Json.GetProperty("sequence").ToString();

    private static string Note(string id, string more = "") =>
        $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"{{id}}","object_type":"note","profile_id":"profile:personal","workspace_id":"workspace:trip"{{more}}}""" + "\n";
}
