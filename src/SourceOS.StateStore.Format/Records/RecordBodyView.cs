// Why this file exists: a record's fields read in place (format-spec/records.md). Invariants: TryRead validates everything once, so the
// accessors cannot fail; a body has exactly one encoding and any other is refused; nothing is copied or allocated.

using System.Buffers.Binary;
using System.Text.Unicode;

namespace SourceOS.StateStore.Format;

/// <summary>A record body. Valid while the bytes under it are.</summary>
public readonly ref struct RecordBodyView
{
    internal const int HeaderLengthBytes = 8;
    internal const int SlotLengthBytes = 8;
    internal const int MaxSlots = 64;
    internal const int MaxExtensions = 4096;
    private readonly ReadOnlySpan<byte> _body;

    private RecordBodyView(ReadOnlySpan<byte> body, int slotCount, int extensionAt)
    {
        _body = body;
        SlotCount = slotCount;
        ExtensionAt = extensionAt;
    }

    /// <summary>Slots stored; higher ones are absent.</summary>
    public int SlotCount { get; }

    /// <summary>The encoded body.</summary>
    public ReadOnlySpan<byte> Bytes => _body;

    internal int ExtensionAt { get; }

    /// <summary>Fields that are not known to the kind.</summary>
    public RecordExtensions Extensions => new(ExtensionAt == 0 ? default : _body[ExtensionAt..]);

    /// <summary>Validates a body completely.</summary>
    /// <param name="body">The bytes.</param>
    /// <param name="view">The view when they are a body.</param>
    /// <param name="fault">What is wrong, when the result is false.</param>
    /// <returns>Whether they are a body.</returns>
    public static bool TryRead(ReadOnlySpan<byte> body, out RecordBodyView view, out FormatFault fault) => TryRead(body, isKnown: false, out view, out fault);

    /// <summary>
    /// Reads a body whose bytes are known to be those of one that <see cref="TryRead(ReadOnlySpan{byte}, out RecordBodyView, out FormatFault)"/> accepted: they have not changed since, or a verified hash says so. Places and
    /// lengths are checked all the same, so that the accessors of slots stay inside the body; texts, lists, JSON text and unknown fields are taken as they are.
    /// </summary>
    /// <param name="body">The bytes.</param>
    /// <param name="view">The view when they are a body.</param>
    /// <param name="fault">What is wrong, when the result is false.</param>
    /// <returns>Whether they are a body.</returns>
    public static bool TryReadKnown(ReadOnlySpan<byte> body, out RecordBodyView view, out FormatFault fault) => TryRead(body, isKnown: true, out view, out fault);

    private static bool TryRead(ReadOnlySpan<byte> body, bool isKnown, out RecordBodyView view, out FormatFault fault)
    {
        view = default;
        if (body.Length < HeaderLengthBytes)
        {
            fault = new FormatFault(FaultCode.Truncated, body.Length);
            return false;
        }

        int slotCount = BinaryPrimitives.ReadUInt16LittleEndian(body);
        uint extensionAt = BinaryPrimitives.ReadUInt32LittleEndian(body[4..]);
        fault = CheckHeader(body, slotCount);
        if (fault.IsFault)
        {
            return false;
        }

        int at = HeaderLengthBytes + (slotCount * SlotLengthBytes);
        for (int slot = 0; slot < slotCount; slot++)
        {
            fault = CheckSlot(body, slot, isLast: slot == slotCount - 1, isKnown, ref at);
            if (fault.IsFault)
            {
                return false;
            }
        }

        fault = extensionAt == 0
            ? at == body.Length ? FormatFault.None : new FormatFault(FaultCode.TrailingBytes, at)
            : extensionAt == (uint)at ? (isKnown ? FormatFault.None : RecordExtensions.Check(body[at..]).At(at)) : new FormatFault(FaultCode.NotCanonical, 4);
        if (fault.IsFault)
        {
            return false;
        }

        view = new RecordBodyView(body, slotCount, (int)extensionAt);
        return true;
    }

    /// <summary>How a slot is stored.</summary>
    /// <param name="slot">Any slot; one beyond <see cref="SlotCount"/> is absent.</param>
    /// <returns>Its tag.</returns>
    public FieldTag TagOf(int slot) => (uint)slot < (uint)SlotCount ? (FieldTag)_body[SlotAt(slot) + 7] : FieldTag.Absent;

    /// <summary>The stored bytes of a slot's value.</summary>
    /// <param name="slot">Any slot.</param>
    /// <returns>The bytes; empty when the tag has none.</returns>
    public ReadOnlySpan<byte> RawValue(int slot)
    {
        if ((uint)slot >= (uint)SlotCount)
        {
            return default;
        }

        int length = (int)(BinaryPrimitives.ReadUInt32LittleEndian(_body[(SlotAt(slot) + 4)..]) & 0xFF_FFFF);
        return length == 0 ? default : _body.Slice((int)BinaryPrimitives.ReadUInt32LittleEndian(_body[SlotAt(slot)..]), length);
    }

    /// <summary>Reads text.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="text">The text as UTF-8.</param>
    /// <returns>Whether the slot holds text.</returns>
    public bool TryGetText(int slot, out ReadOnlySpan<byte> text)
    {
        bool isText = TagOf(slot) == FieldTag.Text;
        text = isText ? RawValue(slot) : default;
        return isText;
    }

    /// <summary>Reads JSON text.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="json">The JSON text as UTF-8.</param>
    /// <returns>Whether the slot holds JSON text.</returns>
    public bool TryGetJson(int slot, out ReadOnlySpan<byte> json)
    {
        bool isJson = TagOf(slot) == FieldTag.Json;
        json = isJson ? RawValue(slot) : default;
        return isJson;
    }

    /// <summary>Reads an integer.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="value">The integer.</param>
    /// <returns>Whether the slot holds an integer.</returns>
    public bool TryGetInteger(int slot, out long value) => TryGetNumber(slot, FieldTag.Integer, out value);

    /// <summary>Reads a time.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="micros">Microseconds since 1970.</param>
    /// <returns>Whether the slot holds a time.</returns>
    public bool TryGetTime(int slot, out long micros) => TryGetNumber(slot, FieldTag.Time, out micros);

    /// <summary>Reads a boolean.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="value">The boolean.</param>
    /// <returns>Whether the slot holds a boolean.</returns>
    public bool TryGetBoolean(int slot, out bool value)
    {
        bool isBoolean = TagOf(slot) == FieldTag.Boolean;
        value = isBoolean && _body[SlotAt(slot)] == 1;
        return isBoolean;
    }

    /// <summary>Reads a hash.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="hash">The hash.</param>
    /// <returns>Whether the slot holds a hash.</returns>
    public bool TryGetSha256(int slot, out Hash256 hash)
    {
        bool isHash = TagOf(slot) == FieldTag.Sha256;
        hash = isHash ? new Hash256(RawValue(slot)) : default;
        return isHash;
    }

    /// <summary>Reads a list of text.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="list">The list.</param>
    /// <returns>Whether the slot holds one.</returns>
    public bool TryGetList(int slot, out TextList list)
    {
        bool isList = TagOf(slot) == FieldTag.TextList;
        list = isList ? new TextList(RawValue(slot)) : default;
        return isList;
    }

    private static int SlotAt(int slot) => HeaderLengthBytes + (slot * SlotLengthBytes);

    private static FormatFault CheckHeader(ReadOnlySpan<byte> body, int slotCount)
    {
        if (body.Length > FormatLimits.MaxRecordBodyLengthBytes)
        {
            return new FormatFault(FaultCode.OutOfRange, 0);
        }

        if (BinaryPrimitives.ReadUInt16LittleEndian(body[2..]) != FormatLimits.FormatVersion)
        {
            return new FormatFault(FaultCode.UnsupportedVersion, 2);
        }

        if (slotCount > MaxSlots)
        {
            return new FormatFault(FaultCode.OutOfRange, 0);
        }

        return body.Length < HeaderLengthBytes + (slotCount * SlotLengthBytes) ? new FormatFault(FaultCode.Truncated, body.Length) : FormatFault.None;
    }

    private static FormatFault CheckSlot(ReadOnlySpan<byte> body, int slot, bool isLast, bool isKnown, ref int at)
    {
        int slotAt = SlotAt(slot);
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(body[slotAt..]);
        uint word = BinaryPrimitives.ReadUInt32LittleEndian(body[(slotAt + 4)..]);
        int length = (int)(word & 0xFF_FFFF);
        FieldTag tag = (FieldTag)(word >> 24);
        switch (tag)
        {
            case FieldTag.Absent:
                return isLast ? new FormatFault(FaultCode.NotCanonical, 0) : offset == 0 && length == 0 ? FormatFault.None : new FormatFault(FaultCode.NotCanonical, slotAt);
            case FieldTag.Null:
                return offset == 0 && length == 0 ? FormatFault.None : new FormatFault(FaultCode.NotCanonical, slotAt);
            case FieldTag.Boolean:
                return offset <= 1 && length == 0 ? FormatFault.None : new FormatFault(FaultCode.NotCanonical, slotAt);
            default:
                break;
        }

        // An empty text has no bytes, but its place in the order is still the one it would have.
        if (offset != (uint)at)
        {
            return new FormatFault(FaultCode.NotCanonical, slotAt);
        }

        if (length > body.Length - at)
        {
            return new FormatFault(FaultCode.Truncated, slotAt);
        }

        FormatFault fault = isKnown && tag is (FieldTag.Text or FieldTag.Json or FieldTag.TextList) ? FormatFault.None : CheckValue(tag, body.Slice(at, length)).At(at);
        at += length;
        return fault;
    }

    private static FormatFault CheckValue(FieldTag tag, ReadOnlySpan<byte> value) => tag switch
    {
        FieldTag.Text => Utf8.IsValid(value) ? FormatFault.None : new FormatFault(FaultCode.InvalidUtf8, 0),
        FieldTag.Json => JsonText.Check(value),
        FieldTag.Integer => value.Length == 8 ? FormatFault.None : new FormatFault(FaultCode.LengthMismatch, 0),
        FieldTag.Time => value.Length == 8 && TimeText.IsInRange(BinaryPrimitives.ReadInt64LittleEndian(value)) ? FormatFault.None : new FormatFault(FaultCode.OutOfRange, 0),
        FieldTag.TextList => TextList.Check(value),
        FieldTag.Sha256 => value.Length == Hash256.LengthBytes ? FormatFault.None : new FormatFault(FaultCode.LengthMismatch, 0),
        _ => new FormatFault(FaultCode.UnknownCode, 0),
    };

    private bool TryGetNumber(int slot, FieldTag tag, out long value)
    {
        bool matches = TagOf(slot) == tag;
        value = matches ? BinaryPrimitives.ReadInt64LittleEndian(RawValue(slot)) : 0;
        return matches;
    }
}
