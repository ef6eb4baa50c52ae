// Why this file exists: RecordBodyView judges a body without knowing its kind; what a kind adds is judged here: that its slots are known, that each value
// has the one tag it must have, that unknown fields are unknown. Invariants: a body that comes from a document, or that passes here, has exactly one encoding.

namespace SourceOS.StateStore.Format;

/// <summary>The rules that a body's kind adds. Thread-safe.</summary>
public static class RecordBodyRules
{
    /// <summary>Checks a body against its kind.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="body">A body that was read.</param>
    /// <returns>No fault, or the first one with its offset in the body.</returns>
    public static FormatFault Check(RecordKind kind, RecordBodyView body)
    {
        if (!RecordKinds.IsDefined(kind))
        {
            return new FormatFault(FaultCode.UnknownCode, 0);
        }

        RecordKindInfo info = RecordKinds.Get(kind);
        if (body.SlotCount > info.SlotCount)
        {
            return new FormatFault(FaultCode.OutOfRange, 0);
        }

        for (int slot = 0; slot < body.SlotCount; slot++)
        {
            bool holds = slot == 0 ? IsSchema(info, body) : HasRightTag(info.FieldAt(slot).Type, body.TagOf(slot), body.RawValue(slot));
            if (!holds)
            {
                return new FormatFault(FaultCode.NotCanonical, RecordBodyView.HeaderLengthBytes + (slot * RecordBodyView.SlotLengthBytes));
            }
        }

        return CheckExtensions(info, body);
    }

    // A schema that names no kind, or another one, would make a document that no door takes back.
    private static bool IsSchema(RecordKindInfo info, RecordBodyView body) =>
        body.TagOf(0) == FieldTag.Absent
        || (body.TryGetText(0, out ReadOnlySpan<byte> schema) && !schema.SequenceEqual(info.SchemaUtf8.Span) && RecordKinds.TryParseSchema(schema, out RecordKindInfo? named) && named.Kind == info.Kind);

    private static bool HasRightTag(FieldType type, FieldTag tag, ReadOnlySpan<byte> value) => tag switch
    {
        FieldTag.Absent or FieldTag.Null => true,
        FieldTag.Text => !(type == FieldType.Time && TimeText.TryParse(value, out _)) && !(type == FieldType.Sha256 && HashText.TryParse(value, out _)),
        FieldTag.Integer => type == FieldType.Integer,
        FieldTag.Time => type == FieldType.Time,
        FieldTag.TextList => type == FieldType.TextList,
        FieldTag.Boolean => type == FieldType.Boolean,
        FieldTag.Sha256 => type == FieldType.Sha256,
        FieldTag.Json => IsRightAsJson(type, value),
        _ => false,
    };

    private static bool IsRightAsJson(FieldType type, ReadOnlySpan<byte> json)
    {
        var scanner = new JsonScanner(json, JsonScanner.DeepestDepth, allowSpace: false);
        _ = scanner.Read();
        return scanner.Token switch
        {
            JsonToken.Null or JsonToken.Text => false,
            JsonToken.True or JsonToken.False => type != FieldType.Boolean,
            JsonToken.Number => type != FieldType.Integer || !FieldCoding.TryParseInteger(json, out _),
            JsonToken.BeginArray => type != FieldType.TextList || HoldsOtherThanText(scanner),
            _ => true,
        };
    }

    private static bool HoldsOtherThanText(JsonScanner scanner)
    {
        while (scanner.Read() && scanner.Token != JsonToken.EndArray)
        {
            if (scanner.Token != JsonToken.Text)
            {
                return true;
            }
        }

        return false;
    }

    private static FormatFault CheckExtensions(RecordKindInfo info, RecordBodyView body)
    {
        int count = body.Extensions.Count;
        if (count == 0)
        {
            return FormatFault.None;
        }

        var seen = new HashSet<UInt128>(count);
        foreach (RecordExtension extension in body.Extensions)
        {
            if (info.FindSlot(extension.Name) >= 0 || extension.Name.SequenceEqual(info.IdFieldUtf8.Span))
            {
                return new FormatFault(FaultCode.NotCanonical, body.ExtensionAt);
            }

            if (!seen.Add(Checksum.Xxh128(0, extension.Name)))
            {
                return new FormatFault(FaultCode.DuplicateName, body.ExtensionAt);
            }
        }

        return FormatFault.None;
    }
}
