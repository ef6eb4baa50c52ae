// Why this file exists: the standard level proves that the state agrees with itself; only folding the log once more proves that it is what the log says. Invariants: the store is only read; the scratch state lies in a directory of its own, which
// is removed whatever happens; a difference is named by table and key, up to a bound; a log that is not sound is not folded, and that is said.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Verify;

/// <summary>Verifies at the deep level. Thread-safe.</summary>
public static class DeepVerifier
{
    private const int MaxNamed = 100;
    private const int OwnerOnly = 0x1C0; // 0700: what the state holds is its owner's to read.
    private const string Remedy = "Remove the directory `state` and run `statestore repair --apply`: it is made again from the log.";
    private const int SnapshotMaxAgeMs = 3_600_000;

    /// <summary>Runs the standard level, then folds the log into a scratch state and compares every table with the live one, at one position of the log, beside a writer too.</summary>
    /// <param name="storePath">The store's directory.</param>
    /// <param name="options">How; its level is not used. The defaults when null.</param>
    /// <param name="scratchParent">Where the scratch state is made; it takes about as much room as the state. The system's temporary directory when null.</param>
    /// <param name="cancellation">Ends it early; the scratch state is removed.</param>
    /// <returns>The report.</returns>
    /// <exception cref="ArgumentException">As <see cref="StoreVerifier.Run"/>.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="IOException">The scratch directory cannot be made.</exception>
    public static VerificationReport Run(string storePath, VerifyOptions? options = null, string? scratchParent = null, CancellationToken cancellation = default)
    {
        options = (options ?? new VerifyOptions()).At(VerificationLevel.Deep);
        VerificationReport standard = StoreVerifier.Run(storePath, options, cancellation);
        if (standard.Verdict == VerificationVerdict.Unsafe)
        {
            return standard with { NotChecked = [.. standard.NotChecked, new NotChecked("the fold of the log", "the log or the superblock is not sound")] };
        }

        options.Progress?.Report(new VerificationProgress("fold", 0, 0));
        List<Finding> found = [];
        try
        {
            using StateStore store = StateStore.OpenRead(storePath, new StateStoreOptions { SnapshotMaxAgeMs = SnapshotMaxAgeMs });
            using ReadSnapshot snapshot = store.OpenSnapshot();
            Compare(storePath, snapshot, scratchParent ?? Path.GetTempPath(), found, cancellation);
        }
        catch (StateStoreException exception) when (exception.Code is StateStoreErrorCode.StateDamaged or StateStoreErrorCode.SnapshotExpired)
        {
            // A state that does not open is among the standard level's findings, and has nothing to be compared with.
            return standard with { NotChecked = [.. standard.NotChecked, new NotChecked("the fold of the log", exception.Summary)] };
        }

        VerificationVerdict verdict = found.Count > 0 && standard.Verdict == VerificationVerdict.Clean ? VerificationVerdict.Damaged : standard.Verdict;
        return standard with { Verdict = verdict, Findings = [.. standard.Findings, .. found], FindingCount = standard.FindingCount + found.Count };
    }

    private static void Compare(string storePath, ReadSnapshot snapshot, string scratchParent, List<Finding> found, CancellationToken cancellation)
    {
        string scratch = Path.Combine(scratchParent, "statestore-deep-" + Guid.NewGuid().ToString("N"));
        StoreDirectory.CreateIfMissing(LinuxFileOps.Instance, scratch, OwnerOnly);
        try
        {
            StateHeader header = snapshot.Header;
            Superblock superblock = snapshot.Superblock;
            StoreLayout layout = new(scratch);
            LinuxFileOps files = LinuxFileOps.Instance;
            StateGenerations.Create(layout, superblock, 1, files);
            using StateEnvironment folded = StateEnvironment.Open(layout.GenerationPath(1), files, new StateStoreOptions().StateQuotaBytes);
            using LogReader log = new(new StoreLayout(storePath), new LogGeometry(superblock.PageBits, superblock.SegmentBits));
            LogTip tip = new(header.LogPosition, header.FrameCount, header.LastSequence, header.LastCommitId, header.ChainHead);
            new StateFolder(folded, log, superblock.StoreId).FoldTo(superblock, tip, cancellation);
            foreach (StateTable table in (ReadOnlySpan<StateTable>)[StateTable.Records, StateTable.Index, StateTable.Surrogates, StateTable.Frames])
            {
                CompareTable(snapshot.View, new StateView(folded.Published), table, found, cancellation);
            }

            CompareCounts(header, folded.Published.Header, found);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    // Both in the order of their keys: what is on one side alone, or differs, shows where the two walks part.
    private static void CompareTable(StateView live, StateView folded, StateTable table, List<Finding> found, CancellationToken cancellation)
    {
        LmdbCursor<MappedPages> left = new(live.Roots.Reader, live.Roots[table]);
        LmdbCursor<MappedPages> right = new(folded.Roots.Reader, folded.Roots[table]);
        LmdbReadStatus leftStatus = left.SeekFirst();
        LmdbReadStatus rightStatus = right.SeekFirst();
        int steps = 0;
        while (leftStatus == LmdbReadStatus.Found || rightStatus == LmdbReadStatus.Found)
        {
            ThrowIfFault(table, leftStatus, left.Fault);
            ThrowIfFault(table, rightStatus, right.Fault);
            if (++steps % 4096 == 0)
            {
                cancellation.ThrowIfCancellationRequested();
                live.ThrowIfMoved();
            }

            int order = leftStatus != LmdbReadStatus.Found ? 1 : rightStatus != LmdbReadStatus.Found ? -1 : left.Key.SequenceCompareTo(right.Key);
            if (order < 0)
            {
                Add(found, table, left.Key, "the log makes no such entry");
            }
            else if (order > 0)
            {
                Add(found, table, right.Key, "the log makes this entry and the state does not have it");
            }
            else if (!left.Value.SequenceEqual(right.Value))
            {
                Add(found, table, left.Key, "the log makes another value of it");
            }

            leftStatus = order <= 0 ? left.Next() : leftStatus;
            rightStatus = order >= 0 ? right.Next() : rightStatus;
        }

        ThrowIfFault(table, leftStatus, left.Fault);
        ThrowIfFault(table, rightStatus, right.Fault);
        live.ThrowIfMoved();
    }

    private static void CompareCounts(StateHeader live, StateHeader folded, List<Finding> found)
    {
        bool isSame = live.Frontier.Root() == folded.Frontier.Root() && live.BootCritical == folded.BootCritical;
        foreach (RecordKindInfo info in RecordKinds.All)
        {
            isSame &= live.Kinds[(int)info.Kind].Live == folded.Kinds[(int)info.Kind].Live && live.Kinds[(int)info.Kind].Tombstones == folded.Kinds[(int)info.Kind].Tombstones;
        }

        foreach (Lane lane in Enum.GetValues<Lane>())
        {
            isSame &= live.Lanes[(int)lane - 1].Events == folded.Lanes[(int)lane - 1].Events && live.Lanes[(int)lane - 1].LastSequence == folded.Lanes[(int)lane - 1].LastSequence;
        }

        if (!isSame)
        {
            found.Add(new Finding(FindingKinds.FoldDiffers, new FindingPlace { Table = Name(StateTable.Meta) }, $"The header's counts or tree are not those that the log makes. {Remedy}"));
        }
    }

    private static void Add(List<Finding> found, StateTable table, ReadOnlySpan<byte> key, string what)
    {
        if (found.Count < MaxNamed)
        {
            string record = table == StateTable.Records && key.Length > 1 ? Encoding.UTF8.GetString(key[1..]) : Convert.ToHexStringLower(key);
            found.Add(new Finding(FindingKinds.FoldDiffers, new FindingPlace { Table = Name(table), Record = record }, $"An entry of {Name(table)} is not what the log says: {what}. {Remedy}"));
        }
    }

    private static string Name(StateTable table) => Encoding.ASCII.GetString(Tables.Name(table));

    private static void ThrowIfFault(StateTable table, LmdbReadStatus status, LmdbFault fault)
    {
        if (status == LmdbReadStatus.Fault)
        {
            StateFaults.ThrowPage(table, fault);
        }
    }
}
