// Why this file exists: everything a subschema says about the members of an object, in one pass over them: properties,
// patternProperties, additionalProperties, propertyNames, required, dependentRequired, dependentSchemas.
// Invariants: each member's name is looked up once; which of the known names were seen is a bit set over their slots; a member
// counts as evaluated once a subschema was applied to its value and passed.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>What a compiled <see cref="MembersKeyword"/> is made of.</summary>
internal sealed class MembersPlan
{
    /// <summary>Every name mentioned, in slot order.</summary>
    public List<string> Names { get; } = [];

    /// <summary>Subschemas of <c>properties</c> by slot.</summary>
    public Dictionary<int, SchemaEdge> Properties { get; } = [];

    /// <summary>Subschemas of <c>patternProperties</c>.</summary>
    public List<(EcmaPattern Pattern, SchemaEdge Edge)> Patterns { get; } = [];

    /// <summary>The subschema of <c>additionalProperties</c>.</summary>
    public SchemaEdge? Additional { get; set; }

    /// <summary>The subschema of <c>propertyNames</c>.</summary>
    public SchemaEdge? PropertyNames { get; set; }

    /// <summary>Slots of <c>required</c>.</summary>
    public List<int> Required { get; } = [];

    /// <summary>Slots of <c>dependentRequired</c>.</summary>
    public List<(int Trigger, int[] Needed, string Segment)> DependentRequired { get; } = [];

    /// <summary>Subschemas of <c>dependentSchemas</c>.</summary>
    public List<(int Trigger, SchemaEdge Edge)> DependentSchemas { get; } = [];

    private readonly Dictionary<string, int> _slots = new(StringComparer.Ordinal);

    /// <summary>Whether there is anything to do.</summary>
    public bool IsEmpty => Names.Count == 0 && Patterns.Count == 0 && Additional is null && PropertyNames is null;

    /// <summary>The slot of a name, given on first use.</summary>
    public int SlotOf(string name)
    {
        if (!_slots.TryGetValue(name, out int slot))
        {
            slot = Names.Count;
            Names.Add(name);
            _slots.Add(name, slot);
        }

        return slot;
    }
}

/// <summary>The keywords about an object's members.</summary>
internal sealed partial class MembersKeyword : Keyword
{
    private readonly Utf8NameTable _names;
    private readonly SchemaEdge?[] _properties;
    private readonly (EcmaPattern Pattern, SchemaEdge Edge)[] _patterns;
    private readonly SchemaEdge? _additional;
    private readonly SchemaEdge? _propertyNames;
    private readonly int[] _required;
    private readonly (int Trigger, int[] Needed, string Segment)[] _dependentRequired;
    private readonly (int Trigger, SchemaEdge Edge)[] _dependentSchemas;
    private readonly int _words;

    public MembersKeyword(SchemaNode owner, MembersPlan plan)
        : base(owner, "properties", KeywordTargets.Objects, KeywordRank.Children)
    {
        _names = new Utf8NameTable(plan.Names);
        _properties = new SchemaEdge?[plan.Names.Count];
        foreach ((int slot, SchemaEdge edge) in plan.Properties)
        {
            _properties[slot] = edge;
        }

        _patterns = [.. plan.Patterns];
        _additional = plan.Additional;
        _propertyNames = plan.PropertyNames;
        _required = [.. plan.Required];
        _dependentRequired = [.. plan.DependentRequired];
        _dependentSchemas = [.. plan.DependentSchemas];
        _words = (plan.Names.Count + 63) >> 6;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        int seen = evaluation.RentBits(_words);
        bool passed = ApplyToMembers(ref evaluation, index, tracker, seen);
        bool goesOn = passed || (evaluation.WantsErrors && !evaluation.IsAborted);
        if (goesOn)
        {
            passed &= CheckPresence(ref evaluation, index, seen);
            goesOn = passed || evaluation.WantsErrors;
        }

        foreach ((int trigger, SchemaEdge edge) in _dependentSchemas)
        {
            if (!goesOn || evaluation.IsAborted)
            {
                break;
            }

            passed &= !evaluation.IsMarked(seen, trigger) || evaluation.Run(edge, index, tracker);
            goesOn = passed || evaluation.WantsErrors;
        }

        evaluation.ReturnBits(seen);
        if (passed && evaluation.WantsAnnotations)
        {
            AnnotateMembers(ref evaluation, index);
        }

        return passed && !evaluation.IsAborted;
    }

    private bool ApplyToMembers(ref Evaluation evaluation, int index, int tracker, int seen)
    {
        int end = evaluation.Node(index).Next;
        bool passed = true;
        int ordinal = 0;
        for (int child = index + 1; child < end; child = evaluation.Node(child).Next, ordinal++)
        {
            if (!evaluation.Charge(1 + (evaluation.Node(child).NameLength >> 6)))
            {
                return false;
            }

            int slot = _names.Count == 0 ? -1 : _names.Find(evaluation.Name(child));
            if (slot >= 0)
            {
                evaluation.Mark(seen, slot);
            }

            passed &= ApplyToMember(ref evaluation, child, slot, out bool evaluated);
            if (!passed && (!evaluation.WantsErrors || evaluation.IsAborted))
            {
                return false;
            }

            if (evaluated && tracker >= 0)
            {
                evaluation.Mark(tracker, ordinal);
            }
        }

        return passed;
    }

    private bool ApplyToMember(ref Evaluation evaluation, int child, int slot, out bool evaluated)
    {
        evaluated = false;
        bool passed = _propertyNames is null || evaluation.Run(_propertyNames, evaluation.ShowName(child), -1);
        if (slot >= 0 && _properties[slot] is { } property)
        {
            evaluated = true;
            passed &= evaluation.Run(property, child, -1);
        }

        foreach ((EcmaPattern pattern, SchemaEdge edge) in _patterns)
        {
            if (evaluation.IsMatch(pattern, evaluation.Name(child)))
            {
                evaluated = true;
                passed &= evaluation.Run(edge, child, -1);
            }
        }

        if (!evaluated && _additional is not null)
        {
            evaluated = true;
            passed &= evaluation.Run(_additional, child, -1);
        }

        return passed;
    }

    private bool CheckPresence(ref Evaluation evaluation, int index, int seen)
    {
        bool passed = true;
        foreach (int slot in _required)
        {
            if (!evaluation.IsMarked(seen, slot))
            {
                passed = false;
                if (!evaluation.WantsErrors)
                {
                    return false;
                }

                evaluation.Fail(Owner, "/required", index, $"the member \"{_names.NameAt(slot)}\" is missing");
            }
        }

        foreach ((int trigger, int[] needed, string segment) in _dependentRequired)
        {
            if (!evaluation.IsMarked(seen, trigger))
            {
                continue;
            }

            foreach (int slot in needed)
            {
                if (!evaluation.IsMarked(seen, slot))
                {
                    passed = false;
                    if (!evaluation.WantsErrors)
                    {
                        return false;
                    }

                    evaluation.Fail(
                        Owner, segment, index, $"the member \"{_names.NameAt(slot)}\" must stand with \"{_names.NameAt(trigger)}\"");
                }
            }
        }

        return passed;
    }
}
