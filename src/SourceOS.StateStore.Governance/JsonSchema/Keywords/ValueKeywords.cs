// Why this file exists: type, const and enum: what a value is, whatever its kind.
// Invariants: equality is that of the draft; 1.0 is an integer; constants stay in the schema's own text.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The types of the draft as bits; an integer is also a number.</summary>
[Flags]
internal enum SchemaTypes : byte
{
    None = 0,
    Null = 1,
    Boolean = 2,
    Number = 4,
    Integer = 8,
    String = 16,
    Array = 32,
    Object = 64,
}

/// <summary>The <c>type</c> keyword.</summary>
internal sealed class TypeKeyword : Keyword
{
    private readonly SchemaTypes _types;

    public TypeKeyword(SchemaNode owner, SchemaTypes types)
        : base(owner, "type", KeywordTargets.All, KeywordRank.Type) => _types = types;

    /// <summary>The bit of a type's name; none for an unknown name.</summary>
    public static SchemaTypes Parse(string name) => name switch
    {
        "null" => SchemaTypes.Null,
        "boolean" => SchemaTypes.Boolean,
        "number" => SchemaTypes.Number,
        "integer" => SchemaTypes.Integer,
        "string" => SchemaTypes.String,
        "array" => SchemaTypes.Array,
        "object" => SchemaTypes.Object,
        _ => SchemaTypes.None,
    };

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        SchemaTypes actual = TypeOf(evaluation.Node(index).Kind);
        if ((actual & _types) != 0)
        {
            return true;
        }

        if (actual == SchemaTypes.Number && (_types & SchemaTypes.Integer) != 0 && IsInteger(evaluation.Raw(index)))
        {
            return true;
        }

        return evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, $"{Words(actual)} where {Words(_types)} is expected");
    }

    private static bool IsInteger(ReadOnlySpan<byte> text) =>
        DecimalNumber.TryParseSmall(text, out _) || DecimalNumber.Parse(text).IsInteger;

    private static SchemaTypes TypeOf(JsonKind kind) => kind switch
    {
        JsonKind.Object => SchemaTypes.Object,
        JsonKind.Array => SchemaTypes.Array,
        JsonKind.String => SchemaTypes.String,
        JsonKind.Number => SchemaTypes.Number,
        JsonKind.Null => SchemaTypes.Null,
        _ => SchemaTypes.Boolean,
    };

    private static string Words(SchemaTypes types)
    {
        StringBuilder words = new();
        for (int bit = 1; bit <= (int)SchemaTypes.Object; bit <<= 1)
        {
            if (((int)types & bit) != 0)
            {
                words.Append(words.Length > 0 ? " or " : string.Empty).Append(((SchemaTypes)bit).ToString().ToLowerInvariant());
            }
        }

        return words.ToString();
    }
}

/// <summary>The <c>const</c> keyword.</summary>
internal sealed class ConstKeyword : Keyword
{
    private readonly JsonTape _tape;
    private readonly int _place;

    public ConstKeyword(SchemaNode owner, JsonTape tape, int place)
        : base(owner, "const", KeywordTargets.All, KeywordRank.Value)
    {
        _tape = tape;
        _place = place;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker) =>
        evaluation.EqualsConstant(index, _tape, _place)
        || (evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, "not the one value that is allowed"));
}

/// <summary>The <c>enum</c> keyword: strings by table, many others by hash, few one by one.</summary>
internal sealed class EnumKeyword : Keyword
{
    private const int MaxUnhashed = 8;

    private readonly JsonTape _tape;
    private readonly Utf8NameTable _strings;
    private readonly int[] _others;
    private readonly ulong[]? _hashes;

    public EnumKeyword(SchemaNode owner, JsonTape tape, int place)
        : base(owner, "enum", KeywordTargets.All, KeywordRank.Value)
    {
        _tape = tape;
        HashSet<string> strings = new(StringComparer.Ordinal);
        List<int> others = [];
        for (int child = JsonTape.FirstChild(place); child < tape.Next(place); child = tape.Next(child))
        {
            if (tape.Kind(child) == JsonKind.String)
            {
                strings.Add(tape.String(child));
            }
            else
            {
                others.Add(child);
            }
        }

        _strings = new Utf8NameTable([.. strings]);
        _others = [.. others];
        if (_others.Length > MaxUnhashed)
        {
            long budget = long.MaxValue;
            _hashes = Array.ConvertAll(_others, other => JsonHash.Value(tape.View, other, ref budget));
            Array.Sort(_hashes, _others);
        }
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        if (evaluation.Node(index).Kind == JsonKind.String)
        {
            if (_strings.Find(evaluation.Text(index)) >= 0)
            {
                return true;
            }
        }
        else
        {
            int first = 0;
            int end = _others.Length;
            if (_hashes is not null)
            {
                ulong hash = evaluation.HashOf(index);
                first = LowerBound(hash);
                end = hash == ulong.MaxValue ? _others.Length : LowerBound(hash + 1);
            }

            for (int i = first; i < end; i++)
            {
                if (evaluation.EqualsConstant(index, _tape, _others[i]))
                {
                    return true;
                }
            }
        }

        return evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, "not one of the values that are allowed");
    }

    /// <summary>The first place whose hash is not below another.</summary>
    private int LowerBound(ulong hash)
    {
        int low = 0;
        int high = _hashes!.Length;
        while (low < high)
        {
            int middle = (low + high) >> 1;
            (low, high) = _hashes[middle] < hash ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
