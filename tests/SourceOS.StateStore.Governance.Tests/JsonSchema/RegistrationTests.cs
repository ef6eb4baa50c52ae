// Why this file exists: batches are taken whole or not at all, in any order, with every reason named; snapshots never change.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class RegistrationTests
{
    [Fact]
    public void Hundreds_of_schemas_in_a_cycle_register_in_any_order()
    {
        const int Count = 400;
        (string?, string)[] batch = [.. Enumerable.Range(0, Count).Select(i => ((string?)$"https://test/ring/{i}", $$"""
            {"type":"object","properties":{"next":{"$ref":"{{(i + 1) % Count}}"},"v":{"const":{{i}} } } }
            """))];
        foreach (int seed in new[] { 1, 2 })
        {
            new Random(seed).Shuffle(batch);
            SchemaRegistrationResult result = Schemas.Register(SchemaRegistry.Create(), batch);
            CompiledSchema first = result.Registry.Find("https://test/ring/398")!;
            Schemas.Accepts(first, """{"v":398,"next":{"v":399,"next":{"v":0}}}""");
            Schemas.Rejects(first, """{"v":398,"next":{"v":399,"next":{"v":1}}}""");
        }
    }

    [Fact]
    public void One_bad_document_refuses_the_batch_and_every_error_is_told()
    {
        SchemaRegistry before = SchemaRegistry.Create();
        SchemaRegistrationResult result = Schemas.TryRegister(
            before,
            ("https://test/good", "{}"),
            ("https://test/a", """{"properties":{"x/y":{"$ref":"https://test/missing"}}}"""),
            ("https://test/b", """{"type":"strin","pattern":"("}"""));
        Assert.False(result.Succeeded);
        Assert.Same(before, result.Registry);
        Assert.Null(result.Registry.Find("https://test/good"));
        Assert.Contains(result.Errors, e => e is { Code: SchemaRegistrationErrorCode.UnresolvedReference, SchemaUri: "https://test/a", Location: "/properties/x~1y/$ref" });
        Assert.Contains(result.Errors, e => e is { Code: SchemaRegistrationErrorCode.MetaSchemaViolation, SchemaUri: "https://test/b", Location: "/type" });
        Assert.Contains(result.Errors, e => e is { Code: SchemaRegistrationErrorCode.InvalidPattern, SchemaUri: "https://test/b", Location: "/pattern" });
    }

    [Fact]
    public void A_snapshot_does_not_see_what_is_registered_later()
    {
        SchemaRegistry empty = SchemaRegistry.Create();
        SchemaRegistry one = Schemas.Register(empty, ("https://test/one", """{"type":"integer"}""")).Registry;
        SchemaRegistry two = Schemas.Register(one, ("https://test/two", """{"$ref":"one#"}""")).Registry;
        Assert.Null(empty.Find("https://test/one"));
        Assert.Null(one.Find("https://test/two"));
        Schemas.Rejects(two.Find("https://test/two")!, "\"x\"");
        Assert.Contains("https://test/two", two.Identifiers);
    }

    [Fact]
    public void A_document_answers_to_where_it_was_found_and_to_its_id()
    {
        SchemaRegistry registry = Schemas.Register(
            SchemaRegistry.Create(),
            ("https://test/found/here", """{"$id":"../named/there","$ref":"sibling","$anchor":"top","$defs":{"a":{"type":"integer"}}}"""),
            ("https://test/named/sibling", """{"type":"integer"}""")).Registry;
        foreach (string uri in new[] { "https://test/found/here", "https://test/named/there", "https://TEST/named/there#", "https://test/named/there#top", "https://test/named/there#/$defs/a" })
        {
            Schemas.Rejects(registry.Find(uri)!, "\"x\"");
        }

        Assert.Equal("https://test/named/there#", registry.Find("https://test/found/here")!.Location);
        Assert.Equal("https://test/named/there#/$defs/a", registry.Find("https://test/found/here#/$defs/a")!.Location);
        Assert.Null(registry.Find("https://test/named/there#/$defs/b"));
        Assert.Null(registry.Find("https://test/named/there#/$anchor"));
        Assert.Null(registry.Find("https://test/named/there#nowhere"));
    }

    [Fact]
    public void Registering_the_same_content_again_is_harmless_and_other_content_is_refused()
    {
        SchemaRegistry registry = Schemas.Register(SchemaRegistry.Create(), (null, """{"$id":"https://test/s","minimum":1,"type":"number"}""")).Registry;
        SchemaRegistrationResult again = Schemas.Register(registry, ("https://mirror/s", """{ "type":"number", "$id":"https://test/s", "minimum":1.0 }"""));
        Schemas.Rejects(again.Schemas[0], "0");
        Schemas.Rejects(again.Registry.Find("https://mirror/s")!, "0");
        SchemaRegistrationResult other = Schemas.TryRegister(registry, (null, """{"$id":"https://test/s","minimum":2}"""));
        Assert.Equal(SchemaRegistrationErrorCode.DuplicateIdentifier, Assert.Single(other.Errors).Code);
        SchemaRegistrationResult embedded = Schemas.TryRegister(registry, (null, """{"$defs":{"x":{"$id":"https://test/s","minimum":2}}}"""));
        Assert.Equal(SchemaRegistrationErrorCode.DuplicateIdentifier, Assert.Single(embedded.Errors).Code);
    }

    [Fact]
    public void The_meta_schemas_are_there_and_cannot_be_replaced()
    {
        SchemaRegistry registry = SchemaRegistry.Create();
        foreach (string name in new[] { "schema", "meta/core", "meta/applicator", "meta/unevaluated", "meta/validation", "meta/meta-data", "meta/format-annotation", "meta/format-assertion", "meta/content" })
        {
            Assert.NotNull(registry.Find("https://json-schema.org/draft/2020-12/" + name));
        }

        SchemaRegistrationResult result = Schemas.Register(registry, ("https://json-schema.org/draft/2020-12/meta/core", "true"));
        Schemas.Rejects(result.Registry.Find("https://json-schema.org/draft/2020-12/meta/core")!, "1");
    }

    [Theory]
    [InlineData("schema")]
    [InlineData("meta/core")]
    [InlineData("meta/applicator")]
    [InlineData("meta/unevaluated")]
    [InlineData("meta/validation")]
    [InlineData("meta/meta-data")]
    [InlineData("meta/format-annotation")]
    [InlineData("meta/format-assertion")]
    [InlineData("meta/content")]
    public void Every_meta_schema_satisfies_the_meta_schema(string name)
    {
        string resource = "SourceOS.StateStore.Governance.JsonSchema.MetaSchemas." + Path.GetFileName(name) + ".json";
        using Stream stream = typeof(SchemaRegistry).Assembly.GetManifestResourceStream(resource)!;
        using JsonDocument document = JsonDocument.Parse(stream);
        Assert.True(SchemaRegistry.Create().Find("https://json-schema.org/draft/2020-12/schema")!.IsValid(document.RootElement));
    }

    [Theory]
    [InlineData("{", SchemaRegistrationErrorCode.MalformedJson)]
    [InlineData("{} {}", SchemaRegistrationErrorCode.MalformedJson)]
    [InlineData("""{"a":1,"a":2}""", SchemaRegistrationErrorCode.RepeatedMember)]
    [InlineData("""{"const":{"a":1,"\u0061":2}}""", SchemaRegistrationErrorCode.RepeatedMember)]
    [InlineData("12", SchemaRegistrationErrorCode.MetaSchemaViolation)]
    [InlineData("""{"items":[true]}""", SchemaRegistrationErrorCode.MetaSchemaViolation)]
    [InlineData("""{"minLength":-1}""", SchemaRegistrationErrorCode.MetaSchemaViolation)]
    [InlineData("""{"minLength":1.5}""", SchemaRegistrationErrorCode.MetaSchemaViolation)]
    [InlineData("""{"multipleOf":0}""", SchemaRegistrationErrorCode.MetaSchemaViolation)]
    [InlineData("""{"multipleOf":1e4000000000}""", SchemaRegistrationErrorCode.InvalidKeyword)]
    [InlineData("""{"allOf":[]}""", SchemaRegistrationErrorCode.MetaSchemaViolation)]
    [InlineData("""{"pattern":"\\Z"}""", SchemaRegistrationErrorCode.InvalidPattern)]
    [InlineData("""{"patternProperties":{"(":true}}""", SchemaRegistrationErrorCode.InvalidPattern)]
    [InlineData("""{"$id":5}""", SchemaRegistrationErrorCode.InvalidIdentifier)]
    public void What_is_wrong_with_a_schema_has_a_code(string schema, SchemaRegistrationErrorCode code) =>
        Assert.Equal(code, Schemas.Refused(schema).Code);

    [Fact]
    public void Keyword_values_are_checked_even_where_the_meta_schema_does_not()
    {
        const string Meta = """
            {"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://test/lax","$vocabulary":{
              "https://json-schema.org/draft/2020-12/vocab/core":true,"https://json-schema.org/draft/2020-12/vocab/applicator":true,
              "https://json-schema.org/draft/2020-12/vocab/validation":true,"https://json-schema.org/draft/2020-12/vocab/unevaluated":true,
              "https://json-schema.org/draft/2020-12/vocab/format-annotation":true}}
            """;
        SchemaRegistry registry = Schemas.Register(SchemaRegistry.Create(), (null, Meta)).Registry;
        string[] bad =
        [
            "\"type\":5", "\"type\":[]", "\"type\":\"strin\"", "\"enum\":1", "\"minimum\":\"1\"", "\"multipleOf\":\"1\"", "\"multipleOf\":-1",
            "\"minLength\":\"1\"", "\"maxItems\":-1", "\"minProperties\":0.5", "\"uniqueItems\":1", "\"pattern\":1", "\"format\":1",
            "\"required\":\"a\"", "\"required\":[1]", "\"properties\":[]", "\"properties\":{\"a\":1}", "\"dependentRequired\":{\"a\":1}",
            "\"allOf\":{}", "\"anyOf\":[]", "\"not\":1", "\"if\":1", "\"items\":1", "\"prefixItems\":{}", "\"contains\":1", "\"contains\":true,\"minContains\":-1",
            "\"$ref\":1", "\"$dynamicRef\":1", "\"unevaluatedItems\":1", "\"unevaluatedProperties\":1", "\"propertyNames\":1", "\"additionalProperties\":1",
        ];
        foreach (string keyword in bad)
        {
            SchemaRegistrationResult result = Schemas.TryRegister(registry, ("https://test/bad", $"{{\"$schema\":\"https://test/lax\",{keyword}}}"));
            Assert.False(result.Succeeded, keyword);
            Assert.All(result.Errors, error => Assert.Equal(SchemaRegistrationErrorCode.InvalidKeyword, error.Code));
        }
    }

    [Fact]
    public void Documents_come_as_bytes_text_or_elements()
    {
        byte[] bytes = [.. Encoding.UTF8.Preamble, .. """{"type":"integer"}"""u8];
        using JsonDocument lenient = JsonDocument.Parse("""{"type":"integer",/* note */"title":[1,],}""", new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        SchemaRegistrationResult result = SchemaRegistry.Create().Register(
            [new SchemaDocument("a", bytes), new SchemaDocument("b", """{"$ref":"a"}""")]);
        Assert.True(result.Succeeded);
        Schemas.Rejects(result.Registry.Find("b")!, "\"x\"");
        Assert.Equal("json-schema:///b", result.Schemas[1].ResourceUri);
        SchemaRegistrationResult element = SchemaRegistry.Create().Register(new SchemaDocument("c", lenient.RootElement.GetProperty("title")));
        Assert.Equal(SchemaRegistrationErrorCode.MetaSchemaViolation, element.Errors[0].Code);
        Assert.Throws<ArgumentException>(() => new SchemaDocument("d", default(JsonElement)));
    }

    [Fact]
    public void The_caller_may_reuse_its_buffer_after_registering()
    {
        byte[] bytes = """{"const":"abc"}"""u8.ToArray();
        CompiledSchema schema = SchemaRegistry.Create().Register(new SchemaDocument(null, bytes)).Schemas[0];
        bytes.AsSpan().Fill((byte)' ');
        Schemas.Accepts(schema, "\"abc\"");
    }

    [Fact]
    public void Options_are_checked_and_obeyed()
    {
        Assert.Throws<ArgumentException>(() => SchemaRegistry.Create(new SchemaRegistryOptions { DefaultBaseUri = "relative" }));
        Assert.Throws<ArgumentOutOfRangeException>(() => SchemaRegistry.Create(new SchemaRegistryOptions { Limits = new SchemaLimits { MaxInstanceDepth = 0 } }));
        Assert.Throws<ArgumentOutOfRangeException>(() => SchemaRegistry.Create(new SchemaRegistryOptions { Limits = new SchemaLimits { MaxSchemaDepth = 513 } }));
        SchemaRegistry registry = SchemaRegistry.Create(new SchemaRegistryOptions { DefaultBaseUri = "https://base.test/dir/x", DefaultDialect = "https://nowhere.test/d" });
        Assert.Equal(SchemaRegistrationErrorCode.UnsupportedDialect, Assert.Single(Schemas.TryRegister(registry, ("s", "{}")).Errors).Code);
        SchemaRegistrationResult result = Schemas.Register(registry, ("s", """{"$schema":"https://json-schema.org/draft/2020-12/schema"}"""));
        Assert.Equal("https://base.test/dir/s", result.Schemas[0].ResourceUri);
    }

    [Fact]
    public void The_keyword_of_earlier_drafts_that_the_meta_schema_describes_is_honoured()
    {
        CompiledSchema schema = Schemas.Compile("""{"dependencies":{"a":["b"],"c":{"required":["d"]}},"definitions":{"x":{"$id":"https://test/x"}}}""");
        Schemas.Accepts(schema, """{"a":1,"b":1}""", """{"c":1,"d":1}""");
        Schemas.Rejects(schema, """{"a":1}""", """{"c":1}""");
    }

    [Fact]
    public async Task Registration_and_checks_run_on_many_threads_at_once()
    {
        SchemaRegistry registry = Schemas.Register(SchemaRegistry.Create(), ("https://test/base", """{"x-y":{"type":"integer"},"items":{"pattern":"^a+$"}}""")).Registry;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() =>
        {
            for (int i = 0; i < 50; i++)
            {
                CompiledSchema schema = Schemas.Register(registry, ($"https://test/{worker}/{i}", """{"anyOf":[{"$ref":"/base#/x-y"},{"$ref":"/base"}]}""")).Schemas[0];
                Assert.True(schema.IsValid("""["aaa","a"]"""u8));
                Assert.False(schema.IsValid("""["aaa","b"]"""u8));
                Assert.True(schema.IsValid("12"u8));
            }
        })));
    }
}
