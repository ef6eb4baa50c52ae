// Why this file exists: the short ways in which the tests here register schemas and check instances.
// Invariants: every check runs all three doors (verdict from bytes, verdict from an element, full evaluation) and they must agree.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

internal static class Schemas
{
    public static CompiledSchema Compile(string schema, SchemaRegistryOptions? options = null) =>
        Register(SchemaRegistry.Create(options), (null, schema)).Schemas[0];

    public static SchemaRegistrationResult Register(SchemaRegistry registry, params (string? Uri, string Json)[] documents)
    {
        SchemaRegistrationResult result = TryRegister(registry, documents);
        Assert.True(result.Succeeded, string.Join('\n', result.Errors));
        Assert.Equal(documents.Length, result.Schemas.Count);
        return result;
    }

    public static SchemaRegistrationResult TryRegister(SchemaRegistry registry, params (string? Uri, string Json)[] documents) =>
        registry.Register(documents.Select(document => new SchemaDocument(document.Uri, document.Json)));

    public static SchemaRegistrationError Refused(string schema, SchemaRegistryOptions? options = null)
    {
        SchemaRegistry registry = SchemaRegistry.Create(options);
        SchemaRegistrationResult result = TryRegister(registry, ("https://test/refused", schema));
        Assert.False(result.Succeeded);
        Assert.Same(registry, result.Registry);
        Assert.Empty(result.Schemas);
        return result.Errors[0];
    }

    public static SchemaVerdict Check(CompiledSchema schema, string instance, bool? assertFormat = null)
    {
        SchemaEvaluationOptions options = new() { AssertFormat = assertFormat };
        byte[] utf8 = Encoding.UTF8.GetBytes(instance);
        using JsonDocument document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = 200_000 });
        SchemaVerdict verdict = schema.Check(utf8, options);
        Assert.Equal(verdict, schema.Check(document.RootElement, options));
        SchemaEvaluationResult result = schema.Evaluate(utf8, options);
        Assert.Equal(verdict, result.Verdict);
        Assert.Equal(verdict == SchemaVerdict.Invalid, result.Errors.Count > 0);
        Assert.Equal(verdict == SchemaVerdict.LimitExceeded, result.Limit is not null);
        SchemaEvaluationResult annotated = schema.Evaluate(document.RootElement, new SchemaEvaluationOptions { AssertFormat = assertFormat, CollectAnnotations = true });
        Assert.Equal(verdict, annotated.Verdict);
        return verdict;
    }

    public static void Accepts(CompiledSchema schema, params string[] instances)
    {
        foreach (string instance in instances)
        {
            Assert.True(Check(schema, instance) == SchemaVerdict.Valid, $"should be valid: {instance}");
        }
    }

    public static void Rejects(CompiledSchema schema, params string[] instances)
    {
        foreach (string instance in instances)
        {
            Assert.True(Check(schema, instance) == SchemaVerdict.Invalid, $"should be invalid: {instance}");
        }
    }
}
