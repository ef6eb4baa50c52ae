// Why this file exists: the leaf data of the records tree: a record with all that gives it its meaning (format-spec/proofs.md). Invariants: two different records never have equal
// data; bytes of any kind give a leaf or false.

using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace SourceOS.StateStore.Format;

/// <summary>A record as a leaf of the records tree.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Id">Its identifier.</param>
/// <param name="Sequence">Sequence of the event that made its value.</param>
/// <param name="Surrogate">Sequence of the event that made the record.</param>
/// <param name="IsTombstone">Whether it was deleted.</param>
/// <param name="IsBootCritical">Whether the quick check at boot reads it.</param>
/// <param name="Body">Its body.</param>
public readonly record struct RecordLeaf(RecordKind Kind, string Id, ulong Sequence, ulong Surrogate, bool IsTombstone, bool IsBootCritical, ReadOnlyMemory<byte> Body)
{
    private const int IdAt = 3;
    private const int AfterIdBytes = 17;

    /// <summary>Writes leaf data.</summary>
    /// <param name="destination">Takes the data.</param>
    /// <param name="kind">The kind.</param>
    /// <param name="id">The identifier as UTF-8.</param>
    /// <param name="sequence">Sequence of the value.</param>
    /// <param name="surrogate">Sequence of the record.</param>
    /// <param name="flags">Bit 0 tombstone, bit 1 boot critical.</param>
    /// <param name="body">The body.</param>
    public static void Write(IBufferWriter<byte> destination, RecordKind kind, ReadOnlySpan<byte> id, ulong sequence, ulong surrogate, byte flags, ReadOnlySpan<byte> body)
    {
        ArgumentNullException.ThrowIfNull(destination);
        Span<byte> head = destination.GetSpan(IdAt + id.Length + AfterIdBytes);
        head[0] = (byte)kind;
        BinaryPrimitives.WriteUInt16LittleEndian(head[1..], (ushort)id.Length);
        id.CopyTo(head[IdAt..]);
        BinaryPrimitives.WriteUInt64LittleEndian(head[(IdAt + id.Length)..], sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(head[(IdAt + id.Length + 8)..], surrogate);
        head[IdAt + id.Length + 16] = flags;
        destination.Advance(IdAt + id.Length + AfterIdBytes);
        destination.Write(body);
    }

    /// <summary>Reads leaf data.</summary>
    /// <param name="data">The data.</param>
    /// <param name="leaf">The record when the data is one.</param>
    /// <returns>Whether it is.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> data, out RecordLeaf leaf)
    {
        leaf = default;
        if (data.Length < IdAt + AfterIdBytes || !RecordKinds.IsDefined((RecordKind)data[0]))
        {
            return false;
        }

        int idLength = BinaryPrimitives.ReadUInt16LittleEndian(data[1..]);
        if (idLength is 0 or > FormatLimits.MaxIdentifierLengthBytes || data.Length < IdAt + idLength + AfterIdBytes)
        {
            return false;
        }

        ReadOnlySpan<byte> rest = data[(IdAt + idLength)..];
        byte flags = rest[16];
        if (flags > 3 || !Identifier.IsValid(data.Slice(IdAt, idLength)) || !RecordBodyView.TryRead(rest[AfterIdBytes..], out _, out _))
        {
            return false;
        }

        leaf = new RecordLeaf(
            (RecordKind)data[0], Encoding.UTF8.GetString(data.Slice(IdAt, idLength)), BinaryPrimitives.ReadUInt64LittleEndian(rest), BinaryPrimitives.ReadUInt64LittleEndian(rest[8..]),
            (flags & 1) != 0, (flags & 2) != 0, rest[AfterIdBytes..].ToArray());
        return true;
    }
}
