// Why this file exists: what all parts of one verification share. Invariants: lives for one run; thread-safe; counts only grow.

using System.Collections.Concurrent;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>One run's options, findings and counts.</summary>
internal sealed class VerifyContext
{
    private const int MaxAccounts = 1 << 17;
    private const string OtherFiles = "(other files)";

    private readonly ConcurrentDictionary<string, (long Owned, long Seen)> _accounts = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly List<NotChecked> _notChecked = [];

    public VerifyContext(string storePath, VerifyOptions options, CancellationToken cancellation)
    {
        Layout = new StoreLayout(storePath);
        Options = options;
        Files = options.Files ?? StoreFiles.Native;
        Findings = new FindingCollector(options.MaxFindings);
        Progress = new ProgressMeter(options.Progress);
        Cancellation = cancellation;
        Workers = options.DegreeOfParallelism == 0 ? Math.Clamp(Environment.ProcessorCount, 1, 256) : options.DegreeOfParallelism;
    }

    public StoreLayout Layout { get; }

    public VerifyOptions Options { get; }

    public StoreFiles Files { get; }

    public FindingCollector Findings { get; }

    public ProgressMeter Progress { get; }

    public CancellationToken Cancellation { get; }

    public int Workers { get; }

    /// <summary>Whether a writer was noticed at work.</summary>
    public bool WriterSeen { get; set; }

    public void Find(FindingKind kind, FindingPlace place, string message) => Findings.Add(kind, place, message);

    public void Find(FindingKind kind, string path, long? offset, string message) =>
        Findings.Add(kind, new FindingPlace { File = Layout.Relative(path), OffsetBytes = offset }, message);

    public void CannotCheck(string what, string why)
    {
        lock (_gate)
        {
            NotChecked item = new(what, why);
            if (_notChecked.Count < 1000 && !_notChecked.Contains(item))
            {
                _notChecked.Add(item);
            }
        }
    }

    /// <summary>Counts bytes of a file that belong to the store, and those of them that a check covered.</summary>
    public void Account(string path, long ownedBytes, long seenBytes)
    {
        string file = Layout.Relative(path);
        if (_accounts.Count >= MaxAccounts && !_accounts.ContainsKey(file))
        {
            file = OtherFiles;
        }

        _accounts.AddOrUpdate(file, (ownedBytes, seenBytes), (_, old) => (old.Owned + ownedBytes, old.Seen + seenBytes));
    }

    public List<NotChecked> NotCheckedItems()
    {
        lock (_gate)
        {
            return [.. _notChecked];
        }
    }

    public List<FileAccount> FileAccounts() =>
    [
        .. _accounts
            .OrderBy(static pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => new FileAccount(pair.Key, pair.Value.Owned, pair.Value.Seen, Findings.CountInFile(pair.Key))),
    ];
}

/// <summary>Counts a phase's bytes and tells the caller now and then.</summary>
internal sealed class ProgressMeter(IProgress<VerificationProgress>? target)
{
    private const long StepBytes = 32 << 20;

    private readonly Lock _gate = new();
    private string _phase = "";
    private long _total;
    private long _done;
    private long _told;

    public void Begin(string phase, long totalBytes)
    {
        lock (_gate)
        {
            _phase = phase;
            _total = totalBytes;
            _done = 0;
            _told = 0;
            target?.Report(new VerificationProgress(phase, 0, totalBytes));
        }
    }

    public void Add(long bytes)
    {
        if (target is null)
        {
            return;
        }

        lock (_gate)
        {
            _done += bytes;
            if (_done - _told >= StepBytes || _done == _total)
            {
                _told = _done;
                target.Report(new VerificationProgress(_phase, _done, _total));
            }
        }
    }
}
