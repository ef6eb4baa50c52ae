// Why this file exists: the strict half of RecordJson: documents come from anywhere. Invariants: two passes over the text, no recursion; memory is bounded by
// a small multiple of the document's bound; every refusal names a rule and an offset.

using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace SourceOS.StateStore.Format;

/// <summary>Reads one document. Used once.</summary>
internal ref struct RecordJsonReader
{
    private readonly ReadOnlySpan<byte> _json;
    private readonly List<Field> _fields = [];
    private byte[] _room = [];

    internal RecordJsonReader(ReadOnlySpan<byte> json) => _json = json;

    private readonly record struct Field(int NameStart, int NameEnd, bool IsNameEscaped, JsonToken Token, int ValueStart, int ValueEnd);

    internal bool TryRead(
        [NotNullWhen(true)] out RecordKindInfo? kind,
        [NotNullWhen(true)] out string? id,
        [NotNullWhen(true)] out RecordBodyBuilder? builder,
        out RecordJsonFault fault)
    {
        kind = null;
        id = null;
        builder = null;
        if (_json.Length > FormatLimits.MaxRecordJsonLengthBytes)
        {
            fault = new RecordJsonFault(RecordJsonFaultCode.TooLarge, FormatLimits.MaxRecordJsonLengthBytes, $"A record's document has at most {FormatLimits.MaxRecordJsonLengthBytes} bytes.");
            return false;
        }

        _room = ArrayPool<byte>.Shared.Rent(FieldCoding.RoomFor(_json.Length));
        return TryScan(out fault) && TryFindKind(out kind, out fault) && TryFindId(kind, out id, out fault) && TryBuild(kind, out builder, out fault);
    }

    internal void Dispose()
    {
        if (_room.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_room);
            _room = [];
        }
    }

    /// <summary>Walks the whole document: grammar, depth, duplicate names at every level, and the extents of the record's own fields.</summary>
    private readonly bool TryScan(out RecordJsonFault fault)
    {
        var scanner = new JsonScanner(_json, FormatLimits.MaxJsonDepth, allowSpace: true);
        var names = new HashSet<(int Owner, UInt128 Name)>();
        Span<int> owners = stackalloc int[FormatLimits.MaxJsonDepth + 1];
        int objects = 0;
        Field open = default;
        while (scanner.Read())
        {
            JsonToken token = scanner.Token;
            if (token == JsonToken.BeginObject)
            {
                owners[scanner.Depth] = objects++;
            }

            if (token == JsonToken.Name && !names.Add((owners[scanner.Depth], HashName(scanner.Content, scanner.HasEscapes))))
            {
                fault = new RecordJsonFault(RecordJsonFaultCode.DuplicateName, scanner.Start, $"The name {Show(scanner.Raw)} occurs twice in one object.");
                return false;
            }

            if (scanner.Depth == 1 && token == JsonToken.Name)
            {
                open = new Field(scanner.Start + 1, scanner.End - 1, scanner.HasEscapes, default, 0, 0);
            }
            else if (scanner.Depth == 2 && token is JsonToken.BeginObject or JsonToken.BeginArray && open.ValueEnd == 0)
            {
                open = open with { Token = token, ValueStart = scanner.Start, ValueEnd = -1 };
            }
            else if (scanner.Depth == 1 && token is not (JsonToken.BeginObject or JsonToken.BeginArray))
            {
                bool isContainer = token is JsonToken.EndObject or JsonToken.EndArray;
                _fields.Add(isContainer ? open with { ValueEnd = scanner.End } : open with { Token = token, ValueStart = scanner.Start, ValueEnd = scanner.End });
                open = default;
            }

            if (objects == 0)
            {
                fault = new RecordJsonFault(RecordJsonFaultCode.NotAnObject, scanner.Start, "A record's document is a JSON object.");
                return false;
            }
        }

        fault = Translate(scanner.Fault);
        return !scanner.Fault.IsFault;
    }

    private readonly bool TryFindKind([NotNullWhen(true)] out RecordKindInfo? kind, out RecordJsonFault fault)
    {
        kind = null;
        int at = Find("schema"u8);
        if (at < 0 || _fields[at].Token != JsonToken.Text)
        {
            fault = new RecordJsonFault(RecordJsonFaultCode.MissingSchema, at < 0 ? 0 : _fields[at].ValueStart, "A record's document names its schema as text in the field `schema`.");
            return false;
        }

        if (!RecordKinds.TryParseSchema(TextOf(_fields[at]), out kind))
        {
            fault = new RecordJsonFault(RecordJsonFaultCode.UnknownSchema, _fields[at].ValueStart, $"The schema {Show(Raw(_fields[at]))} names no kind of record.");
            return false;
        }

        fault = default;
        return true;
    }

    private readonly bool TryFindId(RecordKindInfo kind, [NotNullWhen(true)] out string? id, out RecordJsonFault fault)
    {
        id = null;
        int at = Find(kind.IdFieldUtf8.Span);
        if (at < 0 || _fields[at].Token != JsonToken.Text)
        {
            fault = new RecordJsonFault(RecordJsonFaultCode.MissingId, at < 0 ? 0 : _fields[at].ValueStart, $"A record of kind {kind.Name} has its identifier as text in the field `{kind.IdField}`.");
            return false;
        }

        ReadOnlySpan<byte> text = TextOf(_fields[at]);
        IdentifierFault reason = Identifier.Check(text);
        if (reason != IdentifierFault.None)
        {
            fault = new RecordJsonFault(RecordJsonFaultCode.InvalidId, _fields[at].ValueStart, $"The field `{kind.IdField}` is not an identifier: {Identifier.Describe(reason)}.");
            return false;
        }

        id = Encoding.UTF8.GetString(text);
        fault = default;
        return true;
    }

    private readonly bool TryBuild(RecordKindInfo kind, out RecordBodyBuilder builder, out RecordJsonFault fault)
    {
        builder = new RecordBodyBuilder();
        int extensions = 0;
        Span<byte> nameRoom = stackalloc byte[FormatLimits.MaxIdentifierLengthBytes];
        foreach (Field field in _fields)
        {
            if (!TryReadName(field, nameRoom, out int nameLength))
            {
                fault = new RecordJsonFault(RecordJsonFaultCode.InvalidName, field.NameStart, "A field's name has 1 to 255 bytes.");
                return false;
            }

            ReadOnlySpan<byte> name = nameRoom[..nameLength];
            int slot = kind.FindSlot(name);
            if (slot == 0 || name.SequenceEqual(kind.IdFieldUtf8.Span))
            {
                continue;
            }

            if (slot > 0)
            {
                int length = FieldCoding.Encode(kind.FieldAt(slot).Type, Raw(field), _room, out FieldTag tag);
                if (length > FormatLimits.MaxRecordBodyLengthBytes)
                {
                    fault = RecordJsonFault.BodyTooLarge(field.ValueStart);
                    return false;
                }

                builder.SetEncoded(slot, tag, _room, length);
                continue;
            }

            if (++extensions > RecordBodyView.MaxExtensions)
            {
                fault = new RecordJsonFault(RecordJsonFaultCode.TooManyFields, field.NameStart, $"A record has at most {RecordBodyView.MaxExtensions} fields that its kind does not know.");
                return false;
            }

            int written = JsonMinifier.Minify(Raw(field), _room);
            builder.AddExtension(kind.SchemaUtf8.Span, name, _room.AsSpan(0, written));
        }

        fault = default;
        return true;
    }

    private readonly bool TryReadName(Field field, Span<byte> room, out int length)
    {
        ReadOnlySpan<byte> content = _json[field.NameStart..field.NameEnd];
        length = field.IsNameEscaped ? JsonEscapes.Unescape(content, _room) : content.Length;
        if (length == 0 || length > room.Length)
        {
            return false;
        }

        (field.IsNameEscaped ? _room.AsSpan(0, length) : content).CopyTo(room);
        return true;
    }

    private readonly int Find(ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < _fields.Count; i++)
        {
            Field field = _fields[i];
            ReadOnlySpan<byte> content = _json[field.NameStart..field.NameEnd];
            if (field.IsNameEscaped)
            {
                content = _room.AsSpan(0, JsonEscapes.Unescape(content, _room));
            }

            if (content.SequenceEqual(name))
            {
                return i;
            }
        }

        return -1;
    }

    private readonly ReadOnlySpan<byte> Raw(Field field) => _json[field.ValueStart..field.ValueEnd];

    private readonly ReadOnlySpan<byte> TextOf(Field field) =>
        _room.AsSpan(0, JsonEscapes.Unescape(_json[(field.ValueStart + 1)..(field.ValueEnd - 1)], _room));

    private readonly UInt128 HashName(ReadOnlySpan<byte> content, bool isEscaped) =>
        Checksum.Xxh128(0, isEscaped ? _room.AsSpan(0, JsonEscapes.Unescape(content, _room)) : content);

    private static RecordJsonFault Translate(FormatFault fault) => fault.Code switch
    {
        FaultCode.None => default,
        FaultCode.OutOfRange => new RecordJsonFault(RecordJsonFaultCode.TooDeep, fault.OffsetBytes, $"Objects and arrays are nested deeper than {FormatLimits.MaxJsonDepth}."),
        FaultCode.InvalidUtf8 => new RecordJsonFault(RecordJsonFaultCode.InvalidUtf8, fault.OffsetBytes, "The text is not well-formed UTF-8."),
        FaultCode.Truncated => new RecordJsonFault(RecordJsonFaultCode.InvalidJson, fault.OffsetBytes, "The document ends too early."),
        FaultCode.TrailingBytes => new RecordJsonFault(RecordJsonFaultCode.InvalidJson, fault.OffsetBytes, "Something follows the document's end."),
        _ => new RecordJsonFault(RecordJsonFaultCode.InvalidJson, fault.OffsetBytes, "The text is not JSON here."),
    };

    private static string Show(ReadOnlySpan<byte> raw)
    {
        const int Longest = 80;
        return raw.Length <= Longest ? Encoding.UTF8.GetString(raw) : Encoding.UTF8.GetString(raw[..Longest]) + "...";
    }
}
