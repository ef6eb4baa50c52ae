// Why this file exists: a record's JSON document and its body are two forms of one value (format-spec/records.md, JSON). Invariants: what is read is
// written again equal as JSON, numbers as text; hostile documents are refused with code and offset, in time and memory bounded by the document's bound.

using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace SourceOS.StateStore.Format;

/// <summary>Records from JSON documents and back. Thread-safe.</summary>
public static class RecordJson
{
    private static readonly JsonWriterOptions CompactOptions = new()
    {
        // Documents are UTF-8 files, not parts of HTML, so only what JSON itself demands is escaped.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    private static readonly JsonWriterOptions IndentedOptions = CompactOptions with { Indented = true };

    /// <summary>Takes a record out of its document.</summary>
    /// <param name="utf8Json">The document, at most 1 MiB and 64 deep.</param>
    /// <param name="kind">The kind that the document's schema names.</param>
    /// <param name="id">The record's identifier.</param>
    /// <param name="body">The record's body in its one encoding.</param>
    /// <param name="fault">What is wrong, when the result is false.</param>
    /// <returns>Whether the document is a record.</returns>
    public static bool TryParse(
        ReadOnlySpan<byte> utf8Json,
        out RecordKind kind,
        [NotNullWhen(true)] out string? id,
        [NotNullWhen(true)] out byte[]? body,
        out RecordJsonFault fault)
    {
        id = null;
        body = null;
        kind = default;
        var reader = new RecordJsonReader(utf8Json);
        try
        {
            if (!reader.TryRead(out RecordKindInfo? info, out string? idText, out RecordBodyBuilder? builder, out fault))
            {
                return false;
            }

            if (!builder.TryBuild(out body))
            {
                fault = RecordJsonFault.BodyTooLarge(0);
                return false;
            }

            kind = info.Kind;
            id = idText;
            return true;
        }
        finally
        {
            reader.Dispose();
        }
    }

    /// <summary>Writes a record's document without white space.</summary>
    /// <param name="destination">Takes the UTF-8 text.</param>
    /// <param name="kind">The record's kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="body">Its body.</param>
    public static void Write(IBufferWriter<byte> destination, RecordKind kind, ReadOnlySpan<byte> id, RecordBodyView body)
    {
        using var writer = new Utf8JsonWriter(destination, CompactOptions);
        Write(writer, kind, id, body);
    }

    /// <summary>Writes a record's document indented, for people.</summary>
    /// <param name="destination">Takes the UTF-8 text.</param>
    /// <param name="kind">The record's kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="body">Its body.</param>
    public static void WriteIndented(IBufferWriter<byte> destination, RecordKind kind, ReadOnlySpan<byte> id, RecordBodyView body)
    {
        using var writer = new Utf8JsonWriter(destination, IndentedOptions);
        Write(writer, kind, id, body);
    }

    /// <summary>Writes a record's document as one object into a writer.</summary>
    /// <param name="writer">The writer, standing where a value may stand.</param>
    /// <param name="kind">The record's kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="body">Its body.</param>
    public static void Write(Utf8JsonWriter writer, RecordKind kind, ReadOnlySpan<byte> id, RecordBodyView body)
    {
        ArgumentNullException.ThrowIfNull(writer);
        RecordKindInfo info = RecordKinds.Get(kind);
        ThrowHelper.ThrowIfArgument(body.SlotCount > info.SlotCount, "The body has fields that its kind does not know.", nameof(body));
        ThrowHelper.ThrowIfArgument(!Identifier.IsValid(id), "The id is not an identifier.", nameof(id));
        writer.WriteStartObject();
        writer.WriteString("schema"u8, body.TryGetText(0, out ReadOnlySpan<byte> schema) ? schema : info.SchemaUtf8.Span);
        writer.WriteString(info.IdFieldUtf8.Span, id);
        for (int slot = 1; slot < body.SlotCount; slot++)
        {
            if (body.TagOf(slot) != FieldTag.Absent)
            {
                writer.WritePropertyName(info.NameUtf8(slot));
                WriteValue(writer, body, slot);
            }
        }

        foreach (RecordExtension extension in body.Extensions)
        {
            writer.WritePropertyName(extension.Name);
            writer.WriteRawValue(extension.Json, skipInputValidation: true);
        }

        writer.WriteEndObject();
    }

    /// <summary>Writes one field's value.</summary>
    /// <param name="writer">The writer, standing where a value may stand.</param>
    /// <param name="body">The body.</param>
    /// <param name="slot">The slot; an absent field is written as null.</param>
    public static void WriteValue(Utf8JsonWriter writer, RecordBodyView body, int slot)
    {
        ArgumentNullException.ThrowIfNull(writer);
        switch (body.TagOf(slot))
        {
            case FieldTag.Text:
                writer.WriteStringValue(body.RawValue(slot));
                break;
            case FieldTag.Json:
                writer.WriteRawValue(body.RawValue(slot), skipInputValidation: true);
                break;
            case FieldTag.Integer when body.TryGetInteger(slot, out long number):
                writer.WriteNumberValue(number);
                break;
            case FieldTag.Boolean when body.TryGetBoolean(slot, out bool truth):
                writer.WriteBooleanValue(truth);
                break;
            case FieldTag.Time when body.TryGetTime(slot, out long micros):
                Span<byte> time = stackalloc byte[TimeText.MaxLengthBytes];
                writer.WriteStringValue(time[..TimeText.Write(micros, time)]);
                break;
            case FieldTag.Sha256 when body.TryGetSha256(slot, out Hash256 hash):
                Span<byte> text = stackalloc byte[HashText.LengthBytes];
                HashText.Write(hash, text);
                writer.WriteStringValue(text);
                break;
            case FieldTag.TextList when body.TryGetList(slot, out TextList list):
                writer.WriteStartArray();
                foreach (ReadOnlySpan<byte> item in list)
                {
                    writer.WriteStringValue(item);
                }

                writer.WriteEndArray();
                break;
            default:
                writer.WriteNullValue();
                break;
        }
    }

    /// <summary>A record's document as text, indented, for people and tests.</summary>
    /// <param name="kind">The record's kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="body">Its body.</param>
    /// <returns>The text.</returns>
    public static string ToText(RecordKind kind, string id, ReadOnlySpan<byte> body)
    {
        ArgumentNullException.ThrowIfNull(id);
        if (!RecordBodyView.TryRead(body, out RecordBodyView view, out FormatFault fault))
        {
            ThrowHelper.Argument($"The body is not valid: {fault}.", nameof(body));
        }

        var buffer = new ArrayBufferWriter<byte>(body.Length + 256);
        WriteIndented(buffer, kind, Encoding.UTF8.GetBytes(id), view);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
