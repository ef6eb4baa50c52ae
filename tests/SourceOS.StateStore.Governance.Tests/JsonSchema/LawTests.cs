// Why this file exists: laws that hold for every schema and instance, checked on random ones against a slow, plain model.
// Invariants: schemas and instances come from a seed, so a failure names what to run again.

using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class LawTests
{
    private static readonly Config s_many = Config.QuickThrowOnFailure.WithMaxTest(250);

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    // The instances of one schema come one after the other, so the last few schemas are worth keeping.
    private readonly Dictionary<string, CompiledSchema> _compiled = new(StringComparer.Ordinal);

    private static void ForAll(Func<string, string, bool> law) =>
        Check.One(s_many, Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            RandomJson random = new(seed);
            string schema = random.Schema(3).ToJsonString();
            bool holds = true;
            for (int i = 0; i < 6; i++)
            {
                string instance = RandomJson.Write(random.Instance(3));
                holds &= law(schema, instance);
            }

            return holds.Label($"schema {schema}");
        }));

    private bool IsValid(string schema, string instance)
    {
        if (!_compiled.TryGetValue(schema, out CompiledSchema? compiled))
        {
            compiled = Schemas.Compile(schema);
            if (_compiled.Count > 16)
            {
                _compiled.Clear();
            }

            _compiled.Add(schema, compiled);
        }

        SchemaVerdict verdict = Schemas.Check(compiled, instance);
        Assert.True(verdict is SchemaVerdict.Valid or SchemaVerdict.Invalid);
        return verdict == SchemaVerdict.Valid;
    }

    [Fact]
    public void The_evaluator_agrees_with_the_model() => ForAll((schema, instance) =>
    {
        bool expected = ModelEvaluator.IsValid(JsonNode.Parse(schema), JsonNode.Parse(instance));
        bool actual = IsValid(schema, instance);
        Assert.True(expected == actual, $"model says {expected}: schema {schema} instance {instance}");
        return true;
    });

    [Fact]
    public void Not_not_is_the_schema_itself() =>
        ForAll((schema, instance) => IsValid($"{{\"not\":{{\"not\":{schema}}}}}", instance) == IsValid(schema, instance));

    [Fact]
    public void Not_turns_the_verdict_around() =>
        ForAll((schema, instance) => IsValid($"{{\"not\":{schema}}}", instance) != IsValid(schema, instance));

    [Fact]
    public void One_branch_of_any_kind_is_the_schema_itself() => ForAll((schema, instance) =>
    {
        bool expected = IsValid(schema, instance);
        return IsValid($"{{\"allOf\":[{schema}]}}", instance) == expected
            && IsValid($"{{\"anyOf\":[{schema}]}}", instance) == expected
            && IsValid($"{{\"oneOf\":[{schema}]}}", instance) == expected
            && IsValid($"{{\"$ref\":\"#/$defs/s\",\"$defs\":{{\"s\":{schema}}}}}", instance) == expected
            && IsValid($"{{\"if\":{schema},\"else\":false}}", instance) == expected
            && IsValid($"{{\"$dynamicRef\":\"#s\",\"$defs\":{{\"s\":{{\"$dynamicAnchor\":\"s\",\"allOf\":[{schema}]}}}}}}", instance) == expected;
    });

    [Fact]
    public void De_Morgan_holds() => ForAll((schema, instance) =>
    {
        const string Other = """{"type":["object","integer"]}""";
        return IsValid($"{{\"not\":{{\"anyOf\":[{schema},{Other}]}}}}", instance)
            == IsValid($"{{\"allOf\":[{{\"not\":{schema}}},{{\"not\":{Other}}}]}}", instance);
    });

    [Fact]
    public void A_schema_applied_twice_is_the_schema_and_never_exactly_one() => ForAll((schema, instance) =>
        IsValid($"{{\"allOf\":[{schema},{schema}]}}", instance) == IsValid(schema, instance)
        && !IsValid($"{{\"oneOf\":[{schema},{schema}]}}", instance));

    [Fact]
    public void Whitespace_and_the_order_of_members_do_not_matter() => ForAll((schema, instance) =>
    {
        JsonNode? node = JsonNode.Parse(instance);
        string shuffled = RandomJson.Write(RandomJson.Reverse(node));
        using JsonDocument document = JsonDocument.Parse(instance);
        string indented = JsonSerializer.Serialize(document.RootElement, s_indented);
        bool expected = IsValid(schema, instance);
        return IsValid(schema, shuffled) == expected && IsValid(schema, indented) == expected;
    });

    [Fact]
    public void Constants_are_satisfied_by_themselves_alone() => ForAll((_, instance) =>
        IsValid($"{{\"const\":{instance}}}", instance)
        && IsValid($"{{\"enum\":[0.5,{instance}]}}", instance)
        && !IsValid("""{"uniqueItems":true}""", $"[{instance},[[[]]],{instance}]")
        && !IsValid($"{{\"const\":[{instance}]}}", instance));
}
