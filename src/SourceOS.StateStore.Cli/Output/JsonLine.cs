// Why this file exists: JSON goes out through one configured writer, so that every door shows text the same way. Invariants: one document is one
// line; non-ASCII text stays readable, control characters are escaped; nothing is written unless the document is whole.

using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace SourceOS.StateStore.Cli.Output;

/// <summary>Writes JSON documents, one a line.</summary>
internal static class JsonLine
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = false };

    /// <summary>Builds one document and writes it with a newline.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="build">Builds the document.</param>
    public static void Write(ByteOutput output, Action<Utf8JsonWriter> build)
    {
        ArrayBufferWriter<byte> buffer = new(1024);
        using (Utf8JsonWriter writer = new(buffer, Options))
        {
            build(writer);
        }

        output.Write(buffer.WrittenSpan);
        output.Write("\n"u8);
    }
}
