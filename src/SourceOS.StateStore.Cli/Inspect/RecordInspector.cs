// Why this file exists: shows how a record lies in the state: envelope, slots, values, extensions. Invariants: the record was verified when it was read, so what is shown is what
// its checksum covers; offsets count from the start of the table's value.

using System.Buffers.Binary;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Inspect;

/// <summary>Inspects records.</summary>
internal static class RecordInspector
{
    private const int SlotBytes = 8;

    /// <summary>Reads the parts of a record.</summary>
    /// <param name="record">The record.</param>
    public static IReadOnlyList<InspectedPart> Inspect(StoredRecord record)
    {
        byte[] id = Encoding.UTF8.GetBytes(record.Id);
        byte[] key = [(byte)record.Kind, .. id];
        byte[] value = new byte[RecordEnvelope.LengthBytes + record.Body.Length];
        RecordEnvelope.Write(key, record.IsTombstone, record.IsBootCritical, record.Sequence, record.Surrogate, record.Body.Span, value);
        List<InspectedPart> parts =
        [
            new("key in the records table", 0, "valid", [new(0, 1, "kind", $"{(byte)record.Kind} ({RecordKinds.Get(record.Kind).Name})"), new(1, id.Length, "identifier", record.Id)]),
            new("envelope", 0, "valid", FieldTable.Read(Rulers.Envelope, value, 0)),
        ];
        bool isValid = RecordBodyView.TryRead(record.Body.Span, out RecordBodyView body, out FormatFault fault);
        List<InspectedField> fields = FieldTable.Read(Rulers.Body, record.Body.Span, RecordEnvelope.LengthBytes);
        if (isValid)
        {
            AddSlots(fields, RecordKinds.Get(record.Kind), body);
        }

        parts.Add(new("body", RecordEnvelope.LengthBytes, isValid ? "valid" : fault.ToString(), fields));
        if (isValid && body.Extensions.Count > 0)
        {
            parts.Add(Extensions(body));
        }

        return parts;
    }

    private static void AddSlots(List<InspectedField> fields, RecordKindInfo kind, RecordBodyView body)
    {
        for (int slot = 0; slot < body.SlotCount; slot++)
        {
            int slotAt = Rulers.Body[^1].Offset + Rulers.Body[^1].Length + (slot * SlotBytes);
            FieldTag tag = body.TagOf(slot);
            if (tag == FieldTag.Absent)
            {
                continue;
            }

            string name = slot < kind.SlotCount ? kind.FieldAt(slot).Name : $"slot_{slot}";
            ReadOnlySpan<byte> raw = body.RawValue(slot);
            int valueAt = raw.IsEmpty ? slotAt : (int)BinaryPrimitives.ReadUInt32LittleEndian(body.Bytes[slotAt..]);
            fields.Add(new InspectedField(RecordEnvelope.LengthBytes + slotAt, SlotBytes, $"slot_{slot}", $"{tag.ToString().ToLowerInvariant()}, {raw.Length} bytes at {RecordEnvelope.LengthBytes + valueAt}"));
            fields.Add(new InspectedField(RecordEnvelope.LengthBytes + valueAt, raw.Length, name, Value(body, slot, tag, raw)));
        }
    }

    private static string Value(RecordBodyView body, int slot, FieldTag tag, ReadOnlySpan<byte> raw) => tag switch
    {
        FieldTag.Text or FieldTag.Json => FieldTable.Value(raw, FieldKind.Text),
        FieldTag.Integer => FieldTable.Value(raw, FieldKind.Signed),
        FieldTag.Time => FieldTable.Value(raw, FieldKind.Time),
        FieldTag.Boolean => body.TryGetBoolean(slot, out bool value) && value ? "true" : "false",
        FieldTag.TextList => List(body, slot),
        FieldTag.Null => "null",
        _ => FieldTable.Hex(raw),
    };

    private static string List(RecordBodyView body, int slot)
    {
        List<string> items = [];
        if (body.TryGetList(slot, out TextList list))
        {
            foreach (ReadOnlySpan<byte> item in list)
            {
                items.Add(Encoding.UTF8.GetString(item));
            }
        }

        return string.Join(", ", items);
    }

    private static InspectedPart Extensions(RecordBodyView body)
    {
        int start = (int)BinaryPrimitives.ReadUInt32LittleEndian(body.Bytes[4..]);
        long at = RecordEnvelope.LengthBytes + start + 4;
        List<InspectedField> fields = [new(at - 4, 4, "count", FieldTable.Value(body.Bytes.Slice(start, 4), FieldKind.Unsigned))];
        foreach (RecordExtension extension in body.Extensions)
        {
            int length = 8 + extension.Namespace.Length + extension.Name.Length + extension.Json.Length;
            fields.Add(new InspectedField(at, length, Encoding.UTF8.GetString(extension.Name), $"{FieldTable.Value(extension.Json, FieldKind.Text)} (from {Encoding.UTF8.GetString(extension.Namespace)})"));
            at += length;
        }

        return new InspectedPart("extension section", RecordEnvelope.LengthBytes + start, "valid", fields);
    }
}
