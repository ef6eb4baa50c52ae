// Why this file exists: gathers everything a subschema says about members into one plan.
// Invariants: as for the compiler; names are taken as decoded text.

namespace SourceOS.StateStore.Governance.JsonSchema;

internal sealed partial class NodeCompiler
{
    private void CompileMembers()
    {
        MembersPlan plan = new();
        ForEachMember("properties", (name, place) =>
            plan.Properties[plan.SlotOf(name)] = EdgeTo(place, "/properties/" + JsonPointer.Escape(name)));
        ForEachMember("patternProperties", (name, place) =>
        {
            if (CompilePattern(name, place) is { } pattern)
            {
                plan.Patterns.Add((pattern, EdgeTo(place, "/patternProperties/" + JsonPointer.Escape(name))));
            }
        });
        ForEachMember("dependentSchemas", (name, place) =>
            plan.DependentSchemas.Add((plan.SlotOf(name), EdgeTo(place, "/dependentSchemas/" + JsonPointer.Escape(name)))));
        ForEachMember("dependentRequired", (name, place) =>
            plan.DependentRequired.Add((plan.SlotOf(name), ReadNames("dependentRequired", place).ConvertAll(plan.SlotOf).ToArray(), "/dependentRequired")));
        ForEachMember("dependencies", (name, place) => CompileDependency(plan, name, place));
        if (_gathered.TryGetValue("required", out int required))
        {
            plan.Required.AddRange(ReadNames("required", required).ConvertAll(plan.SlotOf));
        }

        if (_gathered.TryGetValue("additionalProperties", out int additional))
        {
            plan.Additional = EdgeTo(additional, "/additionalProperties");
        }

        if (_gathered.TryGetValue("propertyNames", out int propertyNames))
        {
            plan.PropertyNames = EdgeTo(propertyNames, "/propertyNames");
        }

        if (!plan.IsEmpty)
        {
            _keywords.Add(new MembersKeyword(_node, plan));
        }
    }

    /// <summary>The keyword of earlier drafts, which the draft's meta-schema still describes: names or a schema.</summary>
    private void CompileDependency(MembersPlan plan, string name, int place)
    {
        if (_tape.Kind(place) == JsonKind.Array)
        {
            plan.DependentRequired.Add((plan.SlotOf(name), ReadNames("dependencies", place).ConvertAll(plan.SlotOf).ToArray(), "/dependencies"));
        }
        else
        {
            plan.DependentSchemas.Add((plan.SlotOf(name), EdgeTo(place, "/dependencies/" + JsonPointer.Escape(name))));
        }
    }

    private void ForEachMember(string keyword, Action<string, int> action)
    {
        if (!_gathered.TryGetValue(keyword, out int place))
        {
            return;
        }

        if (_tape.Kind(place) != JsonKind.Object)
        {
            Complain(place, $"{keyword} must be an object");
            return;
        }

        for (int child = JsonTape.FirstChild(place); child < _tape.Next(place); child = _tape.Next(child))
        {
            action(_tape.Name(child), child);
        }
    }

    private List<string> ReadNames(string keyword, int place)
    {
        List<string> names = [];
        if (_tape.Kind(place) != JsonKind.Array)
        {
            Complain(place, $"{keyword} must be an array of strings");
            return names;
        }

        for (int child = JsonTape.FirstChild(place); child < _tape.Next(place); child = _tape.Next(child))
        {
            if (_tape.Kind(child) == JsonKind.String)
            {
                names.Add(_tape.String(child));
            }
            else
            {
                Complain(child, $"{keyword} must be an array of strings");
            }
        }

        return names;
    }

    private EcmaPattern? CompilePattern(string text, int place)
    {
        if (_patterns.TryGetValue(text, out EcmaPattern? known))
        {
            return known;
        }

        if (_patterns.Count >= _options.Limits.MaxPatterns)
        {
            _errors.Add(SchemaRegistrationErrorCode.LimitExceeded, _node.Source, place, "the batch holds more patterns than allowed");
            return null;
        }

        if (!EcmaPattern.TryCompile(text, out EcmaPattern? pattern, out string error))
        {
            _errors.Add(SchemaRegistrationErrorCode.InvalidPattern, _node.Source, place, $"the pattern is refused: {error}");
            return null;
        }

        _patterns.Add(text, pattern);
        return pattern;
    }
}
