// Why this file exists: a change of a schema is called compatible only when every instance of the old one is one of the new one. The table names single changes; the law compares the verdict with the evaluator on random instances.

using System.Text;
using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Governance.JsonSchema;
using SourceOS.StateStore.Governance.Schemas;

namespace SourceOS.StateStore.Governance.Tests.Schemas;

public sealed class CompatibilityTests
{
    [Theory]
    [InlineData("""{"type":"string"}""", """{"type":["string","null"]}""", true)]
    [InlineData("""{"type":["string","null"]}""", """{"type":"string"}""", false)]
    [InlineData("""{"type":"integer"}""", """{"type":"number"}""", true)]
    [InlineData("""{"type":"number"}""", """{"type":"integer"}""", false)]
    [InlineData("""{"enum":["a"]}""", """{"type":"string"}""", true)]
    [InlineData("""{"enum":["a",1]}""", """{"type":"string"}""", false)]
    [InlineData("""{"const":"a"}""", """{"enum":["a","b"]}""", true)]
    [InlineData("""{"enum":["a","b"]}""", """{"const":"a"}""", false)]
    [InlineData("""{"maximum":3}""", """{"maximum":4}""", true)]
    [InlineData("""{"maximum":9007199254740993}""", """{"maximum":9007199254740992}""", false)]
    [InlineData("""{}""", """{"pattern":"a"}""", false)]
    [InlineData("""{"pattern":"a"}""", """{}""", true)]
    [InlineData("""{"properties":{"a":{"type":"string"}},"additionalProperties":false}""", """{"properties":{"a":{"type":"string"},"b":{"type":"string"}},"additionalProperties":false}""", true)]
    [InlineData("""{"properties":{"a":{"type":"string"}}}""", """{"properties":{"a":{"type":"string"},"b":{"type":"string"}}}""", false)]
    [InlineData("""{"properties":{"a":true,"b":true},"additionalProperties":false}""", """{"properties":{"a":true},"additionalProperties":false}""", false)]
    [InlineData("""{"items":{"maximum":1}}""", """{"items":{"maximum":2}}""", true)]
    [InlineData("""{"anyOf":[{"type":"string"}]}""", """{"anyOf":[{"type":"string"},{"type":"null"}]}""", false)]
    [InlineData("""{"$defs":{"x":{"maximum":1}},"$ref":"#/$defs/x"}""", """{"$defs":{"x":{"maximum":2}},"$ref":"#/$defs/x"}""", true)]
    [InlineData("""{"$defs":{"x":{"maximum":2}},"$ref":"#/$defs/x"}""", """{"$defs":{"x":{"maximum":1}},"$ref":"#/$defs/x"}""", false)]
    [InlineData("""{"title":"a"}""", """{"title":"b","description":"c"}""", true)]
    public void Single_changes_are_judged(string old, string next, bool isCompatible) => Assert.Equal(isCompatible, Breaks(old, next).Count == 0);

    [Fact]
    public void A_field_that_becomes_required_is_a_break() =>
        Assert.NotEmpty(SchemaCompatibility.BreaksReadingOld(Source("{}", []), Source("{}", ["a"])));

    [Fact]
    public void What_is_called_compatible_refuses_no_instance_that_was_valid()
    {
        string[] schemas = [.. Schemas()];
        string[] instances = [.. Instances()];
        CompiledSchema[] compiled = [.. schemas.Select(static schema => SchemaRegistry.Create().Register(new SchemaDocument(null, schema)).Schemas[0])];
        int compatible = 0;
        Prop.ForAll(Arb.From(Gen.Choose(0, schemas.Length - 1).Two()), pair =>
        {
            (int old, int next) = pair;
            if (Breaks(schemas[old], schemas[next]).Count > 0)
            {
                return;
            }

            compatible++;
            foreach (string instance in instances)
            {
                byte[] json = Encoding.UTF8.GetBytes(instance);
                Assert.True(!compiled[old].IsValid(json) || compiled[next].IsValid(json), $"{instance} is valid by {schemas[old]} and not by {schemas[next]}");
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
        Assert.True(compatible > 50, $"Only {compatible} pairs were compatible.");
    }

    private static IReadOnlyList<string> Breaks(string old, string next) => SchemaCompatibility.BreaksReadingOld(Source(old, []), Source(next, []));

    private static RegisteredSchema Source(string json, IReadOnlyList<string> required) => new("schema:x", 1, "x", "v1", required, Encoding.UTF8.GetBytes(json));

    private static IEnumerable<string> Schemas()
    {
        string[] leaves = ["true", "false", "{}", """{"type":"string"}""", """{"type":["string","integer"]}""", """{"type":"number","maximum":5}""", """{"maximum":2}""", """{"enum":["a",1]}""", """{"const":1}""", """{"minLength":2}"""];
        foreach (string leaf in leaves)
        {
            yield return leaf;
            yield return $$$$"""{"properties":{"a":{{{{leaf}}}}}}""";
            yield return $$$$"""{"properties":{"a":{{{{leaf}}}}},"required":["a"]}""";
            yield return $$$$"""{"properties":{"a":{{{{leaf}}}}},"additionalProperties":false}""";
            yield return $$$$"""{"properties":{"b":true},"additionalProperties":{{{{leaf}}}}}""";
            yield return $$$$"""{"items":{{{{leaf}}}}}""";
            yield return $$$$"""{"patternProperties":{"^a":{{{{leaf}}}}},"additionalProperties":false}""";
            yield return $$$$"""{"$defs":{"l":{{{{leaf}}}}},"properties":{"a":{"$ref":"#/$defs/l"}}}""";
        }
    }

    private static IEnumerable<string> Instances()
    {
        string[] leaves = ["1", "2", "6", "1.5", "\"a\"", "\"abc\"", "null", "true", "[]", "{}"];
        foreach (string leaf in leaves)
        {
            yield return leaf;
            yield return $$"""{"a":{{leaf}}}""";
            yield return $$"""{"b":{{leaf}}}""";
            yield return $$"""{"a":{{leaf}},"b":1,"ax":"abc"}""";
            yield return $"[{leaf},1]";
        }
    }
}
