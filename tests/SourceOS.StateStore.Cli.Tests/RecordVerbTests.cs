// Why this file exists: one record at a time: what is put comes back equal, what is refused says why, and nothing changes on the way.

using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class RecordVerbTests
{
    private const string Note = """{"schema":"sourceos.object-record/v1alpha1","object_id":"note:1","object_type":"note","workspace_id":"workspace:w","title":"Übung \"1\"","x_extra":[1,2.50,{"a":null}]}""";

    [Fact]
    public void A_record_is_put_got_listed_and_deleted()
    {
        using Statestore store = Statestore.Initialised();
        JsonElement put = store.RunWith(Note, null, "put", "objects", "-", "--json").Exits(0).Json;
        ulong sequence = put.GetProperty("sequence").GetUInt64();
        Assert.Equal("note:1", put.GetProperty("id").GetString());
        IsNoteWithAttribution(store.Run("get", "object", "note:1", "--json").Exits(0).Json);
        JsonElement meta = store.Run("get", "objects", "note:1", "--meta", "--json").Exits(0).Json;
        Assert.Equal(sequence, meta.GetProperty("sequence").GetUInt64());

        store.RunWith(Note.Replace("note:1", "note:2", StringComparison.Ordinal).Replace("Übung", "Other", StringComparison.Ordinal), null, "put", "objects").Exits(0);
        Assert.Equal(["note:1", "note:2"], Ids(store.Run("list", "objects", "--json")));
        Assert.Equal(["note:2"], Ids(store.Run("list", "objects", "--json", "--after", "note:1")));
        Assert.Equal(["note:1"], Ids(store.Run("list", "objects", "--json", "--limit", "1")));
        Assert.Equal(["note:1"], Ids(store.Run("list", "objects", "--json", "--where", "title=Übung \"1\"", "--where", "object_type=note")));
        Assert.Equal(["note:1", "note:2"], Ids(store.Run("list", "objects", "--json", "--where", """x_extra=[1,2.50,{"a":null}]""")));
        Assert.Empty(Ids(store.Run("list", "objects", "--json", "--where", "title=")));
        string table = store.Run("list", "objects").Exits(0).Out;
        Assert.StartsWith("ID ", table, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', table);

        store.Run("delete", "objects", "note:1", "--expect-seq", "1", "--json").Exits(4);
        store.Run("delete", "objects", "note:1", "--expect-seq", $"{sequence}").Exits(0);
        Assert.Equal("not_found", store.Run("get", "objects", "note:1", "--json").Exits(3).JsonError.GetProperty("code").GetString());
        store.Run("delete", "objects", "note:1").Exits(3);
        store.Run("get", "objects", "note:1", "--tombstone").Exits(0);
        IsNoteWithAttribution(store.Run("get", "objects", "note:1", "--at", $"{sequence}", "--json").Exits(0).Json);
        Assert.Equal(["note:2"], Ids(store.Run("list", "objects", "--json")));
        Assert.Equal(["note:1", "note:2"], Ids(store.Run("list", "objects", "--json", "--tombstones")));
    }

    [Fact]
    public void The_tag_in_a_document_marks_what_a_boot_reads()
    {
        using Statestore store = Statestore.Initialised();
        string tagged = Note.Replace("\"title\"", "\"policy_tags\":[\"boot-critical\"],\"title\"", StringComparison.Ordinal);
        store.RunWith(tagged, null, "put", "objects", "-").Exits(0);
        Assert.True(store.Run("get", "objects", "note:1", "--meta", "--json").Exits(0).Json.GetProperty("bootCritical").GetBoolean());
        Assert.Equal(1, store.Run("verify", "--level", "quick", "--json").Exits(0).Json.GetProperty("recordsChecked").GetInt32());
        store.RunWith(Note, null, "put", "objects", "-").Exits(0);
        Assert.False(store.Run("get", "objects", "note:1", "--meta", "--json").Exits(0).Json.GetProperty("bootCritical").GetBoolean());
        Assert.Equal(0, store.Run("verify", "--level", "quick", "--json").Exits(0).Json.GetProperty("recordsChecked").GetInt32());
    }

    // Every field as it was given, and what the store adds of who, when and where.
    private static void IsNoteWithAttribution(JsonElement record)
    {
        HashSet<string> given = [];
        foreach (JsonProperty field in JsonDocument.Parse(Note).RootElement.EnumerateObject())
        {
            Assert.Equal(field.Value.GetRawText(), record.GetProperty(field.Name).GetRawText());
            given.Add(field.Name);
        }

        Assert.Equal(["created_at", "created_by_actor", "last_modified_by_actor", "owning_device", "updated_at"], record.EnumerateObject().Select(static field => field.Name).Where(name => !given.Contains(name)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void An_expected_sequence_that_moved_on_refuses_the_put()
    {
        using Statestore store = Statestore.Initialised();
        store.RunWith(Note, null, "put", "objects", "-", "--expect-seq", "0").Exits(0);
        JsonElement error = store.RunWith(Note, null, "put", "objects", "-", "--expect-seq", "0", "--json").Exits(4).JsonError;
        Assert.Equal("conflict", error.GetProperty("code").GetString());
        Assert.Equal("engine.expected-sequence", error.GetProperty("rule").GetString());
        Assert.NotEqual("", error.GetProperty("next").GetString());
    }

    [Theory]
    [InlineData("not json", "invalid_json")]
    [InlineData("[]", "not_an_object")]
    [InlineData("""{"object_id":"a"}""", "missing_schema")]
    [InlineData("""{"schema":"sourceos.unheard-of/v1","object_id":"a"}""", "unknown_schema")]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1"}""", "missing_id")]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":""}""", "invalid_id")]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a\u0007b"}""", "invalid_id")]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","title":"x","title":"y"}""", "duplicate_name")]
    [InlineData("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"a"}""", "wrong_kind")]
    public void A_bad_document_is_named_with_its_rule(string document, string code)
    {
        using Statestore store = Statestore.Initialised();
        Assert.Equal(code, store.RunWith(document, null, "put", "objects", "-", "--json").Exits(8).JsonError.GetProperty("code").GetString());
        Assert.Empty(store.Run("list", "objects", "--json").Exits(0).Out);
    }

    [Fact]
    public void Bombs_and_giants_are_refused()
    {
        using Statestore store = Statestore.Initialised();
        string deep = $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","x":{{new string('[', 100_000)}}{{new string(']', 100_000)}}}""";
        Assert.Equal("too_deep", store.RunWith(deep, null, "put", "objects", "-", "--json").Exits(8).JsonError.GetProperty("code").GetString());
        string long_ = $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","title":"{{new string('x', 1 << 20)}}"}""";
        Assert.Equal("too_large", store.RunWith(long_, null, "put", "objects", "-", "--json").Exits(8).JsonError.GetProperty("code").GetString());
    }

    [Fact]
    public void Bad_identifiers_and_kinds_are_refused_before_anything_is_opened()
    {
        using Statestore store = new();
        store.Run("get", "objects", "").Exits(8);
        store.Run("get", "objects", new string('i', 256)).Exits(8);
        store.Run("get", "objects", "bell\u0007").Exits(8);
        store.Run("get", "gadgets", "a").Exits(2);
        store.Run("list").Exits(2);
        store.Run("list", "objects", "--limit", "0").Exits(2);
        store.Run("list", "objects", "--limit", "many").Exits(2);
        store.Run("list", "objects", "--where", "noequals").Exits(2);
        Assert.Equal("not_initialized", store.Run("get", "objects", "a", "--json").Exits(3).JsonError.GetProperty("code").GetString());
        Assert.False(Directory.Exists(store.StorePath));
    }

    [Fact]
    public void Bytes_that_are_not_text_are_refused_as_arguments()
    {
        using Statestore store = Statestore.Initialised();

        // A process start with managed text cannot pass such bytes; a shell can.
        using System.Diagnostics.Process shell = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", $"'{AppContext.BaseDirectory}statestore' --store '{store.StorePath}' get objects \"$(printf 'a\\377b')\"" },
            RedirectStandardError = true,
        })!;
        string error = shell.StandardError.ReadToEnd();
        shell.WaitForExit();
        Assert.Equal(8, shell.ExitCode);
        Assert.Contains("not UTF-8", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Nobody_writes_who_is_not_registered_or_was_revoked()
    {
        using Statestore store = Statestore.Initialised();
        JsonElement error = store.RunWith(Note, null, "--actor", "actor:stranger", "put", "objects", "-", "--json").Exits(4).JsonError;
        Assert.Equal("actor_not_registered", error.GetProperty("code").GetString());
        store.RunWith("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:bot","actor_type":"agent","capabilities":["write"],"profile_scope":["*"],"workspace_scope":["*"],"revoked_at":null}""", null, "put", "actors").Exits(0);
        store.RunWith(Note, null, "put", "objects", "-", "--actor", "actor:bot").Exits(0);
        Assert.Equal("actor:bot", store.Run("log", "--limit", "1", "--json").Lines.Single().GetProperty("actor").GetString());
        store.RunWith("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:bot","actor_type":"agent","revoked_at":"2026-01-01T00:00:00Z"}""", null, "put", "actors").Exits(0);
        Assert.Equal("actor_revoked", store.RunWith(Note, null, "put", "objects", "-", "--actor", "actor:bot", "--json").Exits(4).JsonError.GetProperty("code").GetString());
    }

    private static IEnumerable<string> Ids(Answer answer) => answer.Exits(0).Lines.Select(static line => line.GetProperty("object_id").GetString()!);
}
