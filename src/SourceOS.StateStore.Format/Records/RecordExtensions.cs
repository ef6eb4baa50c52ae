// Why this file exists: fields that no kind knows, kept as they came (format-spec/records.md, extension section). Invariants: checked
// completely before anything is handed out; order is kept.

using System.Buffers.Binary;
using System.Text.Unicode;

namespace SourceOS.StateStore.Format;

/// <summary>One unknown field.</summary>
public readonly ref struct RecordExtension
{
    internal RecordExtension(ReadOnlySpan<byte> extensionNamespace, ReadOnlySpan<byte> name, ReadOnlySpan<byte> json)
    {
        Namespace = extensionNamespace;
        Name = name;
        Json = json;
    }

    /// <summary>The `schema` text of the document that brought it.</summary>
    public ReadOnlySpan<byte> Namespace { get; }

    /// <summary>Its name.</summary>
    public ReadOnlySpan<byte> Name { get; }

    /// <summary>Its JSON text.</summary>
    public ReadOnlySpan<byte> Json { get; }
}

/// <summary>The unknown fields of a body, in the document's order.</summary>
public readonly ref struct RecordExtensions
{
    internal const int EntryHeaderLengthBytes = 8;
    private readonly ReadOnlySpan<byte> _section;

    internal RecordExtensions(ReadOnlySpan<byte> section) => _section = section;

    /// <summary>Number of unknown fields.</summary>
    public int Count => _section.Length < 4 ? 0 : (int)BinaryPrimitives.ReadUInt32LittleEndian(_section);

    /// <summary>Enumerates them.</summary>
    /// <returns>The enumerator.</returns>
    public Enumerator GetEnumerator() => new(_section, Count);

    internal static FormatFault Check(ReadOnlySpan<byte> section)
    {
        if (section.Length < 4)
        {
            return new FormatFault(FaultCode.Truncated, section.Length);
        }

        uint count = BinaryPrimitives.ReadUInt32LittleEndian(section);
        if (count is 0 or > RecordBodyView.MaxExtensions)
        {
            return new FormatFault(FaultCode.CountMismatch, 0);
        }

        int at = 4;
        for (uint i = 0; i < count; i++)
        {
            FormatFault fault = CheckEntry(section, ref at);
            if (fault.IsFault)
            {
                return fault;
            }
        }

        return at == section.Length ? FormatFault.None : new FormatFault(FaultCode.TrailingBytes, at);
    }

    private static FormatFault CheckEntry(ReadOnlySpan<byte> section, ref int at)
    {
        if (section.Length - at < EntryHeaderLengthBytes)
        {
            return new FormatFault(FaultCode.Truncated, at);
        }

        int namespaceLength = BinaryPrimitives.ReadUInt16LittleEndian(section[at..]);
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(section[(at + 2)..]);
        uint valueLength = BinaryPrimitives.ReadUInt32LittleEndian(section[(at + 4)..]);
        if (namespaceLength > FormatLimits.MaxIdentifierLengthBytes || nameLength is 0 or > FormatLimits.MaxIdentifierLengthBytes)
        {
            return new FormatFault(FaultCode.OutOfRange, at);
        }

        at += EntryHeaderLengthBytes;
        if (valueLength > (uint)section.Length || namespaceLength + nameLength + (int)valueLength > section.Length - at)
        {
            return new FormatFault(FaultCode.Truncated, at);
        }

        ReadOnlySpan<byte> texts = section.Slice(at, namespaceLength + nameLength);
        if (!Utf8.IsValid(texts[..namespaceLength]) || !Utf8.IsValid(texts[namespaceLength..]))
        {
            return new FormatFault(FaultCode.InvalidUtf8, at);
        }

        at += texts.Length;
        FormatFault fault = JsonText.Check(section.Slice(at, (int)valueLength)).At(at);
        at += (int)valueLength;
        return fault;
    }

    /// <summary>Walks the fields.</summary>
    public ref struct Enumerator
    {
        private readonly ReadOnlySpan<byte> _section;
        private int _left;
        private int _at;

        internal Enumerator(ReadOnlySpan<byte> section, int count)
        {
            _section = section;
            _left = count;
            _at = 4;
            Current = default;
        }

        /// <summary>The field.</summary>
        public RecordExtension Current { get; private set; }

        /// <summary>Goes on.</summary>
        /// <returns>False at the end.</returns>
        public bool MoveNext()
        {
            if (_left-- <= 0)
            {
                return false;
            }

            int namespaceLength = BinaryPrimitives.ReadUInt16LittleEndian(_section[_at..]);
            int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(_section[(_at + 2)..]);
            int valueLength = (int)BinaryPrimitives.ReadUInt32LittleEndian(_section[(_at + 4)..]);
            _at += EntryHeaderLengthBytes;
            Current = new RecordExtension(
                _section.Slice(_at, namespaceLength),
                _section.Slice(_at + namespaceLength, nameLength),
                _section.Slice(_at + namespaceLength + nameLength, valueLength));
            _at += namespaceLength + nameLength + valueLength;
            return true;
        }
    }
}
