// Why this file exists: what JSON text the format stores: one value, no insignificant white space, bounded depth (format-spec/records.md, tag 3).
// Invariants: bounded by the length of the text; never throws to its caller.

using System.Text.Json;

namespace SourceOS.StateStore.Format;

/// <summary>Checks stored JSON text.</summary>
public static class JsonText
{
    /// <summary>Checks that bytes are exactly one JSON value of at most the format's depth, without white space between tokens.</summary>
    /// <param name="json">The bytes.</param>
    /// <returns>What is wrong, or no fault.</returns>
    public static FormatFault Check(ReadOnlySpan<byte> json)
    {
        int space = FindSpaceOutsideText(json);
        if (space >= 0)
        {
            return new FormatFault(FaultCode.NotCanonical, space);
        }

        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = FormatLimits.MaxJsonDepth, CommentHandling = JsonCommentHandling.Disallow });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && (reader.ValueIsEscaped || !System.Text.Unicode.Utf8.IsValid(reader.ValueSpan)))
                {
                    // Decoding is what finds a lone surrogate behind an escape, and bytes that are not UTF-8.
                    _ = reader.GetString();
                }
            }

            return reader.BytesConsumed == json.Length ? FormatFault.None : new FormatFault(FaultCode.NotCanonical, reader.BytesConsumed);
        }
        catch (JsonException)
        {
            return new FormatFault(FaultCode.InvalidJson, reader.BytesConsumed);
        }
        catch (InvalidOperationException)
        {
            return new FormatFault(FaultCode.InvalidJson, reader.TokenStartIndex);
        }
    }

    private static int FindSpaceOutsideText(ReadOnlySpan<byte> json)
    {
        bool inText = false;
        for (int at = 0; at < json.Length; at++)
        {
            byte current = json[at];
            if (current == (byte)'"')
            {
                inText = !inText;
            }
            else if (inText && current == (byte)'\\')
            {
                at++;
            }
            else if (!inText && current <= 0x20)
            {
                return at;
            }
        }

        return -1;
    }
}
