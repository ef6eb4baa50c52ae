// Why this file exists: the counts of a run that several threads add to. Invariants: every entry met is counted in exactly one outcome;
// skipped paths are all counted and a bounded number is kept.

using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>What became of an entry.</summary>
internal enum EntryOutcome
{
    Added = 0,
    Changed = 1,
    Removed = 2,
    Renamed = 3,
    Unchanged = 4,
    Skipped = 5,
}

/// <summary>Counts of a run. Thread-safe.</summary>
internal sealed class AdoptTally(int maxSkippedListed)
{
    // Folders that hide their content protect what is known below them; beyond this many nothing is removed in this run.
    private const int MaxHiddenFolders = 100_000;
    private const int Outcomes = 6;

    private readonly long[] _files = new long[Outcomes];
    private readonly long[] _folders = new long[Outcomes];
    private readonly long[] _links = new long[Outcomes];
    private readonly Lock _lock = new();
    private readonly List<SkippedPath> _skipped = [];
    private readonly HashSet<string> _hidden = new(StringComparer.Ordinal);
    private long _ignored;
    private long _bytes;
    private long _objects;
    private long _expected;
    private bool _isRemovalSuspended;

    /// <summary>Names left out by rules.</summary>
    public long Ignored => Volatile.Read(ref _ignored);

    /// <summary>Bytes read.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Objects committed.</summary>
    public long Objects => Volatile.Read(ref _objects);

    /// <summary>Files in the tree as far as they were counted.</summary>
    public long Expected => Volatile.Read(ref _expected);

    /// <summary>Files dealt with.</summary>
    public long FilesDone => _files.Sum() - _files[(int)EntryOutcome.Removed];

    /// <summary>Whether too much is hidden to tell what is gone.</summary>
    public bool IsRemovalSuspended
    {
        get
        {
            lock (_lock)
            {
                return _isRemovalSuspended;
            }
        }
    }

    /// <summary>Skipped paths that are kept.</summary>
    public IReadOnlyList<SkippedPath> Skipped
    {
        get
        {
            lock (_lock)
            {
                return [.. _skipped];
            }
        }
    }

    public void Count(EntryKind kind, EntryOutcome outcome) => Interlocked.Increment(ref Of(kind)[(int)outcome]);

    public void CountIgnored() => Interlocked.Increment(ref _ignored);

    public void CountExpected() => Interlocked.Increment(ref _expected);

    public void AddBytes(long bytes) => Interlocked.Add(ref _bytes, bytes);

    public void AddObjects(long objects) => Interlocked.Add(ref _objects, objects);

    /// <summary>Counts a skipped path.</summary>
    /// <param name="path">Its raw bytes.</param>
    /// <param name="reason">Why.</param>
    /// <param name="hidesContent">Whether it is a folder of which nothing below was seen.</param>
    public void Skip(ReadOnlySpan<byte> path, string reason, bool hidesContent)
    {
        Count(EntryKind.File, EntryOutcome.Skipped);
        string text = PathText.Render(path);
        lock (_lock)
        {
            if (_skipped.Count < maxSkippedListed)
            {
                _skipped.Add(new SkippedPath(text, reason));
            }

            if (hidesContent && text.Length == 0)
            {
                _isRemovalSuspended = true;
            }
            else if (hidesContent && !_hidden.Contains(text))
            {
                _isRemovalSuspended |= _hidden.Count == MaxHiddenFolders;
                if (!_isRemovalSuspended)
                {
                    _hidden.Add(text);
                }
            }
        }
    }

    /// <summary>Whether a path lies at or below something that was not seen. Called when nobody counts any more.</summary>
    /// <param name="path">The path.</param>
    public bool IsHidden(string path)
    {
        if (_hidden.Count == 0)
        {
            return false;
        }

        for (int end = path.Length; end > 0; end = path.LastIndexOf('/', end - 1))
        {
            if (_hidden.Contains(path[..end]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The counts of one kind.</summary>
    /// <param name="kind">File, folder or link.</param>
    public AdoptCounts CountsOf(EntryKind kind)
    {
        long[] counts = Of(kind);
        long removed = counts[(int)EntryOutcome.Removed];
        return new AdoptCounts(
            counts.Sum() - removed,
            counts[(int)EntryOutcome.Added],
            counts[(int)EntryOutcome.Changed],
            removed,
            counts[(int)EntryOutcome.Renamed],
            counts[(int)EntryOutcome.Unchanged],
            counts[(int)EntryOutcome.Skipped]);
    }

    private long[] Of(EntryKind kind) => kind switch
    {
        EntryKind.Folder => _folders,
        EntryKind.Link => _links,
        _ => _files,
    };
}
