// Why this file exists: everything a group of commits changes in the state, kept in memory until the whole group is known, then
// applied to LMDB in key order. Invariants: one entry per (table, key), the last change wins; keys and values live in one arena
// that is reused from group to group, so a steady writer allocates nothing; used by the writer thread only.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Fold;

/// <summary>A reusable overlay of pending changes over the committed state.</summary>
internal sealed class MutationSet
{
    private struct Entry
    {
        public int KeyOffset;
        public int KeyLength;
        public int ValueOffset;
        public int ValueLength;
        public int Next;
        public ulong Hash;
        public byte Table;
        public bool IsDelete;
    }

    private byte[] _arena = new byte[64 << 10];
    private Entry[] _entries = new Entry[256];
    private int[] _buckets = new int[512];
    private int[] _order = [];
    private int _used;
    private int _arenaUsed;

    internal int Count => _used;

    internal int ArenaBytes => _arenaUsed;

    internal void Clear()
    {
        if (_used > 0)
        {
            Array.Clear(_buckets);
        }

        _used = 0;
        _arenaUsed = 0;
    }

    /// <summary>Looks a key up. Found with an empty value means: pending delete.</summary>
    internal bool TryGet(byte table, scoped ReadOnlySpan<byte> key, out bool isDelete, out ReadOnlySpan<byte> value)
    {
        int index = Find(table, key, Checksum.Xxh64(table, key));
        if (index < 0)
        {
            isDelete = false;
            value = default;
            return false;
        }

        ref Entry entry = ref _entries[index];
        isDelete = entry.IsDelete;
        value = _arena.AsSpan(entry.ValueOffset, entry.ValueLength);
        return true;
    }

    /// <summary>Records a put and returns the space for its value, to be filled before the next call.</summary>
    internal Span<byte> Put(byte table, scoped ReadOnlySpan<byte> key, int valueLength)
    {
        int valueOffset = Take(valueLength, key.Length);
        ref Entry entry = ref FindOrAdd(table, key);
        entry.ValueOffset = valueOffset;
        entry.ValueLength = valueLength;
        entry.IsDelete = false;
        return _arena.AsSpan(valueOffset, valueLength);
    }

    internal void Delete(byte table, ReadOnlySpan<byte> key)
    {
        Take(0, key.Length);
        ref Entry entry = ref FindOrAdd(table, key);
        entry.ValueOffset = 0;
        entry.ValueLength = 0;
        entry.IsDelete = true;
    }

    /// <summary>Sorts the entries by table and key; index them with <see cref="GetSorted"/> from 0 to <see cref="Count"/> - 1.</summary>
    internal void Sort()
    {
        if (_order.Length < _used)
        {
            _order = new int[_entries.Length];
        }

        for (int i = 0; i < _used; i++)
        {
            _order[i] = i;
        }

        _order.AsSpan(0, _used).Sort(new KeyOrder(this));
    }

    internal void GetSorted(int position, out byte table, out ReadOnlySpan<byte> key, out bool isDelete, out ReadOnlySpan<byte> value)
    {
        ref Entry entry = ref _entries[_order[position]];
        table = entry.Table;
        key = _arena.AsSpan(entry.KeyOffset, entry.KeyLength);
        isDelete = entry.IsDelete;
        value = _arena.AsSpan(entry.ValueOffset, entry.ValueLength);
    }

    private int Find(byte table, scoped ReadOnlySpan<byte> key, ulong hash)
    {
        int index = _buckets[(int)(hash & (ulong)(_buckets.Length - 1))] - 1;
        while (index >= 0)
        {
            ref Entry entry = ref _entries[index];
            if (entry.Hash == hash && entry.Table == table && _arena.AsSpan(entry.KeyOffset, entry.KeyLength).SequenceEqual(key))
            {
                return index;
            }

            index = entry.Next;
        }

        return -1;
    }

    private ref Entry FindOrAdd(byte table, scoped ReadOnlySpan<byte> key)
    {
        ulong hash = Checksum.Xxh64(table, key);
        int index = Find(table, key, hash);
        if (index < 0)
        {
            index = Add(table, key, hash);
        }

        return ref _entries[index];
    }

    private int Add(byte table, scoped ReadOnlySpan<byte> key, ulong hash)
    {
        if (_used == _entries.Length)
        {
            Grow();
        }

        int keyOffset = _arenaUsed;
        key.CopyTo(_arena.AsSpan(keyOffset));
        _arenaUsed += key.Length;
        int index = _used++;
        ref int bucket = ref _buckets[(int)(hash & (ulong)(_buckets.Length - 1))];
        _entries[index] = new Entry { KeyOffset = keyOffset, KeyLength = key.Length, Table = table, Hash = hash, Next = bucket - 1 };
        bucket = index + 1;
        return index;
    }

    // Reserves room for a value and, behind it, for the key if it is new. Growing keeps the old array alive for spans into it, so a caller may pass a key that lies in the arena.
    private int Take(int valueLength, int keyLength)
    {
        int needed = checked(_arenaUsed + valueLength + keyLength);
        if (needed > _arena.Length)
        {
            byte[] larger = new byte[Math.Max(needed, checked(_arena.Length * 2))];
            _arena.AsSpan(0, _arenaUsed).CopyTo(larger);
            _arena = larger;
        }

        int offset = _arenaUsed;
        _arenaUsed += valueLength;
        return offset;
    }

    private void Grow()
    {
        Array.Resize(ref _entries, _entries.Length * 2);
        _buckets = new int[_entries.Length * 2];
        for (int i = 0; i < _used; i++)
        {
            ref int bucket = ref _buckets[(int)(_entries[i].Hash & (ulong)(_buckets.Length - 1))];
            _entries[i].Next = bucket - 1;
            bucket = i + 1;
        }
    }

    private readonly struct KeyOrder(MutationSet set) : IComparer<int>
    {
        public int Compare(int x, int y)
        {
            ref Entry left = ref set._entries[x];
            ref Entry right = ref set._entries[y];
            if (left.Table != right.Table)
            {
                return left.Table - right.Table;
            }

            byte[] arena = set._arena;
            return arena.AsSpan(left.KeyOffset, left.KeyLength).SequenceCompareTo(arena.AsSpan(right.KeyOffset, right.KeyLength));
        }
    }
}
