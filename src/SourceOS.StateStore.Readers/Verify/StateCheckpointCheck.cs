// Why this file exists: a checkpoint or a frontier that rotted unseen, or that is of another history, helps nobody when it is needed, so both are verified like everything else. Invariants: reads only; what they claim is collected before
// the log is read and judged after, so a log that only grew contradicts nothing; what a writer replaces meanwhile is read again before it is called wrong.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.StateCheckpoints;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Checks the checkpoints of the state and the frontiers of the log.</summary>
internal sealed class StateCheckpointCheck
{
    private const int MaxNames = 1000;

    private readonly VerifyContext _context;
    private readonly StoreId _storeId;
    private readonly int _pageBits;
    private readonly long _baseAddress;
    private readonly List<(string Path, StateHeader State)> _claims = [];
    private readonly List<string> _checkpoints = [];

    private StateCheckpointCheck(VerifyContext context, StoreId storeId, int pageBits, long baseAddress)
    {
        _context = context;
        _storeId = storeId;
        _pageBits = pageBits;
        _baseAddress = baseAddress;
    }

    /// <summary>Log positions that something here makes a statement about.</summary>
    public IEnumerable<long> Positions => _claims.Select(static claim => claim.State.LogPosition);

    /// <summary>Lists what there is and reads what it claims.</summary>
    /// <returns>The check, to be continued when the log is known; null when nothing tells which store this is.</returns>
    public static StateCheckpointCheck? List(VerifyContext context, StoreSurvey survey)
    {
        if (survey.StoreId is not { } storeId || survey.Geometry is not { } geometry)
        {
            return null;
        }

        StateCheckpointCheck check = new(context, storeId, geometry.PageBits, survey.Superblock?.BaseAddress ?? LogGeometry.FirstAddress);
        check.ListFolder(geometry);
        return check;
    }

    /// <summary>Compares what was claimed with the log, and proves the checkpoints.</summary>
    /// <param name="log">What the check of the log came to.</param>
    public void Judge(LogOutcome log)
    {
        foreach ((string path, StateHeader state) in _claims)
        {
            // Behind a break nothing is known; the break is the log check's to report.
            bool isKnown = state.LogPosition <= log.Linker.End.Address;
            if (!isKnown && (log.Linker.IsBroken || log.Linker.Damage.Count > 0))
            {
                continue;
            }

            bool agrees = state.LogPosition == _baseAddress
                || (log.Linker.Marks.TryGetValue(state.LogPosition, out LogMark mark) && mark.Hash == state.ChainHead && log.Linker.Roots.TryGetValue(state.LogPosition, out Hash256 root) && root == state.Frontier.Root());
            if (!agrees)
            {
                _context.Find(FindingKinds.CheckpointForeign, path, null, string.Create(CultureInfo.InvariantCulture, $"It was made at log address {state.LogPosition}, sequence {state.LastSequence}, and the log has another history there."));
            }
        }

        foreach (string path in _checkpoints)
        {
            _context.Progress.Begin("checkpoint", 0);
            Prove(path);
        }
    }

    private void ListFolder(LogGeometry geometry)
    {
        long strays = 0;
        List<(string Path, int Segment)> frontiers = [];
        string folder = _context.Layout.CheckpointsPath;
        ReadStatus status = _context.Files.List(folder, (name, kind) =>
        {
            _context.Cancellation.ThrowIfCancellationRequested();
            string path = Path.Combine(folder, name);
            bool isUnfinished = name.EndsWith(StoreLayout.UnfinishedSuffix, StringComparison.Ordinal);
            ReadOnlySpan<char> plain = isUnfinished ? name.AsSpan(0, name.Length - StoreLayout.UnfinishedSuffix.Length) : name;
            bool isCheckpoint = StoreLayout.TryParseCheckpointName(plain, out _);
            bool isFrontier = StoreLayout.TryParseFrontierName(plain, out int segment);
            if (kind != StoreEntryKind.File || !(isCheckpoint || isFrontier))
            {
                if (++strays <= MaxNames)
                {
                    _context.Find(FindingKinds.Stray, path, null, "This name has no meaning in a store.");
                }
            }
            else if (isUnfinished)
            {
                _context.Find(FindingKinds.CheckpointLeftOver, path, null, "It was being made when a writer stopped.");
            }
            else if (isFrontier)
            {
                frontiers.Add((path, segment));
            }
            else
            {
                _checkpoints.Add(path);
            }

            return true;
        });
        if (strays > MaxNames)
        {
            _context.Find(FindingKinds.Stray, folder, null, $"{strays - MaxNames} further names have no meaning in a store.");
        }

        if (status is not (ReadStatus.Ok or ReadStatus.NotFound))
        {
            _context.Find(FindingKinds.FileUnreadable, folder, null, $"The directory cannot be listed ({status}).");
        }

        foreach ((string path, int segment) in frontiers)
        {
            CheckFrontier(path, segment, geometry);
        }

        foreach (string path in _checkpoints)
        {
            Claim(path);
        }
    }

    private void CheckFrontier(string path, int segment, LogGeometry geometry)
    {
        ReadStatus status = StateFrontierFile.Read(path, _storeId, geometry, segment, _context.Files, out StateHeader? state, out FormatFault fault);
        if (status == ReadStatus.NotFound)
        {
            return;
        }

        _context.Account(path, StateCheckpointHeader.LengthBytes, state is null ? 0 : StateCheckpointHeader.LengthBytes);
        if (state is null)
        {
            _context.Find(FindingKinds.CheckpointDamaged, path, fault.OffsetBytes, fault.IsFault ? $"The frontier is not valid: {FormatFault.Describe(fault.Code)}." : $"The frontier cannot be read ({status}).");
        }
        else
        {
            Claim(path, state);
        }
    }

    // What is wrong with it is said when it is proven.
    private void Claim(string path)
    {
        _ = StateCheckpointFile.Open(path, _storeId, _context.Files, out StateCheckpointFile? file, out _);
        using (file)
        {
            if (file is not null)
            {
                Claim(path, file.Header.State);
            }
        }
    }

    private void Claim(string path, StateHeader state)
    {
        if (state.LogPosition < _baseAddress)
        {
            _context.Find(FindingKinds.CheckpointLeftOver, path, null, "It was made before the log's present beginning.");
        }
        else
        {
            _claims.Add((path, state));
        }
    }

    private void Prove(string path)
    {
        (ReadStatus status, FormatFault fault, long lengthBytes) = Read(path);
        if (status != ReadStatus.NotFound && (status != ReadStatus.Ok || fault.IsFault))
        {
            (status, fault, lengthBytes) = Read(path);
        }

        if (status == ReadStatus.NotFound)
        {
            // A writer made a newer one and took this away.
            return;
        }

        bool isSound = status == ReadStatus.Ok && !fault.IsFault;
        _context.Account(path, lengthBytes, isSound ? lengthBytes : 0);
        if (!isSound)
        {
            _context.Find(
                FindingKinds.CheckpointDamaged, path, fault.IsFault ? fault.OffsetBytes : null, fault.IsFault ? $"The checkpoint does not prove: {FormatFault.Describe(fault.Code)}." : $"The checkpoint cannot be read ({status}).");
        }
    }

    private (ReadStatus Status, FormatFault Fault, long LengthBytes) Read(string path)
    {
        ReadStatus status = StateCheckpointFile.Open(path, _storeId, _context.Files, out StateCheckpointFile? file, out FormatFault fault);
        using (file)
        {
            if (file is null)
            {
                return (status, fault, 0);
            }

            status = file.Run(null, _pageBits, _context.Cancellation);
            bool isNamed = StoreLayout.TryParseCheckpointName(Path.GetFileName(path), out ulong sequence) && sequence == file.Header.State.LastSequence;
            return (status, file.Fault.IsFault || isNamed ? file.Fault : new FormatFault(FaultCode.WrongPlace, 0), file.LengthBytes);
        }
    }
}
