// Why this file exists: what a full walk reports, one finding for each thing that is wrong, with its place.
// Invariants: the list is bounded, the count is not; findings come in the order of discovery.

using System.Threading;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>One thing that a walk found.</summary>
/// <param name="Code">What it is.</param>
/// <param name="Page">The page on which it shows.</param>
/// <param name="Offset">The offset within that page, in bytes.</param>
/// <param name="Database">The database it belongs to: a name, "" for the main database, "(free)" for the free-page database, "(file)" for none.</param>
/// <param name="Text">The same in a sentence.</param>
public readonly record struct LmdbFinding(LmdbFaultCode Code, ulong Page, int Offset, string Database, string Text)
{
    /// <summary>Whether it means damage. A file that is longer than its snapshot does not.</summary>
    public bool IsDamage => Code != LmdbFaultCode.FileLong;
}

/// <summary>Collects findings. Safe for several threads.</summary>
internal sealed class LmdbFindings(int limit)
{
    private readonly Lock _gate = new();
    private readonly List<LmdbFinding> _list = [];

    internal long Total { get; private set; }

    internal bool HasDamage { get; private set; }

    internal void Add(LmdbFault fault, string database, string text) => Add(fault.Code, fault.Page, fault.Offset, database, text);

    internal void Add(LmdbFaultCode code, ulong page, int offset, string database, string text)
    {
        LmdbFinding finding = new(code, page, offset, database, text);
        lock (_gate)
        {
            Total++;
            HasDamage |= finding.IsDamage;
            if (_list.Count < limit)
            {
                _list.Add(finding);
            }
        }
    }

    internal IReadOnlyList<LmdbFinding> ToList()
    {
        lock (_gate)
        {
            return _list.ToArray();
        }
    }
}
