// Why this file exists: the one way bodies are made, so that every body has its one encoding (format-spec/records.md). Invariants: what Build
// returns always passes RecordBodyView.TryRead; fields may be set in any order; reusable, not thread-safe.

using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace SourceOS.StateStore.Format;

/// <summary>Builds record bodies. Reusable; not thread-safe.</summary>
public sealed class RecordBodyBuilder
{
    private struct SlotValue
    {
        public FieldTag Tag;
        public int Offset;
        public int Length;
    }

    private readonly SlotValue[] _slots = new SlotValue[RecordBodyView.MaxSlots];
    private readonly ArrayBufferWriter<byte> _values = new(256);
    private readonly ArrayBufferWriter<byte> _extensions = new(64);
    private int _extensionCount;

    /// <summary>Forgets everything that was set.</summary>
    public void Clear()
    {
        Array.Clear(_slots);
        _values.ResetWrittenCount();
        _extensions.ResetWrittenCount();
        _extensionCount = 0;
    }

    /// <summary>Sets a slot to text.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <param name="utf8">Well-formed UTF-8.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetText(int slot, ReadOnlySpan<byte> utf8)
    {
        ThrowHelper.ThrowIfArgument(!System.Text.Unicode.Utf8.IsValid(utf8), "The text is not well-formed UTF-8.", nameof(utf8));
        return Set(slot, FieldTag.Text, utf8);
    }

    /// <summary>Sets a slot to text.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <param name="text">Text without lone surrogates.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetText(int slot, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Set(slot, FieldTag.Text, StrictUtf8.GetBytes(text));
    }

    /// <summary>Sets a slot to JSON text in stored form.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <param name="json">One JSON value without insignificant white space.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetJson(int slot, ReadOnlySpan<byte> json)
    {
        ThrowHelper.ThrowIfArgument(JsonText.Check(json).IsFault, "The value is not JSON text in stored form.", nameof(json));
        return Set(slot, FieldTag.Json, json);
    }

    /// <summary>Sets a slot to JSON null.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetNull(int slot) => Set(slot, FieldTag.Null, default);

    /// <summary>Sets a slot to an integer.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <param name="value">The integer.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetInteger(int slot, long value) => SetNumber(slot, FieldTag.Integer, value);

    /// <summary>Sets a slot to a time.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <param name="micros">Microseconds since 1970, within the years 1 to 9999.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetTime(int slot, long micros)
    {
        ThrowHelper.ThrowIfArgument(!TimeText.IsInRange(micros), "The time lies outside the years 1 to 9999.", nameof(micros));
        return SetNumber(slot, FieldTag.Time, micros);
    }

    /// <summary>Sets a slot to a time, cut to microseconds.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <param name="time">The time.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetTime(int slot, DateTimeOffset time) =>
        SetTime(slot, (time.UtcDateTime - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);

    /// <summary>Sets a slot to a boolean.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <param name="value">The boolean.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetBoolean(int slot, bool value)
    {
        Set(slot, FieldTag.Boolean, default);
        _slots[slot].Offset = value ? 1 : 0;
        return this;
    }

    /// <summary>Sets a slot to a hash.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <param name="hash">The hash.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetSha256(int slot, in Hash256 hash) => Set(slot, FieldTag.Sha256, hash.Bytes);

    /// <summary>Sets a slot to a list of text.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <param name="texts">Texts without lone surrogates.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder SetList(int slot, IReadOnlyList<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        byte[][] encoded = new byte[texts.Count][];
        int length = 4 + (4 * texts.Count);
        for (int i = 0; i < encoded.Length; i++)
        {
            encoded[i] = StrictUtf8.GetBytes(texts[i]);
            length += encoded[i].Length;
        }

        byte[] list = new byte[length];
        BinaryPrimitives.WriteUInt32LittleEndian(list, (uint)encoded.Length);
        int at = 4 + (4 * encoded.Length);
        for (int i = 0; i < encoded.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(list.AsSpan(4 + (4 * i)), (uint)encoded[i].Length);
            encoded[i].CopyTo(list, at);
            at += encoded[i].Length;
        }

        return Set(slot, FieldTag.TextList, list);
    }

    /// <summary>Makes a slot absent.</summary>
    /// <param name="slot">0 to 63.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder Remove(int slot)
    {
        _slots[CheckSlot(slot)] = default;
        return this;
    }

    /// <summary>Adds an unknown field. The caller keeps names unique.</summary>
    /// <param name="extensionNamespace">The `schema` text of the document that brings it, at most 255 bytes.</param>
    /// <param name="name">Its name, 1 to 255 bytes.</param>
    /// <param name="json">Its JSON text in stored form.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder AddExtension(ReadOnlySpan<byte> extensionNamespace, ReadOnlySpan<byte> name, ReadOnlySpan<byte> json)
    {
        bool isBad = extensionNamespace.Length > FormatLimits.MaxIdentifierLengthBytes
            || name.Length is 0 or > FormatLimits.MaxIdentifierLengthBytes
            || _extensionCount == RecordBodyView.MaxExtensions
            || !System.Text.Unicode.Utf8.IsValid(extensionNamespace)
            || !System.Text.Unicode.Utf8.IsValid(name)
            || JsonText.Check(json).IsFault;
        ThrowHelper.ThrowIfArgument(isBad, "The field breaks a bound of the extension section, or its value is not JSON text in stored form.", nameof(name));
        Span<byte> header = _extensions.GetSpan(RecordExtensions.EntryHeaderLengthBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(header, (ushort)extensionNamespace.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[2..], (ushort)name.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], (uint)json.Length);
        _extensions.Advance(RecordExtensions.EntryHeaderLengthBytes);
        _extensions.Write(extensionNamespace);
        _extensions.Write(name);
        _extensions.Write(json);
        _extensionCount++;
        return this;
    }

    /// <summary>Takes over every field of a body; fields set later win.</summary>
    /// <param name="body">The body.</param>
    /// <returns>The builder.</returns>
    public RecordBodyBuilder CopyFrom(RecordBodyView body)
    {
        for (int slot = 0; slot < body.SlotCount; slot++)
        {
            FieldTag tag = body.TagOf(slot);
            if (tag == FieldTag.Boolean && body.TryGetBoolean(slot, out bool value))
            {
                SetBoolean(slot, value);
            }
            else if (tag != FieldTag.Absent)
            {
                Set(slot, tag, body.RawValue(slot));
            }
        }

        foreach (RecordExtension extension in body.Extensions)
        {
            AddExtension(extension.Namespace, extension.Name, extension.Json);
        }

        return this;
    }

    /// <summary>Sets a slot to any JSON value, in the encoding that the field's type gives it.</summary>
    /// <param name="field">The field.</param>
    /// <param name="json">One JSON value; white space between its tokens goes, all else of it stays.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="ArgumentException">The bytes are not one JSON value, or it is nested too deep.</exception>
    public RecordBodyBuilder SetValue(KnownField field, ReadOnlySpan<byte> json)
    {
        ArgumentNullException.ThrowIfNull(field);
        ThrowHelper.ThrowIfArgument(JsonScanner.CheckValue(json, JsonText.MaxValueDepth).IsFault, "The value is not JSON text.", nameof(json));
        byte[] room = ArrayPool<byte>.Shared.Rent(FieldCoding.RoomFor(json.Length));
        try
        {
            int length = FieldCoding.Encode(field.Type, json, room, out FieldTag tag);
            SetEncoded(field.Slot, tag, room, length);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(room);
        }

        return this;
    }

    /// <summary>Encodes the body, unless it would be longer than the format allows.</summary>
    /// <param name="body">The body; at most 1,048,576 bytes.</param>
    /// <returns>False when it would be longer.</returns>
    public bool TryBuild([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out byte[]? body)
    {
        bool fits = Measure(out _, out _) <= FormatLimits.MaxRecordBodyLengthBytes;
        body = fits ? Build() : null;
        return fits;
    }

    /// <summary>Encodes the body.</summary>
    /// <returns>The body; at most 1,048,576 bytes.</returns>
    /// <exception cref="InvalidOperationException">The body would be larger.</exception>
    public byte[] Build()
    {
        long length = Measure(out int slotCount, out long extensionAt);
        ThrowHelper.ThrowIf(length > FormatLimits.MaxRecordBodyLengthBytes, "A record body has at most 1,048,576 bytes; keep content in files and its hash in the record.");
        byte[] body = new byte[length];
        Write(body, slotCount, _extensionCount == 0 ? 0 : (int)extensionAt);
        return body;
    }

    /// <summary>Sets a slot to what <see cref="FieldCoding"/> made.</summary>
    internal void SetEncoded(int slot, FieldTag tag, ReadOnlySpan<byte> encoded, int length)
    {
        if (tag == FieldTag.Boolean)
        {
            SetBoolean(slot, length == 1);
        }
        else
        {
            Set(slot, tag, encoded[..length]);
        }
    }

    private long Measure(out int slotCount, out long extensionAt)
    {
        slotCount = SlotCount();
        long length = RecordBodyView.HeaderLengthBytes + (slotCount * RecordBodyView.SlotLengthBytes);
        for (int slot = 0; slot < slotCount; slot++)
        {
            length += _slots[slot].Length;
        }

        extensionAt = length;
        return length + (_extensionCount == 0 ? 0 : 4 + _extensions.WrittenCount);
    }

    private static UTF8Encoding StrictUtf8 { get; } = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private void Write(Span<byte> body, int slotCount, int extensionAt)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)slotCount);
        BinaryPrimitives.WriteUInt16LittleEndian(body[2..], FormatLimits.FormatVersion);
        BinaryPrimitives.WriteUInt32LittleEndian(body[4..], (uint)extensionAt);
        int at = RecordBodyView.HeaderLengthBytes + (slotCount * RecordBodyView.SlotLengthBytes);
        ReadOnlySpan<byte> values = _values.WrittenSpan;
        for (int slot = 0; slot < slotCount; slot++)
        {
            ref SlotValue value = ref _slots[slot];
            Span<byte> place = body.Slice(RecordBodyView.HeaderLengthBytes + (slot * RecordBodyView.SlotLengthBytes), RecordBodyView.SlotLengthBytes);
            bool isInline = value.Tag is FieldTag.Absent or FieldTag.Null or FieldTag.Boolean;
            BinaryPrimitives.WriteUInt32LittleEndian(place, (uint)(isInline ? value.Offset : at));
            BinaryPrimitives.WriteUInt32LittleEndian(place[4..], (uint)value.Length | ((uint)value.Tag << 24));
            if (!isInline)
            {
                values.Slice(value.Offset, value.Length).CopyTo(body[at..]);
                at += value.Length;
            }
        }

        if (extensionAt != 0)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(body[extensionAt..], (uint)_extensionCount);
            _extensions.WrittenSpan.CopyTo(body[(extensionAt + 4)..]);
        }
    }

    private int SlotCount()
    {
        int count = _slots.Length;
        while (count > 0 && _slots[count - 1].Tag == FieldTag.Absent)
        {
            count--;
        }

        return count;
    }

    private RecordBodyBuilder SetNumber(int slot, FieldTag tag, long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return Set(slot, tag, bytes);
    }

    private RecordBodyBuilder Set(int slot, FieldTag tag, ReadOnlySpan<byte> value)
    {
        CheckSlot(slot);
        ThrowHelper.ThrowIfArgument(value.Length > FormatLimits.MaxRecordBodyLengthBytes, "The value is longer than a whole body may be.", nameof(value));
        bool isInline = tag is FieldTag.Null or FieldTag.Boolean;
        _slots[slot] = new SlotValue { Tag = tag, Offset = isInline ? 0 : _values.WrittenCount, Length = value.Length };
        _values.Write(value);
        return this;
    }

    private static int CheckSlot(int slot)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slot);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slot, RecordBodyView.MaxSlots);
        return slot;
    }
}
