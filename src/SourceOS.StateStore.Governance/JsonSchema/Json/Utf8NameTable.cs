// Why this file exists: finds what a schema says about a member name with one hash and one comparison, from the name's raw bytes.
// Invariants: immutable after construction; slots are numbered in the order of the names given; names are distinct.

using System.Numerics;
using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A frozen map from UTF-8 names to slots.</summary>
internal sealed class Utf8NameTable
{
    private readonly byte[][] _names;
    private readonly ulong[] _hashes;
    private readonly int[] _buckets;
    private readonly int _mask;

    public Utf8NameTable(IReadOnlyList<string> names)
    {
        _names = new byte[names.Count][];
        _hashes = new ulong[names.Count];
        _buckets = new int[BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, names.Count * 2))];
        _mask = _buckets.Length - 1;
        for (int slot = 0; slot < names.Count; slot++)
        {
            _names[slot] = Encoding.UTF8.GetBytes(names[slot]);
            _hashes[slot] = JsonHash.Bytes(_names[slot]);
            int place = (int)_hashes[slot] & _mask;
            while (_buckets[place] != 0)
            {
                place = (place + 1) & _mask;
            }

            _buckets[place] = slot + 1;
        }
    }

    /// <summary>Number of names.</summary>
    public int Count => _names.Length;

    /// <summary>The slot of a decoded name; -1 when it is not in the table.</summary>
    public int Find(ReadOnlySpan<byte> name)
    {
        ulong hash = JsonHash.Bytes(name);
        int place = (int)hash & _mask;
        while (true)
        {
            int slot = _buckets[place] - 1;
            if (slot < 0)
            {
                return -1;
            }

            if (_hashes[slot] == hash && name.SequenceEqual(_names[slot]))
            {
                return slot;
            }

            place = (place + 1) & _mask;
        }
    }

    /// <summary>The name at a slot, for messages.</summary>
    public string NameAt(int slot) => Encoding.UTF8.GetString(_names[slot]);
}
