// Why this file exists: stored JSON text has no white space between its tokens, and nothing else about it changes: numbers, escapes and order stay as they
// came. Invariants: the output is never longer than the input.

namespace SourceOS.StateStore.Format;

internal static class JsonMinifier
{
    /// <summary>Copies one JSON value without white space between its tokens.</summary>
    /// <param name="json">One JSON value that a scanner accepted.</param>
    /// <param name="destination">At least as long.</param>
    /// <returns>The number of bytes written, or -1 when the input is not one JSON value.</returns>
    internal static int Minify(ReadOnlySpan<byte> json, Span<byte> destination)
    {
        var scanner = new JsonScanner(json, JsonScanner.DeepestDepth, allowSpace: true);
        int written = 0;
        JsonToken before = JsonToken.None;
        while (scanner.Read())
        {
            JsonToken token = scanner.Token;
            bool opensOrNames = before is JsonToken.None or JsonToken.Name or JsonToken.BeginArray or JsonToken.BeginObject;
            if (!opensOrNames && token is not (JsonToken.EndArray or JsonToken.EndObject))
            {
                destination[written++] = (byte)',';
            }

            scanner.Raw.CopyTo(destination[written..]);
            written += scanner.Raw.Length;
            if (token == JsonToken.Name)
            {
                destination[written++] = (byte)':';
            }

            before = token;
        }

        return scanner.IsComplete ? written : -1;
    }
}
