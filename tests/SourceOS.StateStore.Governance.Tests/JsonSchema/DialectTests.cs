// Why this file exists: $schema and $vocabulary decide which keywords have meaning; sections 8.1 and 14 of the core specification.

using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class DialectTests
{
    private const string Vocabulary = "https://json-schema.org/draft/2020-12/vocab/";

    private static string MetaSchema(string id, string vocabularies, string allOf = "") => $$"""
        {"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"{{id}}","$vocabulary":{{{vocabularies}}},"$dynamicAnchor":"meta",
         "allOf":[{"$ref":"https://json-schema.org/draft/2020-12/meta/core"}{{allOf}}]}
        """;

    [Fact]
    public void Keywords_of_a_vocabulary_that_is_not_in_use_assert_nothing()
    {
        string meta = MetaSchema("https://test/no-validation", $"\"{Vocabulary}core\":true,\"{Vocabulary}applicator\":true");
        SchemaRegistrationResult result = Schemas.Register(
            SchemaRegistry.Create(),
            (null, """{"$schema":"https://test/no-validation","$id":"https://test/s","properties":{"bad":false,"n":{"minimum":10,"contains":true,"minContains":2}}}"""),
            (null, meta));
        Schemas.Rejects(result.Schemas[0], """{"bad":1}""", """{"n":[]}""");
        Schemas.Accepts(result.Schemas[0], """{"n":1}""", """{"n":[1]}""");
    }

    [Fact]
    public void An_unknown_vocabulary_may_be_optional_but_not_required()
    {
        string optional = MetaSchema("https://test/optional", $"\"{Vocabulary}validation\":true,\"https://test/custom\":false");
        SchemaRegistrationResult result = Schemas.Register(
            SchemaRegistry.Create(), (null, optional), (null, """{"$schema":"https://test/optional","type":"number"}"""));
        Schemas.Rejects(result.Schemas[1], "\"x\"");
        SchemaRegistrationResult refused = Schemas.TryRegister(
            SchemaRegistry.Create(),
            (null, optional.Replace("\"https://test/custom\":false", "\"https://test/custom\":true")),
            ("https://test/s", """{"$schema":"https://test/optional","type":"number"}"""));
        Assert.Equal(SchemaRegistrationErrorCode.UnsupportedDialect, Assert.Single(refused.Errors).Code);
        Assert.Equal(("https://test/s", "/$schema"), (refused.Errors[0].SchemaUri, refused.Errors[0].Location));
        Assert.Contains("https://test/custom", refused.Errors[0].Message);
    }

    [Theory]
    [InlineData("http://json-schema.org/draft-07/schema#")]
    [InlineData("https://json-schema.org/draft/2019-09/schema")]
    [InlineData("https://nowhere.test/meta")]
    [InlineData("relative")]
    public void Another_dialect_is_refused_with_its_name(string uri)
    {
        SchemaRegistrationError error = Schemas.Refused($"{{\"$schema\":\"{uri}\"}}");
        Assert.Equal(SchemaRegistrationErrorCode.UnsupportedDialect, error.Code);
        Assert.Contains(uri.TrimEnd('#'), error.Message);
    }

    [Fact]
    public void A_meta_schema_without_vocabularies_is_no_dialect()
    {
        SchemaRegistrationResult result = Schemas.TryRegister(
            SchemaRegistry.Create(), ("https://test/meta", "{}"), ("https://test/s", """{"$schema":"https://test/meta"}"""));
        Assert.Equal(SchemaRegistrationErrorCode.UnsupportedDialect, Assert.Single(result.Errors).Code);
    }

    [Fact]
    public void Schemas_are_validated_by_their_own_meta_schema()
    {
        string meta = MetaSchema(
            "https://test/strict", $"\"{Vocabulary}core\":true,\"{Vocabulary}validation\":true", """,{"properties":{"type":{"const":"string"}}}""");
        SchemaRegistry registry = Schemas.Register(SchemaRegistry.Create(), (null, meta)).Registry;
        Assert.True(Schemas.TryRegister(registry, (null, """{"$schema":"https://test/strict","type":"string"}""")).Succeeded);
        SchemaRegistrationResult refused = Schemas.TryRegister(registry, (null, """{"$schema":"https://test/strict","type":"number"}"""));
        Assert.Equal(SchemaRegistrationErrorCode.MetaSchemaViolation, Assert.Single(refused.Errors).Code);
        Assert.Equal("/type", refused.Errors[0].Location);
    }

    [Fact]
    public void An_embedded_resource_may_have_a_dialect_of_its_own()
    {
        string meta = MetaSchema("https://test/applicators", $"\"{Vocabulary}core\":true,\"{Vocabulary}applicator\":true");
        SchemaRegistrationResult result = Schemas.Register(
            SchemaRegistry.Create(),
            (null, meta),
            (null, """{"properties":{"a":{"$id":"https://test/in","$schema":"https://test/applicators","minimum":5},"b":{"minimum":5}}}"""));
        Schemas.Accepts(result.Schemas[1], """{"a":1}""");
        Schemas.Rejects(result.Schemas[1], """{"b":1}""");
        Assert.Equal(
            SchemaRegistrationErrorCode.UnsupportedDialect,
            Schemas.Refused("""{"properties":{"a":{"$schema":"https://test/applicators"}}}""").Code);
    }

    [Fact]
    public void The_format_assertion_vocabulary_asserts_formats_and_refuses_unknown_ones()
    {
        string meta = MetaSchema("https://test/formats", $"\"{Vocabulary}core\":true,\"{Vocabulary}format-assertion\":false");
        SchemaRegistry registry = Schemas.Register(SchemaRegistry.Create(), (null, meta)).Registry;
        CompiledSchema schema = Schemas.Register(registry, (null, """{"$schema":"https://test/formats","format":"ipv4"}""")).Schemas[0];
        Assert.Equal(SchemaVerdict.Invalid, Schemas.Check(schema, "\"x\"", assertFormat: false));
        Assert.False(Schemas.TryRegister(registry, (null, """{"$schema":"https://test/formats","format":"shoe-size"}""")).Succeeded);
    }

    [Fact]
    public void An_empty_fragment_after_the_dialect_does_not_matter() =>
        Schemas.Accepts(Schemas.Compile("""{"$schema":"https://json-schema.org/draft/2020-12/schema#"}"""), "1");
}
