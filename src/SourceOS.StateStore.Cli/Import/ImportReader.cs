// Why this file exists: finds the documents in a file: one a line, or one or several JSON values spread over lines. Invariants: memory is bounded by one line, or for
// files that are not line by line by MaxWholeBytes; nesting is bounded; a file's first fault in spread-out JSON ends the file, because nobody can
// tell where the next document starts.

using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Import;

/// <summary>Reads import files.</summary>
internal static class ImportReader
{
    /// <summary>Largest file that is read as a whole.</summary>
    public const int MaxWholeBytes = 64 << 20;

    // An array of documents adds one level to the documents' own.
    private const int MaxDepth = FormatLimits.MaxJsonDepth + 2;

    /// <summary>Reads a file's documents.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="isLines">Whether it is known to be one document a line.</param>
    /// <returns>The documents and faults in order; a document is valid until the next one is asked for.</returns>
    public static IEnumerable<ImportItem> Read(Stream stream, bool isLines)
    {
        LineReader lines = new(stream, FormatLimits.MaxRecordJsonLengthBytes);
        while (lines.TryRead(out ReadOnlyMemory<byte> line))
        {
            if (lines.IsTooLong)
            {
                yield return ImportItem.Fault(lines.Number, "too_large", $"The line has more than {FormatLimits.MaxRecordJsonLengthBytes} bytes.");
                isLines = true;
            }
            else if (line.Span.ContainsAnyExcept(" \t\r\uFEFF"u8))
            {
                if (!isLines && IsSpreadOut(line.Span))
                {
                    foreach (ImportItem item in ReadWhole(lines, line))
                    {
                        yield return item;
                    }

                    yield break;
                }

                isLines = true;
                yield return new ImportItem(lines.Number, WithoutMark(line, lines.Number));
            }
        }
    }

    // The first line decides: a JSON object that ends on its line starts a file of lines; an array, or a value that goes on, does not.
    private static bool IsSpreadOut(ReadOnlySpan<byte> line)
    {
        line = line.StartsWith("\uFEFF"u8) ? line[3..] : line;
        Utf8JsonReader reader = new(line, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
        try
        {
            return reader.Read() && (reader.TokenType == JsonTokenType.StartArray || !reader.TrySkip());
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static List<ImportItem> ReadWhole(LineReader lines, ReadOnlyMemory<byte> firstLine)
    {
        long firstNumber = lines.Number;
        using MemoryStream whole = new();
        whole.Write(WithoutMark(firstLine, firstNumber).Span);
        while (lines.TryRead(out ReadOnlyMemory<byte> line))
        {
            whole.WriteByte((byte)'\n');
            whole.Write(line.Span);
            if (lines.IsTooLong || whole.Length > MaxWholeBytes)
            {
                return [ImportItem.Fault(firstNumber, "too_large", $"A file that is not one document a line may have at most {MaxWholeBytes} bytes, and lines of at most {FormatLimits.MaxRecordJsonLengthBytes}.")];
            }
        }

        return Split(whole.GetBuffer().AsMemory(0, (int)whole.Length), firstNumber);
    }

    private static List<ImportItem> Split(ReadOnlyMemory<byte> json, long firstLine)
    {
        List<ImportItem> items = [];
        Utf8JsonReader reader = new(json.Span, new JsonReaderOptions { MaxDepth = MaxDepth, AllowMultipleValues = true });
        long line = firstLine;
        int counted = 0;
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.StartArray && reader.CurrentDepth == 0 || reader.TokenType == JsonTokenType.EndArray)
                {
                    continue;
                }

                int start = (int)reader.TokenStartIndex;
                line += json.Span[counted..start].Count((byte)'\n');
                counted = start;
                reader.Skip();
                items.Add(new ImportItem(line, json[start..(int)reader.BytesConsumed]));
            }
        }
        catch (JsonException exception)
        {
            string rule = exception.Message.Contains("depth", StringComparison.OrdinalIgnoreCase) ? "too_deep" : "invalid_json";
            items.Add(ImportItem.Fault(firstLine + (exception.LineNumber ?? 0), rule, rule == "too_deep"
                ? $"Objects and arrays are nested deeper than {FormatLimits.MaxJsonDepth}."
                : "The text is not JSON."));
        }

        return items;
    }

    private static ReadOnlyMemory<byte> WithoutMark(ReadOnlyMemory<byte> line, long number) =>
        number == 1 && line.Span.StartsWith("\uFEFF"u8) ? line[3..] : line;
}
