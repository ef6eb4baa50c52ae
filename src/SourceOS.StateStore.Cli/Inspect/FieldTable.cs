// Why this file exists: a structure of the format as rows of offset, length, name and type, so that bytes can be shown field by field, also when they are wrong.
// Invariants: a table is the ruler of its page in format-spec; reading a field never looks outside the bytes given; what a value means is
// shown beside the bytes, never instead of them.

using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Cli.Inspect;

/// <summary>How a field's bytes are shown.</summary>
internal enum FieldKind
{
    /// <summary>An unsigned integer of 1, 2, 4 or 8 bytes, little-endian.</summary>
    Unsigned = 1,

    /// <summary>A signed 64-bit integer.</summary>
    Signed = 2,

    /// <summary>Microseconds since 1970.</summary>
    Time = 3,

    /// <summary>Bytes as hexadecimal digits.</summary>
    Hex = 4,

    /// <summary>Text, zero padded.</summary>
    Text = 5,

    /// <summary>Bytes that must be zero.</summary>
    Zero = 6,
}

/// <summary>One row of a ruler.</summary>
/// <param name="Offset">From the structure's start.</param>
/// <param name="Length">In bytes.</param>
/// <param name="Name">Its name on the page.</param>
/// <param name="Kind">How it is shown.</param>
internal readonly record struct FieldRow(int Offset, int Length, string Name, FieldKind Kind);

/// <summary>A field as it was read.</summary>
/// <param name="Offset">From the start of the file, entry or value that is inspected.</param>
/// <param name="Length">In bytes.</param>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value as text.</param>
internal sealed record InspectedField(long Offset, int Length, string Name, string Value);

/// <summary>A structure as it was read.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Offset">Where it starts.</param>
/// <param name="Verdict">`valid`, or what is wrong.</param>
/// <param name="Fields">Its fields in order.</param>
internal sealed record InspectedPart(string Name, long Offset, string Verdict, IReadOnlyList<InspectedField> Fields);

/// <summary>Reads fields by their rows.</summary>
internal static class FieldTable
{
    private const int HexBytesShown = 32;

    /// <summary>Reads all fields of a structure that lie inside the bytes.</summary>
    /// <param name="rows">The ruler.</param>
    /// <param name="bytes">The structure's bytes.</param>
    /// <param name="offset">Where the structure starts.</param>
    public static List<InspectedField> Read(IEnumerable<FieldRow> rows, ReadOnlySpan<byte> bytes, long offset)
    {
        List<InspectedField> fields = [];
        foreach (FieldRow row in rows)
        {
            if (row.Offset + row.Length <= bytes.Length)
            {
                fields.Add(new InspectedField(offset + row.Offset, row.Length, row.Name, Value(bytes.Slice(row.Offset, row.Length), row.Kind)));
            }
        }

        return fields;
    }

    /// <summary>A field's value as text.</summary>
    public static string Value(ReadOnlySpan<byte> bytes, FieldKind kind) => kind switch
    {
        FieldKind.Unsigned => Unsigned(bytes).ToString(CultureInfo.InvariantCulture),
        FieldKind.Signed => BinaryPrimitives.ReadInt64LittleEndian(bytes).ToString(CultureInfo.InvariantCulture),
        FieldKind.Time => Time(BinaryPrimitives.ReadInt64LittleEndian(bytes)),
        FieldKind.Text => Encoding.UTF8.GetString(bytes.TrimEnd((byte)0)),
        FieldKind.Zero => bytes.ContainsAnyExcept((byte)0) ? $"not zero: {Hex(bytes)}" : "zero",
        _ => Hex(bytes),
    };

    /// <summary>Bytes as digits, cut when there are many.</summary>
    public static string Hex(ReadOnlySpan<byte> bytes) =>
        bytes.Length <= HexBytesShown ? Convert.ToHexStringLower(bytes) : $"{Convert.ToHexStringLower(bytes[..HexBytesShown])}... ({bytes.Length} bytes)";

    private static ulong Unsigned(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        1 => bytes[0],
        2 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        4 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
    };

    private static string Time(long micros)
    {
        Span<byte> text = stackalloc byte[Format.TimeText.MaxLengthBytes];
        return Format.TimeText.IsInRange(micros)
            ? $"{micros.ToString(CultureInfo.InvariantCulture)} ({Encoding.UTF8.GetString(text[..Format.TimeText.Write(micros, text)])})"
            : $"{micros.ToString(CultureInfo.InvariantCulture)} (outside the years 1 to 9999)";
    }
}
