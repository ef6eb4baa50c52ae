// Why this file exists: judging, encoding and folding one commit each ask whether the same new record is there, and confirming that it is not costs more than the rest of the question. Invariants: it remembers only keys that were confirmed
// absent in the one snapshot it belongs to; it spares the confirmation and never the search; one thread.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.State;

/// <summary>Keys that a snapshot was confirmed not to hold.</summary>
internal sealed class AbsenceMemory
{
    private const int MaxKeys = 1 << 16;

    // 16 GiB of state; what lies beyond is checked each time.
    private const ulong MaxPages = 1 << 22;
    private readonly HashSet<UInt128> _keys = [];

    /// <summary>Pages that were checked for this snapshot's confirmations.</summary>
    internal CheckedPages Pages { get; } = new(MaxPages);

    /// <summary>Whether a key was confirmed absent.</summary>
    internal bool Contains(StateTable table, ReadOnlySpan<byte> key) => _keys.Contains(Checksum.Xxh128((ulong)table, key));

    /// <summary>Remembers a key; when there are too many, the oldest answer is to ask again.</summary>
    internal void Add(StateTable table, ReadOnlySpan<byte> key)
    {
        if (_keys.Count < MaxKeys)
        {
            _keys.Add(Checksum.Xxh128((ulong)table, key));
        }
    }

    /// <summary>Forgets everything: another snapshot.</summary>
    internal void Clear()
    {
        _keys.Clear();
        Pages.Clear();
    }
}
