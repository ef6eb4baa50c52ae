// Why this file exists: `--where F=V` decides on each of maybe a million records, so it compares bytes in place. Invariants: a field equals a value when its text
// does, or, for what is no text, its JSON; an absent field equals nothing, not even the empty text.

using System.Buffers;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Conditions on a record's fields.</summary>
internal sealed class RecordFilter
{
    private readonly List<Condition> _conditions = [];

    private sealed record Condition(int Slot, byte[] Name, byte[] Value, bool IsId);

    /// <summary>Reads conditions.</summary>
    /// <param name="kind">The kind whose fields they name.</param>
    /// <param name="texts">Each <c>F=V</c>.</param>
    public static RecordFilter Parse(RecordKindInfo kind, IEnumerable<string> texts)
    {
        RecordFilter filter = new();
        foreach (string text in texts)
        {
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw CliException.Usage($"--where takes FIELD=VALUE, not '{text}'.");
            }

            byte[] name = Encoding.UTF8.GetBytes(text[..equals]);
            filter._conditions.Add(new Condition(kind.FindSlot(name), name, Encoding.UTF8.GetBytes(text[(equals + 1)..]), text[..equals] == kind.IdField));
        }

        return filter;
    }

    /// <summary>Whether a record meets all conditions.</summary>
    public bool IsMatch(RecordView record)
    {
        foreach (Condition condition in _conditions)
        {
            if (!IsMatch(condition, record))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsMatch(Condition condition, RecordView record)
    {
        if (condition.IsId)
        {
            return record.Id.SequenceEqual(condition.Value);
        }

        if (condition.Slot < 0)
        {
            foreach (RecordExtension extension in record.Body.Extensions)
            {
                if (extension.Name.SequenceEqual(condition.Name))
                {
                    return EqualsJson(extension.Json, condition.Value);
                }
            }

            return false;
        }

        switch (record.Body.TagOf(condition.Slot))
        {
            case FieldTag.Text:
                return record.Body.RawValue(condition.Slot).SequenceEqual(condition.Value);
            case FieldTag.Absent:
                return condition.Slot == 0 && RecordKinds.Get(record.Kind).SchemaUtf8.Span.SequenceEqual(condition.Value);
            case FieldTag.Json:
                return EqualsJson(record.Body.RawValue(condition.Slot), condition.Value);
            default:
                ArrayBufferWriter<byte> buffer = new();
                using (Utf8JsonWriter writer = new(buffer, RecordText.Options(isIndented: false)))
                {
                    RecordJson.WriteValue(writer, record.Body, condition.Slot);
                }

                return EqualsJson(buffer.WrittenSpan, condition.Value);
        }
    }

    private static bool EqualsJson(ReadOnlySpan<byte> json, byte[] value)
    {
        Utf8JsonReader reader = new(json);
        return json.StartsWith("\""u8) && reader.Read() ? reader.ValueTextEquals(value) : json.SequenceEqual(value);
    }
}
