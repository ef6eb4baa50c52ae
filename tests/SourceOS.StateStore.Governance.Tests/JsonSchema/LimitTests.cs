// Why this file exists: hostile schemas and instances end in a structured outcome within bounds, never in a crash or a long wait.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Governance.JsonSchema;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class LimitTests
{
    private static readonly CompiledSchema s_nested = Schemas.Compile("""{"items":{"$ref":"#"},"additionalProperties":{"$ref":"#"}}""");

    private static SchemaLimit? LimitOf(CompiledSchema schema, string instance)
    {
        Assert.Equal(SchemaVerdict.LimitExceeded, Schemas.Check(schema, instance));
        Assert.False(schema.IsValid(Encoding.UTF8.GetBytes(instance)));
        return schema.Evaluate(Encoding.UTF8.GetBytes(instance)).Limit;
    }

    [Fact]
    public void A_hundred_thousand_brackets_exceed_the_depth()
    {
        const int Depth = 100_000;
        byte[] instance = Encoding.UTF8.GetBytes(new string('[', Depth) + new string(']', Depth));
        Assert.Equal(SchemaVerdict.LimitExceeded, s_nested.Check(instance));
        Assert.Equal(SchemaLimit.InstanceDepth, s_nested.Evaluate(instance).Limit);
        Assert.Equal(SchemaVerdict.LimitExceeded, s_nested.Check(instance.AsSpan(0, Depth)));
        SchemaRegistrationError error = Schemas.Refused(string.Concat(Enumerable.Repeat("{\"not\":", Depth)) + "true" + new string('}', Depth));
        Assert.Equal(SchemaRegistrationErrorCode.LimitExceeded, error.Code);
    }

    [Fact]
    public void The_depth_allowed_is_exact()
    {
        Schemas.Accepts(s_nested, new string('[', 256) + new string(']', 256));
        Assert.Equal(SchemaLimit.InstanceDepth, LimitOf(s_nested, new string('[', 257) + new string(']', 257)));
    }

    [Theory]
    [InlineData("""{"$ref":"#"}""")]
    [InlineData("""{"$dynamicRef":"#a","$dynamicAnchor":"a"}""")]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}}""")]
    [InlineData("""{"$ref":"https://test/x","$defs":{"x":{"$id":"https://test/x","$dynamicAnchor":"d","$ref":"https://test/y"},"y":{"$id":"https://test/y","$dynamicAnchor":"d","$dynamicRef":"#d"}}}""")]
    public void References_that_never_end_are_a_loop(string schema) =>
        Assert.Equal(SchemaLimit.ReferenceLoop, LimitOf(Schemas.Compile(schema), "1"));

    [Fact]
    public void A_chain_of_references_too_long_exceeds_the_depth()
    {
        string defs = string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"d{i}\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}"));
        CompiledSchema schema = Schemas.Compile($"{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{defs},\"d20000\":true}}}}");
        Assert.Equal(SchemaLimit.EvaluationDepth, LimitOf(schema, "1"));
    }

    [Fact]
    public void Deep_evaluation_on_a_small_stack_does_not_overflow_it()
    {
        string defs = string.Join(',', Enumerable.Range(0, 9_000).Select(i => $"\"d{i}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/d{i + 1}\"}}]}}"));
        CompiledSchema schema = Schemas.Compile(
            $"{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{defs},\"d9000\":true}}}}",
            new SchemaRegistryOptions { Limits = new SchemaLimits { MaxEvaluationDepth = 10_000 } });
        SchemaVerdict verdict = SchemaVerdict.Valid;
        Thread thread = new(() => verdict = schema.Check("1"u8), maxStackSize: 256 * 1024);
        thread.Start();
        Assert.True(thread.Join(TimeSpan.FromMinutes(1)));
        Assert.Equal(SchemaVerdict.LimitExceeded, verdict);
    }

    [Fact]
    public void Branches_that_multiply_run_out_of_steps()
    {
        string defs = string.Join(',', Enumerable.Range(0, 40).Select(i => $"\"d{i}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/d{i + 1}\"}},{{\"$ref\":\"#/$defs/d{i + 1}\"}}]}}"));
        CompiledSchema schema = Schemas.Compile(
            $"{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{defs},\"d40\":{{\"type\":\"integer\"}}}}}}",
            new SchemaRegistryOptions { Limits = new SchemaLimits { MaxEvaluationSteps = 200_000 } });
        Assert.Equal(SchemaLimit.EvaluationSteps, LimitOf(schema, "1"));
    }

    [Fact]
    public void A_limit_inside_not_does_not_turn_into_valid()
    {
        foreach (string keyword in new[] { "not", "if", "contains" })
        {
            string inner = keyword == "contains" ? "\"contains\":{\"$ref\":\"#/$defs/a\"},\"minContains\":0,\"maxContains\":9" : $"\"{keyword}\":{{\"$ref\":\"#/$defs/a\"}}";
            CompiledSchema schema = Schemas.Compile($"{{{inner},\"$defs\":{{\"a\":{{\"$ref\":\"#/$defs/a\"}}}}}}");
            Assert.Equal(SchemaLimit.ReferenceLoop, LimitOf(schema, "[1]"));
        }
    }

    [Theory]
    [InlineData("^(a+)+$", SchemaVerdict.Invalid)]
    [InlineData("^((a|a)*)*\\B!$", SchemaVerdict.Invalid)]
    [InlineData("^(?:a?){30}a{30}b$", SchemaVerdict.Invalid)]
    [InlineData("^(?=x|a)(a+)+$", SchemaVerdict.LimitExceeded)]
    [InlineData("^(a*)*\\1b$", SchemaVerdict.LimitExceeded)]
    public void Patterns_that_explode_end_in_steps_and_not_in_time(string pattern, SchemaVerdict expected)
    {
        CompiledSchema schema = Schemas.Compile(
            $"{{\"pattern\":{JsonSerializer.Serialize(pattern)}}}",
            new SchemaRegistryOptions { Limits = new SchemaLimits { MaxEvaluationSteps = 1_000_000 } });
        Assert.Equal(expected, Schemas.Check(schema, $"\"{new string('a', 40)}!\""));
    }

    [Theory]
    [InlineData("(?:(?:(?:a{1000}){1000}){1000}){1000}b", "a")]
    [InlineData("(a{0,60000}){0,60000}", "a")]
    [InlineData("a{99999999999999999999}", "a")]
    [InlineData("^(?:a|b){0,99999}$", "a")]
    [InlineData("^(?=a)(?:a|aa)+$", "ab")]
    public void Patterns_with_huge_counts_or_texts_are_bounded(string pattern, string part)
    {
        CompiledSchema schema = Schemas.Compile(
            $"{{\"pattern\":\"{pattern}\"}}", new SchemaRegistryOptions { Limits = new SchemaLimits { MaxEvaluationSteps = 2_000_000 } });
        Assert.NotEqual(SchemaVerdict.Malformed, Schemas.Check(schema, $"\"{string.Concat(Enumerable.Repeat(part, 50_000))}\""));
    }

    [Fact]
    public void Backtracking_that_would_fill_memory_is_a_limit() =>
        Assert.Equal(
            SchemaLimit.PatternMemory,
            LimitOf(Schemas.Compile("""{"pattern":"^(?=a)(?:a|aa)+$"}"""), $"\"{new string('a', 500_000)}\""));

    [Fact]
    public void Patterns_too_long_or_nested_too_deeply_are_refused()
    {
        Assert.Equal(SchemaRegistrationErrorCode.InvalidPattern, Schemas.Refused($"{{\"pattern\":\"{new string('a', 20_000)}\"}}").Code);
        Assert.Equal(SchemaRegistrationErrorCode.InvalidPattern, Schemas.Refused($"{{\"pattern\":\"{new string('(', 5_000)}{new string(')', 5_000)}\"}}").Code);
        Assert.Equal(
            SchemaRegistrationErrorCode.LimitExceeded,
            Schemas.Refused("""{"items":{"pattern":"a"},"contains":{"pattern":"b"}}""", new SchemaRegistryOptions { Limits = new SchemaLimits { MaxPatterns = 1 } }).Code);
    }

    [Fact]
    public void Numbers_with_astronomic_exponents_cost_nothing()
    {
        CompiledSchema schema = Schemas.Compile("""{"type":"integer","multipleOf":0.01,"minimum":1e300000000,"not":{"const":1e399999999}}""");
        Schemas.Accepts(schema, "1e400000000");
        Schemas.Rejects(schema, "1e-400000000", "1e399999999", "-1e400000000", "1e200000000");
        Schemas.Accepts(Schemas.Compile("""{"type":"integer"}"""), "1e99999999999999999999999999", "0e99999999999999999999999999", "0.0e-99999999999999999999999");
        Assert.Equal(SchemaLimit.NumberExponent, LimitOf(Schemas.Compile("""{"maximum":1e99999999999999999999}"""), "1e99999999999999999998"));
    }

    [Fact]
    public void A_number_of_a_million_digits_is_compared_exactly()
    {
        string digits = "1" + new string('0', 1_000_000) + "7";
        CompiledSchema schema = Schemas.Compile("""{"multipleOf":3,"minimum":1}""");
        Schemas.Rejects(schema, digits[..^1] + "1");
        Schemas.Accepts(schema, digits[..^1] + "2");
    }

    [Fact]
    public void Unique_items_in_huge_arrays_do_not_take_quadratic_time()
    {
        CompiledSchema schema = Schemas.Compile("""{"uniqueItems":true}""");
        string items = string.Join(',', Enumerable.Range(0, 100_000));
        Schemas.Accepts(schema, $"[{items}]");
        Schemas.Rejects(schema, $"[{items},0.99999e5]");
        string objects = string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"{{\"a\":{i},\"b\":[{i}]}}"));
        Schemas.Accepts(schema, $"[{objects}]");
        Schemas.Rejects(schema, $"[{objects},{{\"b\":[19999.0],\"a\":19999}}]");
    }

    [Fact]
    public void A_hundred_thousand_members_are_handled()
    {
        string members = string.Join(',', Enumerable.Range(0, 100_000).Select(i => $"\"m{i}\":{i}"));
        CompiledSchema schema = Schemas.Compile("""
            {"patternProperties":{"^m[0-9]+$":{"type":"integer"}},"propertyNames":{"maxLength":6},"required":["m99999"],"unevaluatedProperties":false,"maxProperties":100000}
            """);
        Schemas.Accepts(schema, $"{{{members}}}");
        Schemas.Rejects(schema, $"{{{members},\"x\":1}}");
        SchemaEvaluationResult result = Schemas.Compile("""{"additionalProperties":false}""").Evaluate(Encoding.UTF8.GetBytes($"{{{members}}}"));
        Assert.Equal(256, result.Errors.Count);
        Assert.True(result.IsTruncated);
        CompiledSchema constant = Schemas.Compile($"{{\"const\":{{{members}}}}}");
        string reversed = string.Join(',', Enumerable.Range(0, 100_000).Reverse().Select(i => $"\"m{i}\":{i}.0"));
        Schemas.Accepts(constant, $"{{{reversed}}}");
        Schemas.Rejects(constant, $"{{{reversed.Replace("\"m5\":5.0", "\"m5\":6")}}}");
    }

    [Fact]
    public void Ten_thousand_references_into_one_large_object_resolve_quickly()
    {
        const int Count = 10_000;
        string defs = string.Join(',', Enumerable.Range(0, Count).Select(i => $"\"d{i}\":{{\"const\":{i}}}"));
        string items = string.Join(',', Enumerable.Range(0, Count).Select(i => $"{{\"$ref\":\"#/$defs/d{i}\"}}"));
        CompiledSchema schema = Schemas.Compile($"{{\"prefixItems\":[{items}],\"$defs\":{{{defs}}}}}");
        Schemas.Accepts(schema, $"[{string.Join(',', Enumerable.Range(0, Count))}]");
    }

    [Fact]
    public void A_large_enum_is_no_linear_search()
    {
        CompiledSchema schema = Schemas.Compile(
            $"{{\"items\":{{\"enum\":[{string.Join(',', Enumerable.Range(0, 20_000))},{{\"a\":1}},[1,2],null,true]}}}}",
            new SchemaRegistryOptions { Limits = new SchemaLimits { MaxEvaluationSteps = 1_000_000 } });
        Schemas.Accepts(schema, $"[{string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"{i}.0"))},{{\"a\":10e-1}},[1,2],null,true]");
        Schemas.Rejects(schema, "[20000]", "[false]", "[{}]", "[[2,1]]", "[\"a\"]");
    }

    [Fact]
    public void Patterns_spend_steps()
    {
        CompiledSchema schema = Schemas.Compile(
            """{"pattern":"^(?:[ab]*a[ab]{12}[^x]*){2}c$"}""", new SchemaRegistryOptions { Limits = new SchemaLimits { MaxEvaluationSteps = 20_000 } });
        Random random = new(3);
        string text = string.Concat(Enumerable.Range(0, 20_000).Select(_ => random.Next(2) == 0 ? 'a' : 'b'));
        Assert.Equal(SchemaLimit.EvaluationSteps, LimitOf(schema, $"\"{text}\""));
    }

    [Fact]
    public void Sizes_are_bounded_before_work_begins()
    {
        SchemaLimits limits = new() { MaxSchemaBytes = 60, MaxTotalSchemaBytes = 100, MaxSubschemas = 3, MaxInstanceBytes = 20, MaxInstanceValues = 4 };
        SchemaRegistryOptions options = new() { Limits = limits };
        Assert.Equal(SchemaRegistrationErrorCode.LimitExceeded, Schemas.Refused($"{{\"title\":\"{new string('x', 60)}\"}}", options).Code);
        Assert.Equal(SchemaRegistrationErrorCode.LimitExceeded, Schemas.Refused("""{"allOf":[true,true,true]}""", options).Code);
        Assert.Equal(SchemaRegistrationErrorCode.LimitExceeded, Schemas.Refused("""{"$ref":"#/x/0","x":[{"not":{"not":{"not":{}}}}]}""", options).Code);
        string filler = $"{{\"title\":\"{new string('x', 40)}\"}}";
        SchemaRegistry registry = Schemas.Register(SchemaRegistry.Create(options), ("a", filler)).Registry;
        Assert.Equal(SchemaRegistrationErrorCode.LimitExceeded, Assert.Single(Schemas.TryRegister(registry, ("b", filler)).Errors).Code);
        CompiledSchema schema = registry.Find("a")!;
        Assert.Equal(SchemaLimit.InstanceSize, LimitOf(schema, "[1,2,3,4]"));
        Assert.Equal(SchemaLimit.InstanceSize, LimitOf(schema, $"\"{new string('x', 20)}\""));
        Schemas.Accepts(schema, "[1,2,3]");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[1,]")]
    [InlineData("nul")]
    [InlineData("{} 1")]
    [InlineData("\"\\ud800x")]
    [InlineData("/**/1")]
    public void Bytes_that_are_not_json_are_malformed_and_say_where(string text)
    {
        CompiledSchema schema = Schemas.Compile("true");
        Assert.Equal(SchemaVerdict.Malformed, schema.Check(Encoding.UTF8.GetBytes(text)));
        SchemaEvaluationResult result = schema.Evaluate(Encoding.UTF8.GetBytes(text));
        Assert.InRange(result.MalformedOffset, 0, text.Length);
        Assert.Empty(result.Errors);
    }

    [Fact]
    public void Invalid_utf8_and_lone_surrogates_are_values_like_any_other()
    {
        CompiledSchema schema = Schemas.Compile("""{"items":{"minLength":1,"maxLength":3,"pattern":"^.*$","format":"idn-email"},"uniqueItems":true}""", new SchemaRegistryOptions { AssertFormat = true });
        byte[] bytes = [.. "[\""u8, 0xFF, 0xC0, 0x80, .. "\",\"\\uD800\",\"\\uDC00x\"]"u8];
        Assert.Equal(SchemaVerdict.Invalid, schema.Check(bytes));
        Assert.Equal(SchemaVerdict.Invalid, schema.Evaluate(bytes).Verdict);
        Schemas.Accepts(Schemas.Compile("""{"maxLength":1,"pattern":"^.$"}"""), "\"\\uD800\"", "\"\\uD83D\\uDE00\"");
        Schemas.Rejects(Schemas.Compile("""{"maxLength":1}"""), "\"\\uDC00\\uD800\"");
    }

    [Fact]
    public void Checks_from_a_warm_schema_allocate_nothing()
    {
        CompiledSchema schema = Schemas.Compile("""
            {"type":"object","required":["id"],"properties":{"id":{"type":"string","pattern":"^[a-z]+$","maxLength":9},"n":{"type":"number","minimum":0.5},"k":{"enum":["a","b"]},
             "t":{"type":"array","items":{"$ref":"#/$defs/t"},"uniqueItems":true}},"$defs":{"t":{"anyOf":[{"type":"integer"},{"format":"date"}]}},"unevaluatedProperties":false}
            """, new SchemaRegistryOptions { AssertFormat = true });
        byte[] instance = """{"id":"ab\u0063d","n":1.5e3,"k":"b","t":[1,2,"2024-02-29"]}"""u8.ToArray();
        for (int i = 0; i < 200; i++)
        {
            Assert.True(schema.IsValid(instance));
        }

        bool valid = true;
        long allocated = AllocationMeter.LeastBytes(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                valid &= schema.IsValid(instance);
            }
        });
        Assert.True(valid);
        Assert.True(allocated < 16 * 1024, $"{allocated} bytes in 1,000 checks");
    }
}
