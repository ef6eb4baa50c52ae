// Why this file exists: the part of an evaluation that reads strings, names and values, with their cost.
// Invariants: a span of decoded text is valid until the next string is decoded; patterns see well-formed UTF-16.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

internal ref partial struct Evaluation
{
    /// <summary>The raw bytes of a value.</summary>
    public readonly ReadOnlySpan<byte> Raw(int index)
    {
        ref readonly JsonTapeNode node = ref Node(index);
        return _text.Slice(node.Start, node.Length);
    }

    /// <summary>The decoded text of a string.</summary>
    public readonly ReadOnlySpan<byte> Text(int index)
    {
        ref readonly JsonTapeNode node = ref Node(index);
        return Decode(_text.Slice(node.Start, node.Length), node.Escaped);
    }

    /// <summary>The decoded name of a member.</summary>
    public readonly ReadOnlySpan<byte> Name(int index)
    {
        ref readonly JsonTapeNode node = ref Node(index);
        return Decode(_text.Slice(node.NameStart, node.NameLength), node.NameEscaped);
    }

    /// <summary>The decoded name of a member, for messages.</summary>
    public readonly string NameText(int index) => Encoding.UTF8.GetString(Name(index));

    /// <summary>Puts a member's name where a value would be, so that a subschema can be applied to it.</summary>
    /// <returns>The place of the name; good until the next call.</returns>
    public int ShowName(int member)
    {
        ref JsonTapeNode shown = ref _scratch.Nodes[_nameIndex];
        ref readonly JsonTapeNode node = ref Node(member);
        shown = new JsonTapeNode
        {
            Kind = JsonKind.String,
            Start = node.NameStart,
            Length = node.NameLength,
            Escaped = node.NameEscaped,
            Next = _nameIndex + 1,
        };
        _nameOwner = member;
        return _nameIndex;
    }

    /// <summary>Whether a pattern matches a decoded text; false also when the evaluation ended over it.</summary>
    public bool IsMatch(EcmaPattern pattern, ReadOnlySpan<byte> text)
    {
        if (!Charge(1 + (text.Length >> 4)))
        {
            return false;
        }

        if (_scratch.Chars.Length < text.Length)
        {
            _scratch.Chars = new char[Math.Max(text.Length, _scratch.Chars.Length * 2)];
        }

        bool matched = pattern.IsMatch(text, _scratch.Chars, ref _steps, out bool inMemory);
        return inMemory ? Charge(0) && matched : Abort(SchemaLimit.PatternMemory);
    }

    /// <summary>Whether a value equals a constant of a schema.</summary>
    public bool EqualsConstant(int index, JsonTape tape, int place)
    {
        bool equal = JsonEquality.AreEqual(View, index, tape.View, place, ref _steps);
        return Charge(0) && equal;
    }

    /// <summary>The hash of a value, by which equal constants are found.</summary>
    public ulong HashOf(int index)
    {
        _steps -= Node(index).Next - index + (Node(index).Length >> 6);
        return IsAborted || _steps < 0 ? 0 : JsonHash.Value(View, index, ref _steps);
    }

    /// <summary>Looks for two equal items of an array.</summary>
    public bool TryFindEqualItems(int index, out int first, out int second)
    {
        bool found = JsonUniqueness.TryFindEqualPair(View, index, ref _steps, out first, out second);
        return Charge(0) && found;
    }

    private readonly ReadOnlySpan<byte> Decode(ReadOnlySpan<byte> body, bool escaped)
    {
        if (!escaped)
        {
            return body;
        }

        if (_scratch.Text.Length < body.Length)
        {
            _scratch.Text = new byte[Math.Max(body.Length, _scratch.Text.Length * 2)];
        }

        int length = JsonText.Unescape(body, _scratch.Text);
        return _scratch.Text.AsSpan(0, length);
    }
}
