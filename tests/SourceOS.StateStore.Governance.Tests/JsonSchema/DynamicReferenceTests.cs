// Why this file exists: $dynamicRef and $dynamicAnchor, after section 8.2.3.2 of the core specification and its appendix C.

using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class DynamicReferenceTests
{
    private const string Tree = """
        {"$id":"https://example.test/tree","$dynamicAnchor":"node","type":"object",
         "properties":{"data":true,"children":{"type":"array","items":{"$dynamicRef":"#node"}}}}
        """;

    private const string StrictTree = """
        {"$id":"https://example.test/strict-tree","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false}
        """;

    [Fact]
    public void The_outermost_resource_with_the_anchor_decides()
    {
        SchemaRegistrationResult result = Schemas.Register(SchemaRegistry.Create(), (null, StrictTree), (null, Tree));
        Schemas.Accepts(result.Schemas[1], """{"children":[{"daat":1}]}""");
        Schemas.Rejects(result.Schemas[0], """{"children":[{"daat":1}]}""");
        Schemas.Accepts(result.Schemas[0], """{"children":[{"data":1,"children":[]}]}""");
    }

    [Fact]
    public void Without_a_dynamic_anchor_at_its_first_target_it_is_a_plain_reference()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/root","$ref":"list","$defs":{
              "foo":{"$dynamicAnchor":"items","type":"string"},
              "list":{"$id":"list","type":"array","items":{"$dynamicRef":"#items"},"$defs":{"items":{"$anchor":"items"}}}}}
            """);
        Schemas.Accepts(schema, """["foo",42]""");
    }

    [Fact]
    public void With_the_dynamic_anchor_at_its_first_target_the_root_overrides()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/root","$ref":"list","$defs":{
              "foo":{"$dynamicAnchor":"items","type":"string"},
              "list":{"$id":"list","type":"array","items":{"$dynamicRef":"#items"},"$defs":{"items":{"$dynamicAnchor":"items"}}}}}
            """);
        Schemas.Accepts(schema, """["foo","bar"]""");
        Schemas.Rejects(schema, """["foo",42]""");
    }

    [Fact]
    public void A_pointer_in_a_dynamic_reference_is_never_dynamic()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/root","$dynamicAnchor":"x","$ref":"in","properties":{"a":true},"$defs":{
              "in":{"$id":"in","properties":{"a":{"$dynamicRef":"#/$defs/y"}},"$defs":{"y":{"$dynamicAnchor":"x","type":"integer"}}}}}
            """);
        Schemas.Rejects(schema, """{"a":"text"}""");
        Schemas.Accepts(schema, """{"a":1}""");
    }

    [Fact]
    public void A_resource_that_was_left_is_out_of_scope()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/main",
             "if":{"$id":"first","$defs":{"thingy":{"$dynamicAnchor":"thingy","type":"number"}}},
             "then":{"$id":"second","$ref":"start","$defs":{
               "thingy":{"$dynamicAnchor":"thingy","type":"null"},
               "start":{"$id":"start","$dynamicRef":"inner#thingy"},
               "inner":{"$id":"inner","$dynamicAnchor":"thingy","type":"string"}}}}
            """);
        Schemas.Accepts(schema, "null");
        Schemas.Rejects(schema, "\"a string\"", "42");
    }

    [Fact]
    public void Anchors_of_intermediate_resources_do_not_count_unless_entered()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/main","type":"object","properties":{"bar":{"$ref":"bar#/$defs/item"}},"$defs":{"bar":{"$id":"bar","$defs":{
              "item":{"$id":"item","properties":{"content":{"$dynamicRef":"#content"}},"$defs":{"d":{"$dynamicAnchor":"content","type":"integer"}}},
              "content":{"$dynamicAnchor":"content","type":"string"}}}}}
            """);
        Schemas.Accepts(schema, """{"bar":{"content":42}}""");
        Schemas.Rejects(schema, """{"bar":{"content":"value"}}""");
    }

    [Fact]
    public void Several_paths_to_one_reference_each_have_their_own_scope()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/main","propertyNames":{"enum":["numbers","strings"]},
             "properties":{"numbers":{"$ref":"numbers"},"strings":{"$ref":"strings"}},"$defs":{
              "list":{"$id":"generic","items":{"$dynamicRef":"#item"},"$defs":{"d":{"$dynamicAnchor":"item"}}},
              "n":{"$id":"numbers","$ref":"generic","$defs":{"i":{"$dynamicAnchor":"item","type":"number"}}},
              "s":{"$id":"strings","$ref":"generic","$defs":{"i":{"$dynamicAnchor":"item","type":"string"}}}}}
            """);
        Schemas.Accepts(schema, """{"numbers":[1.1],"strings":["x"]}""");
        Schemas.Rejects(schema, """{"numbers":["x"]}""", """{"strings":[1]}""");
    }

    [Fact]
    public void A_reference_reaches_a_dynamic_anchor_like_any_anchor()
    {
        CompiledSchema schema = Schemas.Compile("""{"$ref":"#n","$defs":{"x":{"$dynamicAnchor":"n","type":"null"}}}""");
        Schemas.Accepts(schema, "null");
        Schemas.Rejects(schema, "1");
    }

    [Fact]
    public void The_meta_schemas_recurse_through_their_vocabularies()
    {
        CompiledSchema meta = SchemaRegistry.Create().Find("https://json-schema.org/draft/2020-12/schema")!;
        Schemas.Accepts(meta, "true", """{"properties":{"a":{"anyOf":[{"minLength":1}]}}}""");
        Schemas.Rejects(meta, "1", """{"properties":{"a":{"anyOf":[{"minLength":-1}]}}}""", """{"$defs":{"a":{"items":[]}}}""");
    }
}
