// Why this file exists: a schema document keeps its text and tape for as long as compiled schemas refer into it.
// Invariants: immutable after construction; depth and size were bounded when it was built; a place in it is a tape index.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>An owned JSON text with its tape.</summary>
internal sealed class JsonTape
{
    private readonly byte[] _text;
    private readonly JsonTapeNode[] _nodes;

    public JsonTape(byte[] text, JsonTapeNode[] nodes, int count)
    {
        _text = text;
        _nodes = nodes;
        Count = count;
    }

    /// <summary>Number of values; index 0 is the whole document.</summary>
    public int Count { get; }

    /// <summary>Bytes of the text.</summary>
    public int LengthBytes => _text.Length;

    /// <summary>The text and tape for the span-based functions.</summary>
    public JsonView View => new(_text, _nodes);

    /// <summary>What the value is.</summary>
    public JsonKind Kind(int index) => _nodes[index].Kind;

    /// <summary>Number of items or members.</summary>
    public int ChildCount(int index) => _nodes[index].Count;

    /// <summary>The first child's index; equal to <see cref="Next"/> for an empty container.</summary>
    public static int FirstChild(int index) => index + 1;

    /// <summary>The index after the value and everything in it.</summary>
    public int Next(int index) => _nodes[index].Next;

    /// <summary>The value's raw bytes, without quotes for a string.</summary>
    public ReadOnlyMemory<byte> RawValue(int index) => _text.AsMemory(_nodes[index].Start, _nodes[index].Length);

    /// <summary>The value's JSON text, with quotes for a string.</summary>
    public ReadOnlyMemory<byte> JsonTextOf(int index) => _nodes[index].Kind == JsonKind.String
        ? _text.AsMemory(_nodes[index].Start - 1, _nodes[index].Length + 2)
        : RawValue(index);

    /// <summary>The decoded string.</summary>
    public string String(int index) => JsonText.ToText(View.Value(index), _nodes[index].Escaped);

    /// <summary>The decoded name of a member.</summary>
    public string Name(int index) => JsonText.ToText(View.Name(index), _nodes[index].NameEscaped);

    /// <summary>Finds a member by its decoded name; -1 when absent or when the value is not an object.</summary>
    public int Member(int index, ReadOnlySpan<char> name)
    {
        if (Kind(index) != JsonKind.Object)
        {
            return -1;
        }

        byte[] utf8 = new byte[Encoding.UTF8.GetByteCount(name)];
        Encoding.UTF8.GetBytes(name, utf8);
        for (int child = FirstChild(index); child < Next(index); child = Next(child))
        {
            if (JsonEquality.TextsEqual(View.Name(child), _nodes[child].NameEscaped, utf8, false))
            {
                return child;
            }
        }

        return -1;
    }

    /// <summary>Finds an item by its ordinal; -1 when absent or when the value is not an array.</summary>
    public int Item(int index, int ordinal)
    {
        if (Kind(index) != JsonKind.Array || (uint)ordinal >= (uint)ChildCount(index))
        {
            return -1;
        }

        int child = FirstChild(index);
        for (int i = 0; i < ordinal; i++)
        {
            child = Next(child);
        }

        return child;
    }

    /// <summary>Finds a member whose name repeats within its object anywhere in the document; -1 when none does.</summary>
    public int FindRepeatedName()
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        for (int index = 0; index < Count; index++)
        {
            if (Kind(index) != JsonKind.Object)
            {
                continue;
            }

            seen.Clear();
            for (int child = FirstChild(index); child < Next(index); child = Next(child))
            {
                if (!seen.Add(Name(child)))
                {
                    return child;
                }
            }
        }

        return -1;
    }
}
