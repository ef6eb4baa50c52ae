// Why this file exists: a list of text inside a body, read in place (format-spec/records.md, tag 6). Invariants: count and lengths are
// checked against the bytes before anything is handed out.

using System.Buffers.Binary;
using System.Text.Unicode;

namespace SourceOS.StateStore.Format;

/// <summary>A list of text. Enumerates without allocating.</summary>
public readonly ref struct TextList
{
    private readonly ReadOnlySpan<byte> _bytes;

    internal TextList(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary>Number of texts.</summary>
    public int Count => _bytes.Length < 4 ? 0 : (int)BinaryPrimitives.ReadUInt32LittleEndian(_bytes);

    /// <summary>Enumerates the texts as UTF-8.</summary>
    /// <returns>The enumerator.</returns>
    public Enumerator GetEnumerator() => new(_bytes, Count);

    /// <summary>Whether the list holds a text.</summary>
    /// <param name="text">The text as UTF-8.</param>
    /// <returns>True when it does.</returns>
    public bool Contains(ReadOnlySpan<byte> text)
    {
        foreach (ReadOnlySpan<byte> item in this)
        {
            if (item.SequenceEqual(text))
            {
                return true;
            }
        }

        return false;
    }

    internal static FormatFault Check(ReadOnlySpan<byte> value)
    {
        if (value.Length < 4)
        {
            return new FormatFault(FaultCode.Truncated, value.Length);
        }

        uint count = BinaryPrimitives.ReadUInt32LittleEndian(value);
        if (count > (uint)(value.Length - 4) / 4)
        {
            return new FormatFault(FaultCode.CountMismatch, 0);
        }

        int at = 4 + ((int)count * 4);
        for (int i = 0; i < (int)count; i++)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(value[(4 + (i * 4))..]);
            if (length > (uint)(value.Length - at))
            {
                return new FormatFault(FaultCode.Truncated, 4 + (i * 4));
            }

            if (!Utf8.IsValid(value.Slice(at, (int)length)))
            {
                return new FormatFault(FaultCode.InvalidUtf8, at);
            }

            at += (int)length;
        }

        return at == value.Length ? FormatFault.None : new FormatFault(FaultCode.TrailingBytes, at);
    }

    /// <summary>Walks the list.</summary>
    public ref struct Enumerator
    {
        private readonly ReadOnlySpan<byte> _bytes;
        private readonly int _count;
        private int _index;
        private int _at;

        internal Enumerator(ReadOnlySpan<byte> bytes, int count)
        {
            _bytes = bytes;
            _count = count;
            _index = -1;
            _at = 4 + (count * 4);
            Current = default;
        }

        /// <summary>The text.</summary>
        public ReadOnlySpan<byte> Current { get; private set; }

        /// <summary>Goes on.</summary>
        /// <returns>False at the end.</returns>
        public bool MoveNext()
        {
            if (++_index >= _count)
            {
                return false;
            }

            int length = (int)BinaryPrimitives.ReadUInt32LittleEndian(_bytes[(4 + (_index * 4))..]);
            Current = _bytes.Slice(_at, length);
            _at += length;
            return true;
        }
    }
}
