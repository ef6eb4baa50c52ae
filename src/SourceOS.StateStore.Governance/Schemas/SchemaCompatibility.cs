// Why this file exists: whether a new version of a schema accepts everything that the old one accepted. Invariants: "no break found" is a proof for the keywords that
// are compared; whatever cannot be compared counts as a break and says so, so a change is never called compatible because it was too hard to judge;
// work is bounded by the sizes of the two documents and a depth.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.Schemas;

/// <summary>Compares two versions of a schema.</summary>
internal static class SchemaCompatibility
{
    private const int MaxDepth = 128;
    private const int MaxBreaks = 64;
    private static readonly HashSet<string> s_annotations = new(StringComparer.Ordinal)
    {
        "$id", "$schema", "$comment", "$defs", "definitions", "$vocabulary", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format",
        "contentEncoding", "contentMediaType", "contentSchema",
    };

    private static readonly HashSet<string> s_lowerBounds = new(StringComparer.Ordinal) { "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties" };
    private static readonly HashSet<string> s_upperBounds = new(StringComparer.Ordinal) { "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties" };

    /// <summary>Why the new version might refuse what the old one accepted (backward compatibility). Empty when it cannot.</summary>
    public static IReadOnlyList<string> BreaksReadingOld(RegisteredSchema old, RegisteredSchema next)
    {
        List<string> breaks = [.. next.RequiredFields.Except(old.RequiredFields, StringComparer.Ordinal).Select(static field => $"'{field}' becomes a required field")];
        if (next.Json is null)
        {
            return breaks;
        }

        using JsonDocument oldDocument = JsonDocument.Parse(old.Json ?? "true"u8.ToArray(), new JsonDocumentOptions { MaxDepth = 256 });
        using JsonDocument nextDocument = JsonDocument.Parse(next.Json, new JsonDocumentOptions { MaxDepth = 256 });
        new Comparison(oldDocument.RootElement, nextDocument.RootElement, breaks).Compare(oldDocument.RootElement, nextDocument.RootElement, "", 0);
        return breaks;
    }

    private sealed class Comparison(JsonElement oldRoot, JsonElement nextRoot, List<string> breaks)
    {
        private readonly HashSet<(string, string)> _under = [];

        public void Compare(JsonElement old, JsonElement next, string path, int depth)
        {
            if (breaks.Count >= MaxBreaks || next.ValueKind == JsonValueKind.True || old.ValueKind == JsonValueKind.False)
            {
                return;
            }

            if (depth > MaxDepth)
            {
                Break(path, "is nested too deep to be compared");
            }
            else if (next.ValueKind != JsonValueKind.Object)
            {
                Break(path, "accepts nothing any more");
            }
            else
            {
                foreach (JsonProperty keyword in next.EnumerateObject())
                {
                    CompareKeyword(new Pair(old, next, path, depth), keyword);
                }
            }
        }

        private void CompareKeyword(in Pair pair, JsonProperty keyword)
        {
            string name = keyword.Name;
            if (s_annotations.Contains(name))
            {
                return;
            }

            bool had = TryGet(pair.Old, name, out JsonElement before);
            if (name is "properties" or "additionalProperties")
            {
                CompareProperties(pair, name);
            }
            else if (name == "items")
            {
                CompareItems(pair, keyword.Value, had ? before : default);
            }
            else if (name == "$ref")
            {
                CompareReference(pair, keyword.Value, had ? before : default);
            }
            else if (name.StartsWith("unevaluated", StringComparison.Ordinal))
            {
                // What is unevaluated depends on every neighbour, so only a schema that did not change at all is safe.
                if (!JsonElement.DeepEquals(pair.Old, pair.Next))
                {
                    Break(pair.Path, $"uses {name}, and something beside it changed");
                }
            }
            else if (!had || !JsonElement.DeepEquals(before, keyword.Value))
            {
                CompareAssertion(pair, keyword, had, before);
            }
        }

        private void CompareAssertion(in Pair pair, JsonProperty keyword, bool had, JsonElement before)
        {
            string name = keyword.Name;
            if (name is "type" or "enum" or "const")
            {
                CompareValues(pair, name);
            }
            else if (name == "required")
            {
                HashSet<string> known = [.. had ? Texts(before) : []];
                foreach (string field in Texts(keyword.Value).Where(field => !known.Contains(field)))
                {
                    Break(pair.Path, $"'{field}' becomes required");
                }
            }
            else if (s_lowerBounds.Contains(name) || s_upperBounds.Contains(name))
            {
                bool wider = had && IsNumber(before, out decimal was) && IsNumber(keyword.Value, out decimal now) && (s_lowerBounds.Contains(name) ? now <= was : now >= was);
                if (!wider)
                {
                    Break(pair.Path, $"{name} becomes {keyword.Value.GetRawText()}");
                }
            }
            else if (!(name == "uniqueItems" && keyword.Value.ValueKind == JsonValueKind.False))
            {
                Break(pair.Path, had ? $"{name} changed in a way that is not compared" : $"{name} is new");
            }
        }

        // Types and listed values say the same thing in two ways, so they are judged together.
        private void CompareValues(in Pair pair, string name)
        {
            List<JsonElement>? listed = TryGet(pair.Old, "const", out JsonElement constant) ? [constant]
                : TryGet(pair.Old, "enum", out JsonElement values) && values.ValueKind == JsonValueKind.Array ? [.. values.EnumerateArray()] : null;
            TryGet(pair.Next, name, out JsonElement next);
            if (name == "type")
            {
                string[] allowed = [.. OneOrMore(next)];
                string[]? before = listed is not null ? [.. listed.Select(TypeOf)] : TryGet(pair.Old, "type", out JsonElement type) ? [.. OneOrMore(type)] : null;
                if (before is null || before.Length == 0 || before.Any(type => !allowed.Contains(type, StringComparer.Ordinal) && !(type == "integer" && allowed.Contains("number", StringComparer.Ordinal))))
                {
                    Break(pair.Path, $"type becomes {next.GetRawText()}");
                }

                return;
            }

            JsonElement[] accepted = name == "const" ? [next] : [.. next.EnumerateArray()];
            if (listed is null || listed.Any(value => !accepted.Any(one => JsonElement.DeepEquals(one, value))))
            {
                Break(pair.Path, $"{name} no longer has every value");
            }
        }

        private void CompareProperties(in Pair pair, string name)
        {
            bool nextHasList = TryGet(pair.Next, "properties", out JsonElement nextList);
            if (name == "properties")
            {
                foreach (JsonProperty property in nextList.EnumerateObject())
                {
                    Compare(OldProperty(pair.Old, property.Name), property.Value, $"{pair.Path}/{property.Name}", pair.Depth + 1);
                }

                return;
            }

            TryGet(pair.Next, "additionalProperties", out JsonElement rest);
            if (TryGet(pair.Old, "patternProperties", out JsonElement patterns) && !(TryGet(pair.Next, "patternProperties", out JsonElement kept) && JsonElement.DeepEquals(patterns, kept)))
            {
                Break(pair.Path, "patternProperties changed beside additionalProperties");
                return;
            }

            Compare(TryGet(pair.Old, "additionalProperties", out JsonElement oldRest) ? oldRest : s_true, rest, $"{pair.Path}/*", pair.Depth + 1);
            foreach (JsonProperty property in TryGet(pair.Old, "properties", out JsonElement oldList) && oldList.ValueKind == JsonValueKind.Object ? oldList.EnumerateObject() : default)
            {
                if (!nextHasList || !nextList.TryGetProperty(property.Name, out _))
                {
                    Compare(property.Value, rest, $"{pair.Path}/{property.Name}", pair.Depth + 1);
                }
            }
        }

        private static JsonElement OldProperty(JsonElement old, string name)
        {
            if (TryGet(old, "properties", out JsonElement list) && list.ValueKind == JsonValueKind.Object && list.TryGetProperty(name, out JsonElement known))
            {
                return known;
            }

            // A pattern may or may not match; accepting everything is the safe reading.
            return !TryGet(old, "patternProperties", out _) && TryGet(old, "additionalProperties", out JsonElement rest) ? rest : s_true;
        }

        private void CompareItems(in Pair pair, JsonElement next, JsonElement before)
        {
            bool oldPrefix = TryGet(pair.Old, "prefixItems", out JsonElement oldItems);
            bool nextPrefix = TryGet(pair.Next, "prefixItems", out JsonElement nextItems);
            if (oldPrefix != nextPrefix || (oldPrefix && !JsonElement.DeepEquals(oldItems, nextItems)))
            {
                Break(pair.Path, "prefixItems changed beside items");
            }
            else
            {
                Compare(before.ValueKind == JsonValueKind.Undefined ? s_true : before, next, $"{pair.Path}/[]", pair.Depth + 1);
            }
        }

        private void CompareReference(in Pair pair, JsonElement next, JsonElement before)
        {
            string target = next.GetString() ?? "";
            if (before.ValueKind != JsonValueKind.String || before.GetString() != target)
            {
                Break(pair.Path, "$ref leads elsewhere");
            }
            else if (target.StartsWith('#') && _under.Add((target, target)))
            {
                if (TryFollow(oldRoot, target, out JsonElement oldTarget) && TryFollow(nextRoot, target, out JsonElement nextTarget))
                {
                    Compare(oldTarget, nextTarget, $"{pair.Path}->{target}", pair.Depth + 1);
                }
                else
                {
                    Break(pair.Path, $"{target} cannot be followed here");
                }
            }
        }

        private static bool TryFollow(JsonElement root, string target, out JsonElement found)
        {
            found = root;
            foreach (string part in target.Split('/').Skip(1))
            {
                string name = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
                if (found.ValueKind != JsonValueKind.Object || !found.TryGetProperty(name, out found))
                {
                    return false;
                }
            }

            return target.Length == 1 || target[1] == '/';
        }

        private void Break(string path, string what) => breaks.Add(path.Length == 0 ? what : $"{path}: {what}");

        private static bool TryGet(JsonElement schema, string name, out JsonElement value)
        {
            value = default;
            return schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty(name, out value);
        }

        private static IEnumerable<string> Texts(JsonElement array) =>
            array.ValueKind == JsonValueKind.Array ? array.EnumerateArray().Where(static item => item.ValueKind == JsonValueKind.String).Select(static item => item.GetString()!) : [];

        private static IEnumerable<string> OneOrMore(JsonElement type) => type.ValueKind == JsonValueKind.String ? [type.GetString()!] : Texts(type);

        // A number that does not fit is not compared: rounding could call a narrower bound a wider one.
        private static bool IsNumber(JsonElement value, out decimal number)
        {
            number = 0;
            return value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out number);
        }

        private static string TypeOf(JsonElement value) => value.ValueKind switch
        {
            JsonValueKind.String => "string",
            JsonValueKind.Number => value.TryGetInt64(out _) ? "integer" : "number",
            JsonValueKind.True or JsonValueKind.False => "boolean",
            JsonValueKind.Null => "null",
            JsonValueKind.Array => "array",
            _ => "object",
        };

        private readonly record struct Pair(JsonElement Old, JsonElement Next, string Path, int Depth);
    }

    private static readonly JsonElement s_true = True();

    private static JsonElement True()
    {
        using JsonDocument document = JsonDocument.Parse("true"u8.ToArray());
        return document.RootElement.Clone();
    }
}
