// Why this file exists: the Basic output of section 12.4.2: where a keyword is, where it is written, which value, what is wrong.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class OutputTests
{
    private static SchemaEvaluationResult Evaluate(string schema, string instance, bool annotations = false) =>
        Schemas.Compile(schema).Evaluate(Encoding.UTF8.GetBytes(instance), new SchemaEvaluationOptions { CollectAnnotations = annotations });

    [Fact]
    public void Locations_go_through_references_and_name_the_place_of_writing()
    {
        SchemaEvaluationResult result = Evaluate("""
            {"$id":"https://example.test/polygon","$defs":{"point":{"$id":"point","type":"object","properties":{"a/b~c %":{"type":"number"}},"required":["y"]}},
             "type":"array","items":{"$ref":"point"}}
            """, """[{"y":1,"a/b~c %":"two"},{}]""");
        Assert.Equal(
            [
                new SchemaError("/items/$ref/properties/a~1b~0c %/type", "https://example.test/point#/properties/a~1b~0c%20%25/type", "/0/a~1b~0c %", "string where number is expected"),
                new SchemaError("/items/$ref/required", "https://example.test/point#/required", "/1", "the member \"y\" is missing"),
            ],
            result.Errors);
    }

    [Fact]
    public void Every_failure_of_an_object_is_told_and_branches_that_passed_are_not()
    {
        SchemaEvaluationResult result = Evaluate("""
            {"properties":{"a":{"type":"string"},"b":{"minimum":5}},"required":["c","d"],"additionalProperties":false,
             "anyOf":[{"type":"null"},{"type":"object"}],"not":{"required":["a"]},"if":{"required":["zzz"]},"else":{"maxProperties":1}}
            """, """{"a":1,"b":2,"x":3}""");
        Assert.Equal(
            ["/additionalProperties @/x", "/else/maxProperties @", "/not @", "/properties/a/type @/a", "/properties/b/minimum @/b", "/required @", "/required @"],
            result.Errors.Select(error => $"{error.KeywordLocation} @{error.InstanceLocation}").Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("""{"anyOf":[{"type":"string"},{"minimum":5}]}""", "1", "/anyOf|/anyOf/0/type|/anyOf/1/minimum")]
    [InlineData("""{"oneOf":[{"type":"number"},{"minimum":0},{"type":"string"}]}""", "1", "/oneOf")]
    [InlineData("""{"contains":{"type":"string"}}""", "[1,2]", "/contains")]
    [InlineData("""{"contains":true,"minContains":3,"maxContains":1}""", "[1,2]", "/minContains")]
    [InlineData("""{"contains":true,"maxContains":1}""", "[1,2]", "/maxContains")]
    [InlineData("""{"dependentRequired":{"a":["b"]},"dependentSchemas":{"a":{"maxProperties":0}}}""", """{"a":1}""", "/dependentRequired|/dependentSchemas/a/maxProperties")]
    [InlineData("""{"propertyNames":{"maxLength":1}}""", """{"ab":1}""", "/propertyNames/maxLength")]
    [InlineData("""{"unevaluatedProperties":false,"properties":{"a":{"type":"string"}}}""", """{"a":1,"b":2}""", "/properties/a/type")]
    [InlineData("""{"unevaluatedItems":{"type":"string"}}""", "[1]", "/unevaluatedItems/type")]
    [InlineData("""{"prefixItems":[true,{"const":1}],"items":false}""", "[1,2,3]", "/items|/prefixItems/1/const")]
    [InlineData("false", "1", "")]
    [InlineData("""{"$dynamicRef":"#a","$defs":{"x":{"$dynamicAnchor":"a","enum":[2]}}}""", "1", "/$dynamicRef/enum")]
    public void Keywords_that_fail_are_told_where_they_stand(string schema, string instance, string locations)
    {
        SchemaEvaluationResult result = Evaluate(schema, instance);
        Assert.Equal(locations, string.Join('|', result.Errors.Select(error => error.KeywordLocation).Order(StringComparer.Ordinal)));
        Assert.All(result.Errors, error => Assert.NotEmpty(error.Message));
    }

    [Fact]
    public void A_bad_name_is_told_at_its_member() =>
        Assert.Equal("/ok/bad", Assert.Single(Evaluate("""{"additionalProperties":{"propertyNames":{"maxLength":2}}}""", """{"ok":{"bad":1}}""").Errors).InstanceLocation);

    [Fact]
    public void Annotations_are_collected_from_what_passed()
    {
        SchemaEvaluationResult result = Evaluate("""
            {"title":"T","x-vendor":{"k":[1]},"properties":{"a":{"description":"A","format":"date","contentMediaType":"text/plain","contentSchema":{}},"n":{"format":"date"}},
             "patternProperties":{"^p":{"deprecated":true}},"additionalProperties":true,"anyOf":[{"title":"no","type":"string"},{"title":"yes"}],
             "not":{"title":"never","type":"null"},"$comment":"silent"}
            """, """{"a":"x","n":1,"p1":2,"q":3}""", annotations: true);
        Assert.True(result.IsValid);
        string[] units = [.. result.Annotations.Select(unit => $"{unit.KeywordLocation}@{unit.InstanceLocation}={unit.Value.GetRawText()}").Order(StringComparer.Ordinal)];
        Assert.Equal(
            [
                "/additionalProperties@=[\"q\"]", "/anyOf/1/title@=\"yes\"", "/patternProperties/^p/deprecated@/p1=true", "/patternProperties@=[\"p1\"]",
                "/properties/a/contentMediaType@/a=\"text/plain\"", "/properties/a/contentSchema@/a={}", "/properties/a/description@/a=\"A\"",
                "/properties/a/format@/a=\"date\"", "/properties@=[\"a\",\"n\"]", "/title@=\"T\"", "/x-vendor@={\"k\":[1]}",
            ],
            units);
    }

    [Fact]
    public void Annotations_of_arrays_say_what_was_reached()
    {
        SchemaEvaluationResult result = Evaluate("""{"prefixItems":[true],"items":true,"contains":{"type":"integer"}}""", """["x",1,"y",2]""", annotations: true);
        Assert.Equal(
            ["/contains=[1,3]", "/items=true", "/prefixItems=0"],
            result.Annotations.Select(unit => $"{unit.KeywordLocation}={unit.Value.GetRawText()}").Order(StringComparer.Ordinal));
        SchemaEvaluationResult rest = Evaluate("""{"prefixItems":[true,true,true],"unevaluatedItems":true,"unevaluatedProperties":true}""", "[1,2,3,4]", annotations: true);
        Assert.Equal(["/prefixItems=2", "/unevaluatedItems=true"], rest.Annotations.Select(unit => $"{unit.KeywordLocation}={unit.Value.GetRawText()}"));
    }

    [Fact]
    public void The_basic_format_is_written_as_the_draft_says()
    {
        Assert.Equal(
            """{"valid":false,"errors":[{"valid":false,"keywordLocation":"/type","absoluteKeywordLocation":"https://x.test/s#/type","instanceLocation":"","error":"number where string is expected"}]}""",
            Write(Evaluate("""{"$id":"https://x.test/s","type":"string"}""", "1")));
        Assert.Equal(
            """{"valid":true,"annotations":[{"valid":true,"keywordLocation":"/title","absoluteKeywordLocation":"https://x.test/s#/title","instanceLocation":"","annotation":"T"}]}""",
            Write(Evaluate("""{"$id":"https://x.test/s","title":"T"}""", "1", annotations: true)));
        Assert.Equal("""{"valid":true}""", Write(Evaluate("true", "1")));
        Assert.Contains("ReferenceLoop", Write(Evaluate("""{"$ref":"#"}""", "1")));
        Assert.Contains("not JSON", Write(Evaluate("true", "{")));
    }

    [Fact]
    public void Output_units_are_bounded_and_the_bound_is_told()
    {
        SchemaEvaluationResult result = Schemas.Compile("""{"items":{"title":"t"}}""").Evaluate("[1,2,3]"u8, new SchemaEvaluationOptions { CollectAnnotations = true, MaxOutputUnits = 2 });
        Assert.True(result.IsValid);
        Assert.True(result.IsTruncated);
        Assert.Equal(2, result.Annotations.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => Schemas.Compile("true").Evaluate("1"u8, new SchemaEvaluationOptions { MaxOutputUnits = 0 }));
    }

    [Fact]
    public void An_element_inside_a_larger_document_is_an_instance_of_its_own()
    {
        using JsonDocument document = JsonDocument.Parse("""{"outer":[{"a":"x"}]}""");
        CompiledSchema schema = Schemas.Compile("""{"properties":{"a":{"type":"integer"}}}""");
        Assert.Equal("/a", Assert.Single(schema.Evaluate(document.RootElement.GetProperty("outer")[0]).Errors).InstanceLocation);
        Assert.Throws<ArgumentException>(() => schema.IsValid(default(JsonElement)));
    }

    private static string Write(SchemaEvaluationResult result)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            result.WriteTo(writer);
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
