// Why this file exists: random schemas and instances over a small alphabet, so that they often touch each other.
// Invariants: everything follows from the seed; schemas satisfy the meta-schema.

using System.Globalization;
using System.Text.Json.Nodes;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

internal sealed class RandomJson(int seed)
{
    private static readonly string[] s_names = ["a", "b", "c", "\u00e9"];
    private static readonly string[] s_types = ["null", "boolean", "number", "integer", "string", "array", "object"];
    private static readonly string[] s_numbers = ["0", "1", "1.0", "2", "-3", "2.5", "10e-1", "7"];
    private readonly Random _random = new(seed);

    public static string Write(JsonNode? node) => node?.ToJsonString() ?? "null";

    public static JsonNode? Reverse(JsonNode? node) => node switch
    {
        JsonObject members => new JsonObject(members.Reverse().Select(pair => KeyValuePair.Create(pair.Key, Reverse(pair.Value)))),
        JsonArray items => new JsonArray([.. items.Select(Reverse)]),
        _ => node?.DeepClone(),
    };

    public JsonNode? Instance(int depth)
    {
        int kind = _random.Next(depth > 0 ? 9 : 5);
        switch (kind)
        {
            case 0:
                return null;
            case 1:
                return _random.Next(2) == 0;
            case 2 or 3:
                return Number();
            case 4:
                return Pick(s_names) + Pick(s_names);
            case 5 or 6:
                return new JsonArray([.. Enumerable.Range(0, _random.Next(4)).Select(_ => Instance(depth - 1))]);
            default:
                JsonObject members = [];
                for (int i = _random.Next(4); i > 0; i--)
                {
                    members[Pick(s_names)] = Instance(depth - 1);
                }

                return members;
        }
    }

    public JsonNode Schema(int depth)
    {
        if (depth == 0 || _random.Next(8) == 0)
        {
            return _random.Next(3) switch { 0 => true, 1 => false, _ => new JsonObject { ["type"] = Pick(s_types) } };
        }

        JsonObject schema = [];
        for (int i = _random.Next(1, 4); i > 0; i--)
        {
            AddKeyword(schema, depth - 1);
        }

        if (_random.Next(3) == 0)
        {
            schema[_random.Next(2) == 0 ? "unevaluatedProperties" : "unevaluatedItems"] = Schema(0);
        }

        return schema;
    }

    private void AddKeyword(JsonObject schema, int depth)
    {
        switch (_random.Next(17))
        {
            case 0: schema["type"] = new JsonArray([.. Enumerable.Range(0, 7).Where(_ => _random.Next(2) == 0).Append(5).Distinct().Select(i => (JsonNode)s_types[i])]); break;
            case 1: schema["const"] = Instance(1); break;
            case 2: schema["enum"] = new JsonArray(Instance(1), Instance(0)); break;
            case 3: schema[_random.Next(2) == 0 ? "minimum" : "exclusiveMaximum"] = Number(); break;
            case 4: schema[_random.Next(2) == 0 ? "minLength" : "maxLength"] = _random.Next(4); break;
            case 5: schema["multipleOf"] = JsonNode.Parse(_random.Next(2) == 0 ? "0.5" : "2"); break;
            case 6: schema["properties"] = Members(depth); break;
            case 7: schema["patternProperties"] = new JsonObject { ["^[ab]"] = Schema(depth) }; break;
            case 8: schema["additionalProperties"] = Schema(depth); break;
            case 9: schema["required"] = new JsonArray(Pick(s_names)); break;
            case 10: schema["prefixItems"] = Branches(depth); break;
            case 11: schema["items"] = Schema(depth); break;
            case 12:
                schema["contains"] = Schema(depth);
                schema["minContains"] = _random.Next(3);
                break;
            case 13: schema[Pick(["allOf", "anyOf", "oneOf"])] = Branches(depth); break;
            case 14: schema["not"] = Schema(depth); break;
            case 15:
                schema["if"] = Schema(depth);
                schema[_random.Next(2) == 0 ? "then" : "else"] = Schema(depth);
                break;
            default: schema["dependentSchemas"] = Members(depth); break;
        }
    }

    private JsonObject Members(int depth)
    {
        JsonObject members = [];
        for (int i = _random.Next(1, 3); i > 0; i--)
        {
            members[Pick(s_names)] = Schema(depth);
        }

        return members;
    }

    private JsonArray Branches(int depth) => new([.. Enumerable.Range(0, _random.Next(1, 4)).Select(_ => Schema(depth))]);

    private JsonNode Number() => JsonNode.Parse(Pick(s_numbers))!;

    private string Pick(string[] values) => values[_random.Next(values.Length)];
}
