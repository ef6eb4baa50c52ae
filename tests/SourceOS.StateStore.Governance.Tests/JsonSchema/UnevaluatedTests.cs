// Why this file exists: unevaluatedProperties and unevaluatedItems depend on which subschemas passed; section 11 of the core specification.

using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class UnevaluatedTests
{
    [Theory]
    [InlineData("""{"properties":{"a":true}}""")]
    [InlineData("""{"patternProperties":{"^a$":true}}""")]
    [InlineData("""{"allOf":[{"properties":{"a":true}}]}""")]
    [InlineData("""{"anyOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"a":true}}]}""")]
    [InlineData("""{"oneOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"a":true}}]}""")]
    [InlineData("""{"if":{"properties":{"a":true}}}""")]
    [InlineData("""{"if":true,"then":{"properties":{"a":true}}}""")]
    [InlineData("""{"if":false,"else":{"properties":{"a":true}}}""")]
    [InlineData("""{"dependentSchemas":{"a":{"properties":{"a":true}}}}""")]
    [InlineData("""{"$ref":"#/$defs/d","$defs":{"d":{"properties":{"a":true}}}}""")]
    [InlineData("""{"allOf":[{"unevaluatedProperties":true}]}""")]
    [InlineData("""{"allOf":[{"additionalProperties":true}]}""")]
    public void A_member_that_a_passing_subschema_evaluated_is_evaluated(string schema)
    {
        CompiledSchema compiled = Schemas.Compile(schema[..^1] + ",\"unevaluatedProperties\":false}");
        Schemas.Accepts(compiled, """{"a":1}""");
    }

    [Theory]
    [InlineData("""{"not":{"not":{"properties":{"a":true}}}}""")]
    [InlineData("""{"anyOf":[{"properties":{"a":{"type":"string"}}},true]}""")]
    [InlineData("""{"if":{"properties":{"a":{"type":"string"}}},"then":true}""")]
    [InlineData("""{"properties":{"x":{"properties":{"a":true}}}}""")]
    [InlineData("""{"dependentSchemas":{"zzz":{"properties":{"a":true}}}}""")]
    [InlineData("""{"propertyNames":true}""")]
    [InlineData("""{"required":["a"]}""")]
    [InlineData("""{"$defs":{"d":{"properties":{"a":true}}}}""")]
    public void A_member_that_nothing_passing_evaluated_is_not(string schema)
    {
        CompiledSchema compiled = Schemas.Compile(schema[..^1] + ",\"unevaluatedProperties\":false}");
        Schemas.Rejects(compiled, """{"a":1}""");
    }

    [Fact]
    public void Cousins_do_not_see_each_other()
    {
        CompiledSchema schema = Schemas.Compile("""{"allOf":[{"properties":{"foo":true}},{"unevaluatedProperties":false}]}""");
        Schemas.Rejects(schema, """{"foo":1}""");
        CompiledSchema items = Schemas.Compile("""{"allOf":[{"prefixItems":[true]},{"unevaluatedItems":false}]}""");
        Schemas.Rejects(items, "[1]");
    }

    [Fact]
    public void What_an_inner_unevaluated_took_the_outer_sees_as_evaluated()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"properties":{"a":true},"allOf":[{"properties":{"b":true},"unevaluatedProperties":{"type":"integer"}}],"unevaluatedProperties":false}
            """);
        Schemas.Accepts(schema, """{"a":1,"b":"x","c":3}""");
        Schemas.Rejects(schema, """{"a":"x"}""", """{"c":"x"}""");
    }

    [Fact]
    public void Every_branch_of_anyOf_that_passes_counts()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"anyOf":[{"required":["a"],"properties":{"a":true}},{"required":["b"],"properties":{"b":true}}],"unevaluatedProperties":false}
            """);
        Schemas.Accepts(schema, """{"a":1}""", """{"b":1}""", """{"a":1,"b":1}""");
        Schemas.Rejects(schema, """{"a":1,"c":1}""");
    }

    [Theory]
    [InlineData("""{"prefixItems":[true,true]}""", "[1,2]", "[1,2,3]")]
    [InlineData("""{"contains":{"type":"integer"}}""", "[1,2]", "[1,\"x\"]")]
    [InlineData("""{"contains":{"type":"integer"},"minContains":0}""", "[1]", "[\"x\"]")]
    [InlineData("""{"prefixItems":[true],"contains":{"type":"string"}}""", "[1,\"x\"]", "[1,2,\"x\"]")]
    [InlineData("""{"anyOf":[{"prefixItems":[true,{"const":2}]},{"prefixItems":[true]}]}""", "[1,2]", "[1,3]")]
    [InlineData("""{"if":{"prefixItems":[{"const":1}]},"then":{"prefixItems":[true,true]},"else":{"prefixItems":[true]}}""", "[1,2]", "[0,2]")]
    [InlineData("""{"allOf":[{"contains":{"multipleOf":2}},{"contains":{"multipleOf":3}}]}""", "[2,3,4,5,6]", "[2,3,7]")]
    public void An_item_is_evaluated_by_what_applied_to_it_and_passed(string schema, string valid, string invalid)
    {
        // In the last case 5 is evaluated by neither, so items that stay are given a schema of their own.
        string rest = schema.Contains("multipleOf") ? "{\"const\":5}" : "false";
        CompiledSchema compiled = Schemas.Compile($"{schema[..^1]},\"unevaluatedItems\":{rest}}}");
        Schemas.Accepts(compiled, valid);
        Schemas.Rejects(compiled, invalid);
    }

    [Fact]
    public void Items_evaluates_all_that_prefixItems_left()
    {
        CompiledSchema schema = Schemas.Compile("""{"allOf":[{"prefixItems":[true],"items":{"type":"integer"}}],"unevaluatedItems":false}""");
        Schemas.Accepts(schema, "[\"x\",1,2]");
    }

    [Fact]
    public void Keywords_for_other_kinds_of_instances_do_not_matter()
    {
        CompiledSchema schema = Schemas.Compile("""{"unevaluatedItems":false,"unevaluatedProperties":false}""");
        Schemas.Accepts(schema, "1", "\"x\"", "null", "[]", "{}");
        Schemas.Rejects(schema, "[1]", """{"a":1}""");
    }

    [Fact]
    public void More_members_than_one_machine_word_are_tracked()
    {
        string properties = string.Join(',', Enumerable.Range(0, 200).Select(i => $"\"p{i}\":true"));
        CompiledSchema schema = Schemas.Compile($"{{\"allOf\":[{{\"properties\":{{{properties}}}}}],\"unevaluatedProperties\":false}}");
        string members = string.Join(',', Enumerable.Range(0, 200).Select(i => $"\"p{i}\":{i}"));
        Schemas.Accepts(schema, $"{{{members}}}");
        Schemas.Rejects(schema, $"{{{members},\"q\":1}}");
    }

    [Fact]
    public void Dynamic_references_report_what_they_evaluated()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/derived","$ref":"base","properties":{"foo":true},"$dynamicAnchor":"addons_off",
             "$defs":{"derived":{"$dynamicAnchor":"addons","properties":{"bar":true}},
               "base":{"$id":"base","unevaluatedProperties":false,"properties":{"foo":true},"$dynamicRef":"#addons","$defs":{"d":{"$dynamicAnchor":"addons"}}}}}
            """);
        Schemas.Accepts(schema, """{"foo":1,"bar":2}""");
        Schemas.Rejects(schema, """{"foo":1,"baz":2}""");
    }
}
