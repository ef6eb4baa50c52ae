// Why this file exists: an erasure asks of every event of the log whether its subject was purged, and when; asking must not allocate. Invariants: a subject is its kind byte and
// the bytes of its id; the sequence kept is that of its last purge.

using System.Diagnostics.CodeAnalysis;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Erasure;

/// <summary>Subjects and the sequence of their purge. Not thread-safe.</summary>
internal sealed class SubjectSet
{
    private const int MaxKeyBytes = FormatLimits.MaxIdentifierLengthBytes + 1;
    private readonly Dictionary<byte[], ulong> _purged;
    private readonly Dictionary<byte[], ulong>.AlternateLookup<ReadOnlySpan<byte>> _lookup;

    internal SubjectSet()
    {
        _purged = new Dictionary<byte[], ulong>(KeyComparer.Instance);
        _lookup = _purged.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    internal int Count => _purged.Count;

    internal void Add(RecordKind kind, string id, ulong sequence) => Add(kind, Encoding.UTF8.GetBytes(id), sequence);

    internal void Add(RecordKind kind, ReadOnlySpan<byte> id, ulong sequence)
    {
        Span<byte> key = stackalloc byte[MaxKeyBytes];
        _lookup[Key(kind, id, key)] = sequence;
    }

    /// <summary>Whether a subject was purged after a sequence.</summary>
    internal bool IsPurgedAfter(RecordKind kind, ReadOnlySpan<byte> id, ulong sequence)
    {
        Span<byte> key = stackalloc byte[MaxKeyBytes];
        return _lookup.TryGetValue(Key(kind, id, key), out ulong purged) && purged > sequence;
    }

    private static ReadOnlySpan<byte> Key(RecordKind kind, ReadOnlySpan<byte> id, Span<byte> key)
    {
        key[0] = (byte)kind;
        id.CopyTo(key[1..]);
        return key[..(id.Length + 1)];
    }

    private sealed class KeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        internal static readonly KeyComparer Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode([DisallowNull] byte[] obj) => GetHashCode(obj.AsSpan());

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            HashCode code = default;
            code.AddBytes(alternate);
            return code.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
