// Why this file exists: an import is all of a file or nothing, names each bad line, and does nothing the second time.

using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class ImportTests
{
    [Fact]
    public void Files_directories_and_stdin_are_imported_and_again_is_harmless()
    {
        using Statestore store = Statestore.Initialised();
        store.Write("in/a.ndjson", Note("1") + "\n\n" + Note("2") + "\n");
        store.Write("in/deep/b.json", $"[\n  {Note("3")},\n  {Note("4")}\n]");
        store.Write("in/c.json", Note("5").Replace(",", ",\n  ", StringComparison.Ordinal));
        store.Write("in/readme.txt", "not for import");
        JsonElement report = store.RunWith(Note("6"), null, "import", store.PathOf("in"), "-", "--json").Exits(0).Json;
        Assert.Equal(6, report.GetProperty("records").GetProperty("imported").GetInt32());
        Assert.Equal(4, report.GetProperty("files").GetInt32());
        ulong sequence = report.GetProperty("sequence").GetUInt64();

        report = store.Run("import", store.PathOf("in"), "--json").Exits(0).Json;
        Assert.Equal(5, report.GetProperty("records").GetProperty("unchanged").GetInt32());
        Assert.Equal(0, report.GetProperty("records").GetProperty("imported").GetInt32());
        Assert.Equal(sequence, report.GetProperty("sequence").GetUInt64());
        Assert.Equal(6, store.Run("list", "objects", "--json").Lines.Count);
    }

    [Fact]
    public void A_bad_line_is_named_and_nothing_of_its_file_is_kept()
    {
        using Statestore store = Statestore.Initialised();
        string good = store.Write("a.ndjson", Note("1"));
        string bad = store.Write("b.ndjson", Note("2") + "\n" + """{"schema":"sourceos.object-record/v1alpha1"}""" + "\n" + Note("3") + "\n");
        JsonElement error = store.Run("import", good, bad, "--json").Exits(8).JsonError;
        Assert.Equal("missing_id", error.GetProperty("code").GetString());
        Assert.Equal(bad + ":2", error.GetProperty("place").GetString());
        Assert.Equal(["note:1"], store.Run("list", "objects", "--json").Lines.Select(static line => line.GetProperty("object_id").GetString()));

        JsonElement report = store.Run("import", good, bad, "--continue", "--json").Exits(8).Json;
        JsonElement failure = report.GetProperty("failures")[0];
        Assert.Equal((bad, 2, "missing_id"), (failure.GetProperty("file").GetString(), failure.GetProperty("line").GetInt32(), failure.GetProperty("rule").GetString()));
        Assert.Equal(3, store.Run("list", "objects", "--json").Lines.Count);
    }

    [Fact]
    public void A_record_twice_in_one_file_needs_batches()
    {
        using Statestore store = Statestore.Initialised();
        string file = store.Write("a.ndjson", Note("1") + "\n" + Note("1").Replace("title", "path", StringComparison.Ordinal) + "\n");
        Assert.Equal("duplicate_record", store.Run("import", file, "--json").Exits(8).JsonError.GetProperty("code").GetString());
        store.Run("import", file, "--batch", "10").Exits(0);
        Assert.Equal("t1", store.Run("get", "objects", "note:1", "--json").Json.GetProperty("path").GetString());
        Assert.Equal(2, store.Run("log", "--object", "note:1", "--json").Lines.Count);
    }

    [Fact]
    public void Missing_and_unreadable_input_has_its_exit_code()
    {
        using Statestore store = Statestore.Initialised();
        store.Run("import", store.PathOf("nothing.json")).Exits(3);
        Directory.CreateDirectory(store.PathOf("empty"));
        store.Run("import", store.PathOf("empty")).Exits(3);

        // Readable by nobody, root included: the kernel answers every read with an error.
        store.Run("import", "/proc/self/mem").Exits(7);
        store.Run("import").Exits(2);
    }

    private static string Note(string id) => $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:{{id}}","object_type":"note","title":"t{{id}}"}""";
}
