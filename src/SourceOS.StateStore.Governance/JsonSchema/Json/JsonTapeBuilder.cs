// Why this file exists: builds the tape over one JSON text in a single pass.
// Invariants: hostile text yields a fault with an offset and never an exception; depth and node count are bounded before
// anything grows; the cost is linear in the text.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Why a text could not be indexed.</summary>
internal enum JsonTapeFault : byte
{
    None = 0,
    Malformed = 1,
    TooDeep = 2,
    TooManyNodes = 3,
}

/// <summary>Indexes JSON texts.</summary>
internal static class JsonTapeBuilder
{
    /// <summary>Nesting bound beyond which no caller may ask; the parents' stack lives on the thread's stack.</summary>
    public const int MaxSupportedDepth = 512;

    /// <summary>Indexes a text.</summary>
    /// <param name="utf8">The JSON text.</param>
    /// <param name="maxDepth">Largest nesting of containers, at most <see cref="MaxSupportedDepth"/>.</param>
    /// <param name="maxNodes">Largest number of values.</param>
    /// <param name="lenient">Whether comments and trailing commas are passed over, as a lenient parse by the caller had done.</param>
    /// <param name="nodes">The tape, grown as needed; one spare node is always left at its end.</param>
    /// <param name="count">Nodes in use.</param>
    /// <param name="offset">Offset of the fault.</param>
    public static JsonTapeFault Build(
        ReadOnlySpan<byte> utf8, int maxDepth, int maxNodes, bool lenient, ref JsonTapeNode[] nodes, out int count, out long offset)
    {
        Utf8JsonReader reader = new(utf8, new JsonReaderOptions
        {
            MaxDepth = maxDepth + 2,
            CommentHandling = lenient ? JsonCommentHandling.Skip : JsonCommentHandling.Disallow,
            AllowTrailingCommas = lenient,
        });
        count = 0;
        try
        {
            JsonTapeFault fault = Fill(ref reader, maxDepth, maxNodes, ref nodes, ref count);
            offset = reader.TokenStartIndex;
            return fault;
        }
        catch (JsonException)
        {
            // The reader reports malformed text by throwing; here that is an expected outcome with a place.
            offset = reader.BytesConsumed;
            return JsonTapeFault.Malformed;
        }
    }

    private static JsonTapeFault Fill(ref Utf8JsonReader reader, int maxDepth, int maxNodes, ref JsonTapeNode[] nodes, ref int count)
    {
        Span<int> parents = stackalloc int[maxDepth + 1];
        int depth = 0;
        int nameStart = 0;
        int nameLength = 0;
        bool nameEscaped = false;
        while (reader.Read())
        {
            JsonTokenType token = reader.TokenType;
            int start = (int)reader.TokenStartIndex;
            if (token == JsonTokenType.PropertyName)
            {
                nameStart = start + 1;
                nameLength = reader.ValueSpan.Length;
                nameEscaped = reader.ValueIsEscaped;
                continue;
            }

            if (token is JsonTokenType.EndObject or JsonTokenType.EndArray)
            {
                ref JsonTapeNode closed = ref nodes[parents[--depth]];
                closed.Next = count;
                closed.Length = start + 1 - closed.Start;
                continue;
            }

            if (count >= maxNodes)
            {
                return JsonTapeFault.TooManyNodes;
            }

            if (count + 2 > nodes.Length)
            {
                Array.Resize(ref nodes, Math.Max(64, nodes.Length * 2));
            }

            if (depth > 0)
            {
                nodes[parents[depth - 1]].Count++;
            }

            int index = count++;
            ref JsonTapeNode node = ref nodes[index];
            node.NameStart = nameStart;
            node.NameLength = nameLength;
            node.NameEscaped = nameEscaped;
            node.Start = start;
            node.Length = reader.ValueSpan.Length;
            node.Next = count;
            node.Count = 0;
            node.Kind = KindOf(token);
            node.Escaped = node.Kind == JsonKind.String && reader.ValueIsEscaped;
            if (node.Kind == JsonKind.String)
            {
                node.Start = start + 1;
            }
            else if (node.Kind >= JsonKind.Array)
            {
                if (depth >= maxDepth)
                {
                    return JsonTapeFault.TooDeep;
                }

                parents[depth++] = index;
            }
        }

        return JsonTapeFault.None;
    }

    private static JsonKind KindOf(JsonTokenType token) => token switch
    {
        JsonTokenType.StartObject => JsonKind.Object,
        JsonTokenType.StartArray => JsonKind.Array,
        JsonTokenType.String => JsonKind.String,
        JsonTokenType.Number => JsonKind.Number,
        JsonTokenType.True => JsonKind.True,
        JsonTokenType.False => JsonKind.False,
        _ => JsonKind.Null,
    };
}
