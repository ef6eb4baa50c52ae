// Why this file exists: many threads find things, and a hopeless store has more findings than anyone reads. Invariants: memory is bounded
// by the maximum; when it is reached, lesser findings give way to worse ones; the order of the result does not depend on threads.

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Collects findings. Thread-safe.</summary>
internal sealed class FindingCollector(int maxFindings)
{
    private readonly Lock _gate = new();
    private readonly List<Finding>[] _bySeverity = [[], [], []];
    private readonly Dictionary<string, long> _byFile = [];
    private readonly Dictionary<string, long> _byTable = [];
    private long _count;
    private bool _hasDurableError;
    private bool _hasError;

    public long Count
    {
        get
        {
            lock (_gate)
            {
                return _count;
            }
        }
    }

    public VerificationVerdict Verdict
    {
        get
        {
            lock (_gate)
            {
                return _hasDurableError ? VerificationVerdict.Unsafe : _hasError ? VerificationVerdict.Damaged : VerificationVerdict.Clean;
            }
        }
    }

    public void Add(FindingKind kind, FindingPlace place, string message)
    {
        lock (_gate)
        {
            _count++;
            _hasError |= kind.Severity == FindingSeverity.Error;
            _hasDurableError |= kind.Severity == FindingSeverity.Error && kind.Class == FindingClass.Durable;
            Increment(_byFile, place.File);
            Increment(_byTable, place.Table);
            if (!MakeRoom(kind.Severity))
            {
                return;
            }

            _bySeverity[(int)kind.Severity - 1].Add(new Finding(kind, place, message));
        }
    }

    /// <summary>Takes over everything that another collector, which nobody uses any more, has collected.</summary>
    public void Absorb(FindingCollector other)
    {
        lock (_gate)
        {
            foreach (List<Finding> list in other._bySeverity)
            {
                foreach (Finding finding in list.Where(finding => MakeRoom(finding.Severity)))
                {
                    _bySeverity[(int)finding.Severity - 1].Add(finding);
                }
            }

            _count += other._count;
            _hasError |= other._hasError;
            _hasDurableError |= other._hasDurableError;
            Add(_byFile, other._byFile);
            Add(_byTable, other._byTable);
        }
    }

    public long CountInFile(string file) => Lookup(_byFile, file);

    public long CountInTable(string table) => Lookup(_byTable, table);

    public List<Finding> ToSortedList()
    {
        lock (_gate)
        {
            List<Finding> all = [.. _bySeverity.SelectMany(static list => list)];
            all.Sort(Compare);
            return all;
        }
    }

    private static int Compare(Finding left, Finding right)
    {
        int order = string.CompareOrdinal(left.Place.File, right.Place.File);
        order = order != 0 ? order : Nullable.Compare(left.Place.OffsetBytes, right.Place.OffsetBytes);
        order = order != 0 ? order : string.CompareOrdinal(left.Code, right.Code);
        order = order != 0 ? order : string.CompareOrdinal(left.Place.Table, right.Place.Table);
        order = order != 0 ? order : string.CompareOrdinal(left.Place.Record, right.Place.Record);
        return order != 0 ? order : string.CompareOrdinal(left.Message, right.Message);
    }

    private static void Increment(Dictionary<string, long> counts, string name)
    {
        // The number of files and tables is small; names that a hostile directory invents share one place.
        string key = counts.Count < 100_000 || counts.ContainsKey(name) ? name : "";
        counts[key] = counts.GetValueOrDefault(key) + 1;
    }

    private static void Add(Dictionary<string, long> counts, Dictionary<string, long> others)
    {
        foreach ((string name, long count) in others)
        {
            counts[name] = counts.GetValueOrDefault(name) + count;
        }
    }

    private long Lookup(Dictionary<string, long> counts, string name)
    {
        lock (_gate)
        {
            return counts.GetValueOrDefault(name);
        }
    }

    private bool MakeRoom(FindingSeverity severity)
    {
        if (_bySeverity.Sum(static list => list.Count) < maxFindings)
        {
            return true;
        }

        for (int lesser = 0; lesser < (int)severity - 1; lesser++)
        {
            List<Finding> list = _bySeverity[lesser];
            if (list.Count > 0)
            {
                list.RemoveAt(list.Count - 1);
                return true;
            }
        }

        return false;
    }
}
