// Why this file exists: proof of a state (format-spec/recovery.md): every page accounted for, every entry's check, the digest. Invariants:
// reads only, never through liblmdb; the first flaw ends it; a state that passes holds exactly the entries that its writer committed.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Recovery;

/// <summary>Proves states.</summary>
internal static class StateProver
{
    /// <summary>Looks for a flaw.</summary>
    /// <returns>Null when the state is proven, else what is wrong.</returns>
    internal static string? FindFlaw(MappedFile map, LmdbMeta meta)
    {
        EntryCheck check = new();
        LmdbWalkOptions options = new() { FileLengthBytes = map.VisibleBytes(), Visitor = check, Workers = 1 };
        LmdbWalkReport report = LmdbWalker.Walk(() => map.Snapshot(in meta), meta, options);
        if (report.Findings.Count > 0)
        {
            return $"page {report.Findings[0].Page} of {report.Findings[0].Database}: {report.Findings[0].Text}";
        }

        return check.Flaw ?? check.Finish();
    }

    private sealed class EntryCheck : ILmdbVisitor
    {
        private readonly StateDigest _computed = new();
        private readonly StateDigest _stored = new();
        private bool _hasDigest;

        internal string? Flaw { get; private set; }

        public void Visit(string database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page)
        {
            if (Flaw is not null)
            {
                return;
            }

            if (!Tables.TryParseName(System.Text.Encoding.UTF8.GetBytes(database), out StateTable table))
            {
                Flaw = "a table that the format does not know";
                return;
            }

            Flaw = table == StateTable.Meta ? CheckMeta(key, value) : CheckEntry(table, key, value);
        }

        internal string? Finish()
        {
            if (!_hasDigest)
            {
                return "the digest is missing";
            }

            return _computed.ContentEquals(_stored) ? null : "the entries do not sum to the digest";
        }

        private string? CheckMeta(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
        {
            if (!key.SequenceEqual(Tables.DigestKey))
            {
                return null;
            }

            _hasDigest = _stored.TryDecode(value, out FormatFault fault);
            return _hasDigest ? null : $"the digest is damaged: {fault}";
        }

        private string? CheckEntry(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
        {
            if (!Tables.EntryHolds(table, key, value))
            {
                return $"an entry of table {table} does not pass its check";
            }

            _computed.Add(table, key, value);
            return null;
        }
    }
}
