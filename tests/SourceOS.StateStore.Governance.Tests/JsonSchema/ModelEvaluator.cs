// Why this file exists: an evaluator so plain that one can see it is right: recursion over nodes, sets of evaluated names and indices.
// Invariants: knows only the keywords that the random schemas use; numbers are small enough for decimal.

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

internal static class ModelEvaluator
{
    public static bool IsValid(JsonNode? schema, JsonNode? instance) => Evaluate(schema, instance) is not null;

    /// <summary>Names and indices evaluated; null when the instance fails.</summary>
    private static HashSet<string>? Evaluate(JsonNode? schema, JsonNode? instance)
    {
        if (schema is JsonValue boolean)
        {
            return boolean.GetValue<bool>() ? [] : null;
        }

        JsonObject keywords = schema!.AsObject();
        HashSet<string> evaluated = [];
        bool passed = Assertions(keywords, instance) && InPlace(keywords, instance, evaluated);
        passed = passed && (instance is not JsonObject members || Members(keywords, members, evaluated));
        passed = passed && (instance is not JsonArray items || Items(keywords, items, evaluated));
        return passed ? evaluated : null;
    }

    private static bool Assertions(JsonObject keywords, JsonNode? instance)
    {
        JsonValueKind kind = instance?.GetValueKind() ?? JsonValueKind.Null;
        bool isNumber = kind == JsonValueKind.Number;
        decimal number = isNumber ? Number(instance) : 0;
        int length = kind == JsonValueKind.String ? instance!.GetValue<string>().EnumerateRunes().Count() : -1;
        return keywords.All(keyword => keyword.Key switch
        {
            "type" => (keyword.Value is JsonArray list ? list.Select(Text) : [Text(keyword.Value)]).Any(name => IsType(name, kind, number)),
            "const" => Same(keyword.Value, instance),
            "enum" => keyword.Value!.AsArray().Any(value => Same(value, instance)),
            "minimum" => !isNumber || number >= Number(keyword.Value),
            "exclusiveMaximum" => !isNumber || number < Number(keyword.Value),
            "multipleOf" => !isNumber || number % Number(keyword.Value) == 0,
            "minLength" => length < 0 || length >= Number(keyword.Value),
            "maxLength" => length < 0 || length <= Number(keyword.Value),
            "required" => instance is not JsonObject members || keyword.Value!.AsArray().All(name => members.ContainsKey(Text(name))),
            _ => true,
        });
    }

    private static bool InPlace(JsonObject keywords, JsonNode? instance, HashSet<string> evaluated)
    {
        bool passed = true;
        foreach (string name in new[] { "allOf", "anyOf", "oneOf" })
        {
            if (keywords[name] is JsonArray branches)
            {
                HashSet<string>?[] results = [.. branches.Select(branch => Evaluate(branch, instance))];
                int count = results.Count(result => result is not null);
                passed &= name == "allOf" ? count == results.Length : name == "anyOf" ? count > 0 : count == 1;
                results.ToList().ForEach(result => evaluated.UnionWith(result ?? []));
            }
        }

        passed &= !keywords.ContainsKey("not") || Evaluate(keywords["not"], instance) is null;
        if (keywords.ContainsKey("if"))
        {
            HashSet<string>? condition = Evaluate(keywords["if"], instance);
            evaluated.UnionWith(condition ?? []);
            string next = condition is null ? "else" : "then";
            passed &= Also(!keywords.ContainsKey(next) ? [] : Evaluate(keywords[next], instance), evaluated);
        }

        if (keywords["dependentSchemas"] is JsonObject dependents && instance is JsonObject members)
        {
            foreach ((string name, JsonNode? schema) in dependents)
            {
                passed &= !members.ContainsKey(name) || Also(Evaluate(schema, instance), evaluated);
            }
        }

        return passed;
    }

    private static bool Members(JsonObject keywords, JsonObject members, HashSet<string> evaluated)
    {
        bool passed = true;
        foreach ((string name, JsonNode? value) in members)
        {
            List<JsonNode?> schemas = [];
            schemas.AddRange((keywords["properties"] as JsonObject ?? []).Where(pair => pair.Key == name).Select(pair => pair.Value));
            schemas.AddRange((keywords["patternProperties"] as JsonObject ?? []).Where(pair => Regex.IsMatch(name, pair.Key)).Select(pair => pair.Value));
            if (schemas.Count == 0 && keywords.ContainsKey("additionalProperties"))
            {
                schemas.Add(keywords["additionalProperties"]);
            }

            passed &= schemas.All(schema => IsValid(schema, value));
            if (schemas.Count > 0)
            {
                evaluated.Add(name);
            }
        }

        if (passed && keywords.ContainsKey("unevaluatedProperties"))
        {
            passed = members.Where(pair => !evaluated.Contains(pair.Key)).All(pair => IsValid(keywords["unevaluatedProperties"], pair.Value));
            evaluated.UnionWith(members.Select(pair => pair.Key));
        }

        return passed;
    }

    private static bool Items(JsonObject keywords, JsonArray items, HashSet<string> evaluated)
    {
        JsonArray prefix = keywords["prefixItems"] as JsonArray ?? [];
        bool passed = true;
        int contained = 0;
        for (int i = 0; i < items.Count; i++)
        {
            string index = i.ToString(CultureInfo.InvariantCulture);
            if (i < prefix.Count || keywords.ContainsKey("items"))
            {
                passed &= IsValid(i < prefix.Count ? prefix[i] : keywords["items"], items[i]);
                evaluated.Add(index);
            }

            if (keywords.ContainsKey("contains") && IsValid(keywords["contains"], items[i]))
            {
                contained++;
                evaluated.Add(index);
            }
        }

        passed &= !keywords.ContainsKey("contains") || contained >= Number(keywords["minContains"]);
        if (passed && keywords.ContainsKey("unevaluatedItems"))
        {
            for (int i = 0; i < items.Count; i++)
            {
                passed &= !evaluated.Add(i.ToString(CultureInfo.InvariantCulture)) || IsValid(keywords["unevaluatedItems"], items[i]);
            }
        }

        return passed;
    }

    private static bool Also(HashSet<string>? result, HashSet<string> evaluated)
    {
        evaluated.UnionWith(result ?? []);
        return result is not null;
    }

    private static bool IsType(string name, JsonValueKind kind, decimal number) => name switch
    {
        "null" => kind == JsonValueKind.Null,
        "boolean" => kind is JsonValueKind.True or JsonValueKind.False,
        "number" => kind == JsonValueKind.Number,
        "integer" => kind == JsonValueKind.Number && decimal.IsInteger(number),
        "string" => kind == JsonValueKind.String,
        "array" => kind == JsonValueKind.Array,
        _ => kind == JsonValueKind.Object,
    };

    private static bool Same(JsonNode? left, JsonNode? right)
    {
        JsonValueKind kind = left?.GetValueKind() ?? JsonValueKind.Null;
        if (kind != (right?.GetValueKind() ?? JsonValueKind.Null))
        {
            return false;
        }

        return kind switch
        {
            JsonValueKind.Number => Number(left) == Number(right),
            JsonValueKind.String => Text(left) == Text(right),
            JsonValueKind.Array => left!.AsArray().Count == right!.AsArray().Count && left.AsArray().Zip(right.AsArray()).All(pair => Same(pair.First, pair.Second)),
            JsonValueKind.Object => left!.AsObject().Count == right!.AsObject().Count
                && left.AsObject().All(pair => right.AsObject().TryGetPropertyValue(pair.Key, out JsonNode? other) && Same(pair.Value, other)),
            _ => true,
        };
    }

    private static string Text(JsonNode? node) => node!.GetValue<string>();

    private static decimal Number(JsonNode? node) => decimal.Parse(node!.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture);
}
