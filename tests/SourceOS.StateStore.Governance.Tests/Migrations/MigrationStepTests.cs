// Why this file exists: each step does one thing, or leaves the document as it was and says why; hostile manifests are refused with a place. Invariants: a step that does not fit has changed nothing; steps that say they can be reversed are, on random
// documents; what a migration did is rolled back to the bit.

using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Migrations;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Migrations;

public sealed class MigrationStepTests
{
    [Theory]
    [InlineData("""{"op":"rename","from":"/attributes/a","to":"/attributes/b"}""", """{"a":1}""", """{"b":1}""")]
    [InlineData("""{"op":"rename","from":"/attributes/a","to":"/attributes/deep/er/b"}""", """{"a":1}""", """{"deep":{"er":{"b":1}}}""")]
    [InlineData("""{"op":"rename","from":"/attributes/a","to":"/attributes/b"}""", """{"c":1}""", """{"c":1}""")]
    [InlineData("""{"op":"rename","from":"/attributes/a","to":"/attributes/b"}""", """{"a":1,"b":2}""", null)]
    [InlineData("""{"op":"rename","from":"/attributes/a","to":"/attributes/b/c"}""", """{"a":1,"b":2}""", null)]
    [InlineData("""{"op":"default","at":"/attributes/a","value":{"x":[1.50]}}""", """{}""", """{"a":{"x":[1.50]}}""")]
    [InlineData("""{"op":"default","at":"/attributes/a","value":1}""", """{"a":null}""", """{"a":null}""")]
    [InlineData("""{"op":"default","at":"/attributes/a/b","value":1}""", """{"a":[]}""", null)]
    [InlineData("""{"op":"remove","at":"/attributes/a","drop":true}""", """{"a":1,"b":2}""", """{"b":2}""")]
    [InlineData("""{"op":"map","at":"/attributes/a","values":[{"from":"x","to":null},{"from":1,"to":2}]}""", """{"a":1.0}""", """{"a":2}""")]
    [InlineData("""{"op":"map","at":"/attributes/a","values":[{"from":"x","to":"y"}]}""", """{"a":"z"}""", null)]
    [InlineData("""{"op":"map","at":"/attributes/a","values":[{"from":"x","to":"y"}],"otherwise":"keep"}""", """{"a":"z"}""", """{"a":"z"}""")]
    [InlineData("""{"op":"convert","at":"/attributes/a","to":"string"}""", """{"a":1.50}""", """{"a":"1.50"}""")]
    [InlineData("""{"op":"convert","at":"/attributes/a","to":"integer"}""", """{"a":"-12"}""", """{"a":-12}""")]
    [InlineData("""{"op":"convert","at":"/attributes/a","to":"integer"}""", """{"a":"012"}""", null)]
    [InlineData("""{"op":"convert","at":"/attributes/a","to":"integer"}""", """{"a":1.5}""", null)]
    [InlineData("""{"op":"convert","at":"/attributes/a","to":"number"}""", """{"a":"1e3"}""", """{"a":1e3}""")]
    [InlineData("""{"op":"convert","at":"/attributes/a","to":"number"}""", """{"a":"1,2"}""", null)]
    [InlineData("""{"op":"convert","at":"/attributes/a","to":"boolean"}""", """{"a":"true"}""", """{"a":true}""")]
    [InlineData("""{"op":"convert","at":"/attributes/a","to":"boolean"}""", """{"a":1}""", null)]
    [InlineData("""{"op":"wrap","at":"/attributes/a"}""", """{"a":null}""", """{"a":[null]}""")]
    [InlineData("""{"op":"wrap","at":"/attributes/a","member":"v"}""", """{"a":[1]}""", """{"a":{"v":[1]}}""")]
    [InlineData("""{"op":"unwrap","at":"/attributes/a"}""", """{"a":[{"x":1}]}""", """{"a":{"x":1}}""")]
    [InlineData("""{"op":"unwrap","at":"/attributes/a"}""", """{"a":[1,2]}""", null)]
    [InlineData("""{"op":"unwrap","at":"/attributes/a","member":"v"}""", """{"a":{"v":1}}""", """{"a":1}""")]
    [InlineData("""{"op":"unwrap","at":"/attributes/a","member":"v"}""", """{"a":{"v":1,"w":2}}""", null)]
    public void A_step_does_one_thing_or_nothing(string step, string attributes, string? expected)
    {
        JsonObject document = (JsonObject)JsonNode.Parse($$"""{"object_id":"o","attributes":{{attributes}}}""")!;
        string before = document.ToJsonString();
        string? reason = Manifest(step).Steps[0].Apply(document, "migration:t");
        Assert.Equal(expected is null, reason is not null);
        Assert.Equal(expected is null ? before : JsonNode.Parse($$"""{"object_id":"o","attributes":{{expected}}}""")!.ToJsonString(), document.ToJsonString());
    }

    [Fact]
    public void A_removed_value_is_kept_and_comes_back()
    {
        JsonObject document = (JsonObject)JsonNode.Parse("""{"attributes":{"a/b":[1.50],"c":1}}""")!;
        string before = document.ToJsonString();
        Assert.Null(Manifest("""{"op":"remove","at":"/attributes/a~1b"}""").Steps[0].Apply(document, "migration:t"));
        Assert.Equal("""{"attributes":{"c":1},"preserved_fields":{"migration:t":{"/attributes/a~1b":[1.50]}}}""", document.ToJsonString());
        Assert.Null(Manifest("""{"op":"restore","at":"/attributes/a~1b","migration":"migration:t"}""").Steps[0].Apply(document, "migration:r"));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(before), document));
    }

    [Theory]
    [InlineData("not json", "/")]
    [InlineData("[]", "/")]
    [InlineData("""{"steps":[{"op":"explode","at":"/attributes/a"}]}""", "/")]
    [InlineData("""{"steps":[{"op":"rename","from":"/attributes/a"}]}""", "/")]
    [InlineData("""{"steps":[{"op":"remove","at":"/state"}]}""", "/steps/0")]
    [InlineData("""{"steps":[{"op":"remove","at":"/legal_hold"}]}""", "/steps/0")]
    [InlineData("""{"steps":[{"op":"rename","from":"/attributes/p","to":"/profile_id"}]}""", "/steps/0")]
    [InlineData("""{"steps":[{"op":"default","at":"/object_id","value":"x"}]}""", "/steps/0")]
    [InlineData("""{"steps":[{"op":"remove","at":"/preserved_fields/x"}]}""", "/steps/0")]
    [InlineData("""{"steps":[{"op":"rename","from":"/attributes/a","to":"/attributes/a/b"}]}""", "/steps/0")]
    [InlineData("""{"steps":[{"op":"map","at":"/attributes/a","values":[{"from":1,"to":2},{"from":1.0,"to":3}]}]}""", "/steps/0")]
    [InlineData("""{"steps":[{"op":"remove","at":"attributes"}]}""", "/")]
    [InlineData("""{"steps":[{"op":"remove","at":"/attributes/~2"}]}""", "/")]
    [InlineData("""{"steps":[],"to":{"schema_id":"schema:note:t1","version":"v1"}}""", "/to")]
    [InlineData("""{"steps":[],"more":1}""", "/")]
    [InlineData("""{"steps":[],"steps":[]}""", "/")]
    [InlineData("""{"steps":[],"description":"\ud800"}""", "/")]
    public void A_manifest_that_is_none_is_refused_with_a_place(string manifest, string place)
    {
        string text = manifest[0] == '{' ? manifest.Insert(1, """
            "schema":"sourceos.migration-manifest/v1alpha1","migration_id":"migration:t","object_type":"note","from":{"schema_id":"schema:note:t1","version":"v1"},
            """ + (manifest.Contains("\"to\":{\"schema", StringComparison.Ordinal) ? "" : """ "to":{"schema_id":"schema:note:t2","version":"v2"}, """)) : manifest;
        Assert.False(MigrationManifest.TryParse(Encoding.UTF8.GetBytes(text), out _, out ManifestFault? fault));
        Assert.StartsWith(place, fault!.Place, StringComparison.Ordinal);
        Assert.NotEqual("", fault.Message);
    }

    [Fact]
    public void A_manifest_is_bounded()
    {
        string steps = string.Join(',', Enumerable.Repeat("""{"op":"remove","at":"/attributes/a"}""", 257));
        Assert.False(MigrationManifest.TryParse(Text(steps), out _, out _));
        Assert.False(MigrationManifest.TryParse(Text($$"""{"op":"remove","at":"/attributes/{{string.Join('/', Enumerable.Repeat("a", 33))}}"}"""), out _, out ManifestFault? deep));
        Assert.Contains("deep", deep!.Message, StringComparison.Ordinal);
        Assert.False(MigrationManifest.TryParse(Text($$"""{"op":"default","at":"/attributes/a","value":"{{new string('x', MigrationManifest.MaxBytes)}}"}"""), out _, out _));
        Assert.False(MigrationManifest.TryParse(Text($$"""{"op":"default","at":"/attributes/a","value":{{new string('[', 300)}}{{new string(']', 300)}}}"""), out _, out _));
    }

    [Fact]
    public void What_cannot_be_reversed_says_so()
    {
        Assert.NotNull(Manifest("""{"op":"rename","from":"/attributes/a","to":"/attributes/b"}""").Reverse(out _));
        Assert.Null(Manifest("""{"op":"remove","at":"/attributes/a","drop":true}""").Reverse(out string dropped));
        Assert.Contains("dropped", dropped, StringComparison.Ordinal);
        Assert.Null(Manifest("""{"op":"map","at":"/attributes/a","values":[{"from":1,"to":3},{"from":2,"to":3}]}""").Reverse(out string merged));
        Assert.Contains("same", merged, StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_that_can_be_reversed_are_reversed_on_random_documents()
    {
        int reversed = 0;
        Prop.ForAll(Arb.From(Attributes()), Arb.From(Gen.ArrayOf(Steps(), 4)), (attributes, steps) =>
        {
            MigrationManifest manifest = Manifest(string.Join(',', steps));
            if (manifest.Reverse(out _) is not { } back)
            {
                return;
            }

            JsonObject document = (JsonObject)JsonNode.Parse($$"""{"attributes":{{attributes}}}""")!;
            JsonNode before = document.DeepClone();
            if (manifest.Steps.Any(step => step.Apply(document, manifest.Id) is not null) || JsonNode.DeepEquals(before, document))
            {
                return;
            }

            foreach (MigrationStep step in Manifest(string.Join(',', back)).Steps)
            {
                Assert.Null(step.Apply(document, "migration:back"));
            }

            // A path that was made on the way stays behind empty, and a value that stood at the reverse's place already goes along; both are visible in the plan, so the law is for places that steps do not share.
            reversed++;
            Assert.True(JsonNode.DeepEquals(before, document), $"{before.ToJsonString()} by {string.Join(" ; ", steps)} came back as {document.ToJsonString()}");
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1500));
        Assert.True(reversed > 100, $"Only {reversed} documents were changed and came back.");
    }

    [Fact]
    public void Migrated_and_rolled_back_is_the_same_to_the_bit()
    {
        using MigrationWorld world = new();
        int round = 0;
        int migrated = 0;
        Prop.ForAll(Arb.From(Gen.ArrayOf(Attributes(), 6)), Arb.From(Gen.ArrayOf(Steps(), 3)), (notes, steps) =>
        {
            round++;
            Done(world.Store.Session(), Batch([.. notes.Select((attributes, i) => MigrationWorld.Note(i, attributes))]));
            Dictionary<string, byte[]> before = world.Bodies();
            string all = string.Join(',', [.. steps, """{"op":"default","at":"/attributes/lang","value":"en"}""", """{"op":"default","at":"/attributes/text","value":""}"""]);
            string id = $"migration:{round}";
            MigrationResult result = world.Apply(world.Signed(all, id, (round % 2) == 0 ? "quarantine" : "refuse"), new MigrationOptions { BatchObjects = 2 });
            Assert.Null(result.Refusal);
            migrated += (int)result.Counts.Migrated;
            Assert.All(world.Bodies(), pair => Assert.Contains("x_unknown", Encoding.UTF8.GetString(pair.Value), StringComparison.Ordinal));
            Assert.Equal("rolled_back", world.Rollback(id).Status);
            Dictionary<string, byte[]> after = world.Bodies();
            Assert.Equal(before.Count, after.Count);
            Assert.All(before, pair => Assert.Equal(pair.Value, after[pair.Key]));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(30));
        Assert.True(migrated > 20, $"Only {migrated} objects were migrated.");
    }

    private static Gen<string> Attributes() => Gen.ArrayOf(Gen.Elements("1", "\"x\"", "\"12\"", "null", "true", "[1]", "{\"v\":2.50}", "\"open\"", ""), 5)
        .Select(static values => "{" + string.Join(',', values.Select(static (value, i) => (Name: "abcde"[i], Value: value)).Where(static member => member.Value.Length > 0).Select(static member => $"\"{member.Name}\":{member.Value}")) + "}");

    // Each step works on a place of its own, or on one that another step does not lead to.
    private static Gen<string> Steps() => Gen.Elements(
        """{"op":"rename","from":"/attributes/a","to":"/attributes/text"}""",
        """{"op":"remove","at":"/attributes/b"}""",
        """{"op":"map","at":"/attributes/c","values":[{"from":"x","to":"y"},{"from":1,"to":"one"},{"from":null,"to":false},{"from":true,"to":null},{"from":"open","to":"active"}]}""",
        """{"op":"wrap","at":"/attributes/d"}""",
        """{"op":"wrap","at":"/attributes/e","member":"w"}""");

    private static ReadOnlyMemory<byte> Text(string steps) => Encoding.UTF8.GetBytes($$"""
        {"schema":"sourceos.migration-manifest/v1alpha1","migration_id":"migration:t","object_type":"note","from":{"schema_id":"schema:note:t1","version":"v1"},"to":{"schema_id":"schema:note:t2","version":"v2"},"steps":[{{steps}}]}
        """);

    private static MigrationManifest Manifest(string steps)
    {
        Assert.True(MigrationManifest.TryParse(Text(steps), out MigrationManifest? manifest, out ManifestFault? fault), $"{fault?.Place} {fault?.Message}");
        return manifest!;
    }
}
