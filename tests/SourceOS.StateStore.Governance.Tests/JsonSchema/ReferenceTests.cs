// Why this file exists: $ref, $id, $anchor and JSON pointers, after section 8 of the core specification.

using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class ReferenceTests
{
    [Fact]
    public void A_pointer_may_hold_tilde_slash_and_percent_escapes()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$defs":{"a~b":{"type":"integer"},"c/d":{"type":"string"},"e%f":{"type":"null"},"g\"h":{"type":"boolean"}},
             "properties":{"1":{"$ref":"#/$defs/a~0b"},"2":{"$ref":"#/$defs/c~1d"},"3":{"$ref":"#/$defs/e%25f"},"4":{"$ref":"#/$defs/g%22h"}}}
            """);
        Schemas.Accepts(schema, """{"1":1,"2":"x","3":null,"4":true}""");
        Schemas.Rejects(schema, """{"1":"x"}""", """{"2":1}""", """{"3":1}""", """{"4":1}""");
    }

    [Fact]
    public void A_pointer_goes_through_arrays_by_index_without_leading_zeros()
    {
        CompiledSchema schema = Schemas.Compile("""{"prefixItems":[{"type":"integer"},{"$ref":"#/prefixItems/0"}]}""");
        Schemas.Accepts(schema, "[1,2]");
        Schemas.Rejects(schema, "[1,\"x\"]");
        Assert.Equal(SchemaRegistrationErrorCode.UnresolvedReference, Schemas.Refused("""{"prefixItems":[{"$ref":"#/prefixItems/00"}]}""").Code);
    }

    [Fact]
    public void Siblings_of_ref_apply_as_well()
    {
        CompiledSchema schema = Schemas.Compile("""{"$ref":"#/$defs/a","maximum":5,"$defs":{"a":{"minimum":2}}}""");
        Schemas.Accepts(schema, "2", "5");
        Schemas.Rejects(schema, "1", "6");
    }

    [Fact]
    public void An_id_changes_the_base_of_references_below_it()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/root/main","properties":{"a":{"$ref":"nested/leaf"},"b":{"$id":"nested/","$ref":"leaf"}},
             "$defs":{"x":{"$id":"nested/leaf","type":"integer"}}}
            """);
        Schemas.Accepts(schema, """{"a":1,"b":2}""");
        Schemas.Rejects(schema, """{"a":"x"}""", """{"b":"x"}""");
    }

    [Fact]
    public void An_anchor_belongs_to_its_own_resource()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/a","$ref":"b#here","$anchor":"here",
             "$defs":{"b":{"$id":"b","$defs":{"in":{"$anchor":"here","type":"integer"}}}}}
            """);
        Schemas.Accepts(schema, "1");
        Schemas.Rejects(schema, "\"x\"");
        SchemaRegistrationError error = Schemas.Refused("""{"$ref":"#inner","$defs":{"b":{"$id":"b","$anchor":"inner"}}}""");
        Assert.Equal(SchemaRegistrationErrorCode.UnresolvedReference, error.Code);
        Assert.Equal("/$ref", error.Location);
    }

    [Fact]
    public void A_pointer_is_relative_to_the_resource_and_not_to_the_document()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$defs":{"x":{"type":"string"},"inner":{"$id":"https://example.test/inner","$ref":"#/$defs/x","$defs":{"x":{"type":"integer"}}}},
             "$ref":"https://example.test/inner"}
            """);
        Schemas.Accepts(schema, "1");
        Schemas.Rejects(schema, "\"x\"");
    }

    [Fact]
    public void A_pointer_across_an_embedded_resource_takes_its_base()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/outer","$ref":"#/$defs/in/$defs/deep",
             "$defs":{"in":{"$id":"https://example.test/other/in","$defs":{"deep":{"$ref":"sibling"},"s":{"$id":"sibling","type":"null"}}}}}
            """);
        Schemas.Accepts(schema, "null");
        Schemas.Rejects(schema, "1");
    }

    [Fact]
    public void An_id_that_is_data_names_nothing()
    {
        const string Schema = """{"ENUM":[{"$id":"https://example.test/data","type":"null"}],"$ref":"https://example.test/data"}""";
        foreach (string keyword in new[] { "enum", "examples", "unknown" })
        {
            SchemaRegistrationError error = Schemas.Refused(Schema.Replace("ENUM", keyword));
            Assert.Equal(SchemaRegistrationErrorCode.UnresolvedReference, error.Code);
            Assert.Contains("https://example.test/data", error.Message);
        }
    }

    [Fact]
    public void A_reference_into_an_unknown_keyword_reads_a_schema_there()
    {
        CompiledSchema schema = Schemas.Compile("""{"vendor":{"deep":{"type":"integer"}},"$ref":"#/vendor/deep"}""");
        Schemas.Accepts(schema, "1");
        Schemas.Rejects(schema, "\"x\"");
        Assert.Equal(SchemaRegistrationErrorCode.UnresolvedReference, Schemas.Refused("""{"vendor":12,"$ref":"#/vendor"}""").Code);
    }

    [Fact]
    public void Urns_and_files_are_identifiers_like_any_other()
    {
        CompiledSchema urn = Schemas.Compile("""
            {"$id":"urn:uuid:deadbeef-1234-ffff-ffff-4321feebdaed","properties":{"a":{"$ref":"urn:uuid:deadbeef-1234-ffff-ffff-4321feebdaed#/$defs/b"},"c":{"$ref":"urn:example:x#y"}},
             "$defs":{"b":{"type":"string"},"d":{"$id":"urn:example:x","$defs":{"e":{"$anchor":"y","type":"integer"}}}}}
            """);
        Schemas.Accepts(urn, """{"a":"x","c":1}""");
        Schemas.Rejects(urn, """{"a":1}""", """{"c":"x"}""");
        CompiledSchema file = Schemas.Compile("""{"$id":"file:///c:/folder/file.json","$ref":"#/$defs/a","$defs":{"a":{"type":"number"}}}""");
        Schemas.Rejects(file, "\"x\"");
    }

    [Fact]
    public void A_recursive_schema_follows_the_instance()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$id":"https://example.test/tree","type":"object","required":["v"],
             "properties":{"v":{"type":"integer"},"n":{"type":"array","items":{"$ref":"tree"}}},"unevaluatedProperties":false}
            """);
        Schemas.Accepts(schema, """{"v":1,"n":[{"v":2},{"v":3,"n":[{"v":4}]}]}""");
        Schemas.Rejects(schema, """{"v":1,"n":[{"v":2},{"v":3,"n":[{"v":"x"}]}]}""", """{"v":1,"n":[{"v":2,"o":1}]}""");
    }

    [Fact]
    public void The_same_subschema_twice_at_one_place_is_no_loop()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"$defs":{"int":{"type":"integer"}},"allOf":[{"properties":{"foo":{"$ref":"#/$defs/int"}}},{"additionalProperties":{"$ref":"#/$defs/int"}}],
             "anyOf":[{"$ref":"#/$defs/any"},{"$ref":"#/$defs/any"}]}
            """.Replace("\"$defs\":{", "\"$defs\":{\"any\":{\"type\":\"object\"},"));
        Schemas.Accepts(schema, """{"foo":1}""");
        Schemas.Rejects(schema, """{"foo":"a string"}""");
    }

    [Theory]
    [InlineData("""{"$id":"#part"}""", SchemaRegistrationErrorCode.InvalidIdentifier)]
    [InlineData("""{"$defs":{"a":{"$id":"x#part"}}}""", SchemaRegistrationErrorCode.InvalidIdentifier)]
    [InlineData("""{"$defs":{"a":{"$anchor":"1"}}}""", SchemaRegistrationErrorCode.InvalidIdentifier)]
    [InlineData("""{"$defs":{"a":{"$anchor":"x"},"b":{"$dynamicAnchor":"x"}}}""", SchemaRegistrationErrorCode.DuplicateAnchor)]
    [InlineData("""{"$defs":{"a":{"$id":"x","type":"null"},"b":{"$id":"x"}}}""", SchemaRegistrationErrorCode.DuplicateIdentifier)]
    [InlineData("""{"$ref":"other"}""", SchemaRegistrationErrorCode.UnresolvedReference)]
    [InlineData("""{"$ref":"#/$defs/a~2b","$defs":{"a~2b":true}}""", SchemaRegistrationErrorCode.UnresolvedReference)]
    public void Identifiers_that_cannot_be_are_refused(string schema, SchemaRegistrationErrorCode code) =>
        Assert.Equal(code, Schemas.Refused(schema).Code);
}
