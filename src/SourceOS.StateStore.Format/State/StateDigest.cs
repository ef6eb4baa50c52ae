// Why this file exists: what proves that the state holds exactly the entries it should: per table a count and 256 sums
// (format-spec/state.md). Invariants: adding and removing are exact inverses; order does not matter; one thread at a time.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Format;

/// <summary>Counts and bucket sums of the digested tables. Mutable, not thread-safe.</summary>
public sealed class StateDigest
{
    private const int Buckets = 256;
    private const int TableLengthBytes = 8 + (Buckets * 16);
    private const int TablesAt = 8;
    private const int HashAt = TablesAt + (Tables.DigestedCount * TableLengthBytes);

    /// <summary>Length of the encoded digest in bytes.</summary>
    public const int EncodedLengthBytes = HashAt + 16;

    private const byte EncodingEndsWhereTheSpecificationSays = EncodedLengthBytes == 16440 ? 0 : -1;

    private readonly ulong[] _counts = new ulong[Tables.DigestedCount + 1];
    private readonly UInt128[] _sums = new UInt128[(Tables.DigestedCount + 1) * Buckets];

    /// <summary>Entries of a table.</summary>
    /// <param name="table">A digested table.</param>
    /// <returns>How many it has.</returns>
    public ulong Count(StateTable table) => _counts[Slot(table)];

    /// <summary>The sum of one bucket.</summary>
    /// <param name="table">A digested table.</param>
    /// <param name="bucket">0 to 255.</param>
    /// <returns>The sum modulo 2^128.</returns>
    public UInt128 Sum(StateTable table, int bucket) => _sums[(Slot(table) * Buckets) + bucket];

    /// <summary>What an entry adds to a sum.</summary>
    /// <param name="table">Its table.</param>
    /// <param name="key">Its key.</param>
    /// <param name="value">Its whole value.</param>
    /// <returns>The summand.</returns>
    public static UInt128 EntrySum(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => Checksum.Xxh128(Tables.Identity(table, key), value);

    /// <summary>Adds an entry.</summary>
    /// <param name="table">A digested table.</param>
    /// <param name="key">Its key.</param>
    /// <param name="value">Its whole value.</param>
    public void Add(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        int slot = Slot(table);
        ulong identity = Tables.Identity(table, key);
        _sums[(slot * Buckets) + (int)(identity & 0xFF)] += Checksum.Xxh128(identity, value);
        _counts[slot]++;
    }

    /// <summary>Takes an entry out that was added before.</summary>
    /// <param name="table">A digested table.</param>
    /// <param name="key">Its key.</param>
    /// <param name="value">Its whole value.</param>
    public void Remove(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        int slot = Slot(table);
        ulong identity = Tables.Identity(table, key);
        _sums[(slot * Buckets) + (int)(identity & 0xFF)] -= Checksum.Xxh128(identity, value);
        _counts[slot]--;
    }

    /// <summary>Adds everything another digest holds: digests of disjoint parts sum to the digest of the whole.</summary>
    /// <param name="other">The other digest.</param>
    public void AddAll(StateDigest other)
    {
        ArgumentNullException.ThrowIfNull(other);
        for (int i = 0; i < _sums.Length; i++)
        {
            _sums[i] += other._sums[i];
        }

        for (int i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }
    }

    /// <summary>Becomes a copy of another digest.</summary>
    /// <param name="other">The other digest.</param>
    public void CopyFrom(StateDigest other)
    {
        ArgumentNullException.ThrowIfNull(other);
        other._sums.CopyTo(_sums, 0);
        other._counts.CopyTo(_counts, 0);
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        Array.Clear(_sums);
        Array.Clear(_counts);
    }

    /// <summary>Whether a table's count and sums equal another digest's.</summary>
    /// <param name="other">The other digest.</param>
    /// <param name="table">A digested table.</param>
    /// <returns>True when they are equal.</returns>
    public bool TableEquals(StateDigest other, StateTable table)
    {
        ArgumentNullException.ThrowIfNull(other);
        int slot = Slot(table);
        return _counts[slot] == other._counts[slot]
            && _sums.AsSpan(slot * Buckets, Buckets).SequenceEqual(other._sums.AsSpan(slot * Buckets, Buckets));
    }

    /// <summary>Whether all tables equal another digest's.</summary>
    /// <param name="other">The other digest.</param>
    /// <returns>True when they are equal.</returns>
    public bool ContentEquals(StateDigest? other) =>
        other is not null && _counts.AsSpan().SequenceEqual(other._counts) && _sums.AsSpan().SequenceEqual(other._sums);

    /// <summary>Writes the digest as the `digest` value.</summary>
    /// <param name="destination">Exactly <see cref="EncodedLengthBytes"/> bytes.</param>
    public void Encode(Span<byte> destination)
    {
        ThrowHelper.ThrowIfNotLength(destination, EncodedLengthBytes, nameof(destination));
        _ = EncodingEndsWhereTheSpecificationSays;
        destination[..TablesAt].Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(destination, FormatLimits.FormatVersion);
        int at = TablesAt;
        for (int table = 1; table <= Tables.DigestedCount; table++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(destination[at..], _counts[table]);
            at += 8;
            for (int bucket = 0; bucket < Buckets; bucket++, at += 16)
            {
                BinaryPrimitives.WriteUInt128LittleEndian(destination[at..], _sums[(table * Buckets) + bucket]);
            }
        }

        ulong identity = Tables.Identity(StateTable.Meta, Tables.DigestKey);
        Checksum.Write128(destination[HashAt..], Checksum.Xxh128(identity, destination[..HashAt]));
    }

    /// <summary>Becomes the digest that a stored value describes; stays as it is when that does not hold.</summary>
    /// <param name="value">The stored value.</param>
    /// <param name="fault">What is wrong, when the result is false.</param>
    /// <returns>Whether the value holds.</returns>
    public bool TryDecode(ReadOnlySpan<byte> value, out FormatFault fault)
    {
        fault = Check(value);
        if (fault.IsFault)
        {
            return false;
        }

        int at = TablesAt;
        for (int table = 1; table <= Tables.DigestedCount; table++)
        {
            _counts[table] = BinaryPrimitives.ReadUInt64LittleEndian(value[at..]);
            at += 8;
            for (int bucket = 0; bucket < Buckets; bucket++, at += 16)
            {
                _sums[(table * Buckets) + bucket] = BinaryPrimitives.ReadUInt128LittleEndian(value[at..]);
            }
        }

        return true;
    }

    private static FormatFault Check(ReadOnlySpan<byte> value)
    {
        if (value.Length != EncodedLengthBytes)
        {
            return new FormatFault(FaultCode.LengthMismatch, 0);
        }

        ulong identity = Tables.Identity(StateTable.Meta, Tables.DigestKey);
        if (Checksum.Read128(value[HashAt..]) != Checksum.Xxh128(identity, value[..HashAt]))
        {
            return new FormatFault(FaultCode.ChecksumMismatch, HashAt);
        }

        if (BinaryPrimitives.ReadUInt16LittleEndian(value) != FormatLimits.FormatVersion)
        {
            return new FormatFault(FaultCode.UnsupportedVersion, 0);
        }

        return value[2..TablesAt].ContainsAnyExcept((byte)0) ? new FormatFault(FaultCode.ReservedNotZero, 2) : FormatFault.None;
    }

    private static int Slot(StateTable table)
    {
        ThrowHelper.ThrowIfArgument(table is < StateTable.Records or > StateTable.Frames, "Not a digested table.", nameof(table));
        return (int)table;
    }
}
