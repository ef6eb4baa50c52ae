// Why this file exists: a JSON text is walked many times during one validation, so it is indexed once into a flat array (a tape).
// Invariants: children of the container at index i start at i + 1; a child's next sibling is its Next; Start and Length of a
// string exclude the quotes; every offset lies inside the text the tape was built from.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The kinds of JSON values; booleans are two kinds, as in the text.</summary>
internal enum JsonKind : byte
{
    Null = 0,
    False = 1,
    True = 2,
    Number = 3,
    String = 4,
    Array = 5,
    Object = 6,
}

/// <summary>One JSON value of an indexed text.</summary>
internal struct JsonTapeNode
{
    /// <summary>Offset of the value; for a string the offset after the quote.</summary>
    public int Start;

    /// <summary>Length in bytes; for a string without the quotes.</summary>
    public int Length;

    /// <summary>Offset of the member name when the value is a member of an object.</summary>
    public int NameStart;

    /// <summary>Length of the member name in bytes.</summary>
    public int NameLength;

    /// <summary>Index of the first node after this value and everything in it.</summary>
    public int Next;

    /// <summary>Number of items or members of a container.</summary>
    public int Count;

    /// <summary>What the value is.</summary>
    public JsonKind Kind;

    /// <summary>Whether a string value holds backslash escapes.</summary>
    public bool Escaped;

    /// <summary>Whether the member name holds backslash escapes.</summary>
    public bool NameEscaped;
}

/// <summary>An indexed JSON text that something else keeps alive.</summary>
internal readonly ref struct JsonView
{
    public JsonView(ReadOnlySpan<byte> text, JsonTapeNode[] nodes)
    {
        Text = text;
        Nodes = nodes;
    }

    /// <summary>The UTF-8 text.</summary>
    public ReadOnlySpan<byte> Text { get; }

    /// <summary>The tape; only its used part has meaning.</summary>
    public JsonTapeNode[] Nodes { get; }

    /// <summary>The raw bytes of a value.</summary>
    public ReadOnlySpan<byte> Value(int index)
    {
        ref readonly JsonTapeNode node = ref Nodes[index];
        return Text.Slice(node.Start, node.Length);
    }

    /// <summary>The raw bytes of a member's name.</summary>
    public ReadOnlySpan<byte> Name(int index)
    {
        ref readonly JsonTapeNode node = ref Nodes[index];
        return Text.Slice(node.NameStart, node.NameLength);
    }
}
