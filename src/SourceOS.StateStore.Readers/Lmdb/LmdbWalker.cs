// Why this file exists: the full structural proof of one snapshot: every page accounted for once, every key in its place, every count right.
// Invariants: reads through the page source only; ends on any input, because each page is entered once; memory is two bits a page, the
// keys of one path for each worker, and a bounded list of findings.

using System.Collections.Concurrent;
using System.Text;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Walks a whole snapshot.</summary>
public static class LmdbWalker
{
    /// <summary>The name under which findings of the free-page database appear.</summary>
    public const string FreeDatabaseName = "(free)";

    /// <summary>The name under which findings of no database appear.</summary>
    public const string FileName = "(file)";

    /// <summary>
    /// Walks a snapshot: its free-page database, its main database and every named one. Beside a live writer the snapshot must be
    /// pinned, or damage must be confirmed by walking again.
    /// </summary>
    /// <typeparam name="TPages">Where pages come from.</typeparam>
    /// <param name="openPages">Gives each worker its own page source over the same file.</param>
    /// <param name="meta">The snapshot.</param>
    /// <param name="options">How to walk.</param>
    /// <param name="progress">Counts while the walk runs; null for none.</param>
    /// <param name="cancellation">Ends the walk early.</param>
    /// <returns>The report.</returns>
    /// <exception cref="OperationCanceledException">The walk was cancelled.</exception>
    public static LmdbWalkReport Walk<TPages>(
        Func<TPages> openPages,
        LmdbMeta meta,
        LmdbWalkOptions options,
        LmdbWalkProgress? progress = null,
        CancellationToken cancellation = default)
        where TPages : struct, ILmdbPages
    {
        ArgumentNullException.ThrowIfNull(openPages);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.FileLengthBytes, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Workers, 1, nameof(options));
        ulong filePages = (ulong)options.FileLengthBytes / (ulong)meta.PageSizeBytes;
        LmdbWalkShared shared = new(
            meta,
            new LmdbPageLedger(filePages, meta.LastPage),
            new LmdbFindings(options.MaxFindings),
            progress ?? new LmdbWalkProgress(),
            options.Visitor,
            options.CheckedPages,
            cancellation);
        CheckFile(shared, options, filePages);
        shared.Ledger.TryUse(0);
        shared.Ledger.TryUse(1);
        List<LmdbDatabaseCount> counts = [];
        LmdbReader<TPages> reader = new(openPages(), meta.LastPage);
        Trees<TPages> trees = new(openPages, reader, shared, options, counts);
        trees.Walk(FreeDatabaseName, meta.Free, new FreeSink<TPages>());
        MainSink<TPages> main = new(options.MaxDatabases);
        trees.Walk("", meta.Main, main);
        foreach ((string name, LmdbDatabaseRecord record) in main.Databases)
        {
            trees.Walk(name, record, new EntrySink<TPages>());
        }

        CheckAccounts(shared, filePages);
        return Report(shared, counts);
    }

    /// <summary>A name fit for reports: UTF-8, with control characters and malformed bytes shown as U+FFFD.</summary>
    internal static string Printable(ReadOnlySpan<byte> name)
    {
        StringBuilder text = new(Encoding.UTF8.GetString(name));
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsControl(text[i]))
            {
                text[i] = '\uFFFD';
            }
        }

        return text.ToString();
    }

    private static LmdbWalkReport Report(LmdbWalkShared shared, List<LmdbDatabaseCount> counts)
    {
        ulong pageSize = (ulong)shared.Meta.PageSizeBytes;
        return new LmdbWalkReport(
            shared.Meta,
            shared.Findings.ToList(),
            shared.Findings.Total,
            shared.Findings.HasDamage,
            counts,
            shared.Ledger.CountUsed(),
            shared.Ledger.CountFree(),
            shared.Ledger.CountAccounted() * pageSize,
            (shared.Meta.LastPage + 1) * pageSize);
    }

    private static void CheckFile(LmdbWalkShared shared, LmdbWalkOptions options, ulong filePages)
    {
        LmdbMeta meta = shared.Meta;
        if (options.MetasAtRest is LmdbMetaPair pair)
        {
            foreach (LmdbFault fault in new[] { pair.FirstFault, pair.SecondFault })
            {
                if (fault.IsFault)
                {
                    shared.Findings.Add(fault, FileName, "A meta page is not usable.");
                }
            }

            if (!pair.FirstFault.IsFault && !pair.SecondFault.IsFault && !pair.IsConsecutive)
            {
                shared.Findings.Add(LmdbFaultCode.MetaNotConsecutive, 0, LmdbLayout.MetaTransaction, FileName, "The meta pages are not of consecutive transactions.");
            }
        }

        if (filePages > meta.LastPage + 1 || (ulong)options.FileLengthBytes % (ulong)meta.PageSizeBytes != 0)
        {
            shared.Findings.Add(LmdbFaultCode.FileLong, meta.LastPage + 1, 0, FileName, $"The file has {options.FileLengthBytes} bytes, the snapshot {(meta.LastPage + 1) * (ulong)meta.PageSizeBytes}.");
        }

        if (meta.LastPage >= shared.Ledger.PageLimit)
        {
            shared.Findings.Add(LmdbFaultCode.FileShort, filePages, 0, FileName, $"The file has {filePages} pages, the snapshot {meta.LastPage + 1}.");
        }
    }

    private static void CheckAccounts(LmdbWalkShared shared, ulong filePages)
    {
        LmdbPageLedger ledger = shared.Ledger;
        for (ulong page = ledger.NextConflict(0); page < ledger.PageLimit; page = ledger.NextConflict(page + 1))
        {
            shared.Findings.Add(LmdbFaultCode.PageUsedAndFree, page, 0, FileName, "The page is in use and listed as free.");
        }

        // Lost pages come in runs, reported once each.
        for (ulong page = ledger.NextLost(0); page < ledger.PageLimit;)
        {
            ulong end = ledger.NextAccounted(page);
            shared.Findings.Add(LmdbFaultCode.PageLost, page, 0, FileName, $"{end - page} pages from here on are neither in use nor listed as free.");
            page = ledger.NextLost(end);
        }

        // Pages behind the file's end may only be free ones; used ones were findings when they were entered, overflow tails are not read.
        for (ulong page = filePages; page < ledger.PageLimit; page++)
        {
            if (ledger.IsUsed(page))
            {
                shared.Findings.Add(LmdbFaultCode.FileShort, page, 0, FileName, "The file ends before a page that is in use.");
                break;
            }
        }
    }

    private sealed class Trees<TPages>(Func<TPages> openPages, LmdbReader<TPages> reader, LmdbWalkShared shared, LmdbWalkOptions options, List<LmdbDatabaseCount> counts)
        where TPages : struct, ILmdbPages
    {
        internal void Walk(string name, LmdbDatabaseRecord record, ILmdbEntrySink<TPages> sink)
        {
            LmdbTreeWalk<TPages> walk = new(reader, shared, name, in record, sink);
            if (!record.IsEmpty)
            {
                // The free-page and main databases are small; their sinks are not made for several threads.
                if (options.Workers == 1 || record.Depth < 2 || sink is not EntrySink<TPages>)
                {
                    walk.WalkAll();
                }
                else
                {
                    WalkParts(walk, name, record, sink);
                }
            }

            counts.Add(new LmdbDatabaseCount(name, record, walk.BranchPages, walk.LeafPages, walk.OverflowPages, walk.Entries));
            if (walk.IsComplete && (walk.BranchPages != record.BranchPages
                || walk.LeafPages != record.LeafPages
                || walk.OverflowPages != record.OverflowPages
                || walk.Entries != record.Entries))
            {
                walk.Report(LmdbFaultCode.CountMismatch, record.Root, 0, $"The record states {Counts(record.BranchPages, record.LeafPages, record.OverflowPages, record.Entries)}; the tree has {Counts(walk.BranchPages, walk.LeafPages, walk.OverflowPages, walk.Entries)}.");
            }
        }

        private void WalkParts(LmdbTreeWalk<TPages> walk, string name, LmdbDatabaseRecord record, ILmdbEntrySink<TPages> sink)
        {
            if (!walk.Enter(0, record.Root))
            {
                return;
            }

            ConcurrentQueue<(ulong Page, LmdbKeyBounds Bounds)> parts = new(walk.ChildrenOf(0));
            LmdbTreeWalk<TPages>[] workers = new LmdbTreeWalk<TPages>[Math.Min(options.Workers, parts.Count)];
            Parallel.For(0, workers.Length, new ParallelOptions { MaxDegreeOfParallelism = workers.Length, CancellationToken = shared.Cancellation }, i =>
            {
                LmdbReader<TPages> own = new(openPages(), reader.LastPage);
                LmdbTreeWalk<TPages> part = new(own, shared, name, in record, sink);
                while (parts.TryDequeue(out (ulong Page, LmdbKeyBounds Bounds) next))
                {
                    part.WalkFrom(1, next.Page, next.Bounds);
                }

                workers[i] = part;
            });
            foreach (LmdbTreeWalk<TPages> part in workers)
            {
                walk.Merge(part);
            }
        }

        private static string Counts(ulong branches, ulong leaves, ulong overflows, ulong entries) =>
            $"{branches} branch, {leaves} leaf and {overflows} overflow pages and {entries} entries";
    }

    /// <summary>Lists free pages.</summary>
    private sealed class FreeSink<TPages> : ILmdbEntrySink<TPages>
        where TPages : struct, ILmdbPages
    {
        public void Entry(LmdbTreeWalk<TPages> walk, LmdbLeafNode node, ulong page)
        {
            if (node.IsBig && !walk.ClaimOverflow(node))
            {
                return;
            }

            if (!walk.Reader.TryValue(node, page, out ReadOnlySpan<byte> value, out LmdbFault fault))
            {
                walk.Report(fault.Code, fault.Page, fault.Offset, "A record of the free-page list cannot be read.");
                return;
            }

            if (!LmdbFreeRecord.TryParse(node.Key, value, walk.Shared.Meta, out LmdbFreeRecord record))
            {
                walk.Report(LmdbFaultCode.FreeList, page, node.Offset, "A record of the free-page list is malformed.");
                return;
            }

            for (int i = 0; i < record.Count; i++)
            {
                if (!walk.Shared.Ledger.TryFree(record[i]))
                {
                    bool isBeyond = record[i] >= walk.Shared.Ledger.PageLimit;
                    walk.Report(isBeyond ? LmdbFaultCode.PageBeyondFile : LmdbFaultCode.PageFreeTwice, record[i], 0, isBeyond ? "A page far beyond the file is listed as free." : "The page is listed as free twice.");
                }
            }
        }
    }

    /// <summary>Collects named databases; a store's main database holds nothing else.</summary>
    private sealed class MainSink<TPages>(int maxDatabases) : ILmdbEntrySink<TPages>
        where TPages : struct, ILmdbPages
    {
        internal List<(string Name, LmdbDatabaseRecord Record)> Databases { get; } = [];

        public void Entry(LmdbTreeWalk<TPages> walk, LmdbLeafNode node, ulong page)
        {
            if (!node.IsDatabase)
            {
                walk.Report(LmdbFaultCode.DatabaseName, page, node.Offset, "The main database holds an entry that is not a database.");
                return;
            }

            string name = Printable(node.Key);
            if (!LmdbDatabaseRecord.TryParse(node.InPage, walk.Shared.Meta.LastPage, out LmdbDatabaseRecord record))
            {
                walk.Report(LmdbFaultCode.DatabaseRecord, page, node.Offset, $"The record of '{name}' is impossible.");
            }
            else if (!record.IsPlain)
            {
                walk.Report(LmdbFaultCode.DatabaseFlags, page, node.Offset, $"'{name}' has flags that this store never writes.");
            }
            else if (Databases.Count == maxDatabases)
            {
                walk.Report(LmdbFaultCode.DatabaseName, page, node.Offset, "There are more named databases than a store has.");
            }
            else
            {
                Databases.Add((name, record));
            }
        }
    }

    /// <summary>Passes entries to the visitor.</summary>
    private sealed class EntrySink<TPages> : ILmdbEntrySink<TPages>
        where TPages : struct, ILmdbPages
    {
        public void Entry(LmdbTreeWalk<TPages> walk, LmdbLeafNode node, ulong page)
        {
            if (node.IsDatabase)
            {
                walk.Report(LmdbFaultCode.DatabaseName, page, node.Offset, "An entry of a named database claims to be a database.");
                return;
            }

            if (node.IsBig && !walk.ClaimOverflow(node))
            {
                return;
            }

            if (walk.Shared.Visitor is null)
            {
                return;
            }

            if (walk.Reader.TryValue(node, page, out ReadOnlySpan<byte> value, out LmdbFault fault))
            {
                walk.Shared.Visitor.Visit(walk.Database, node.Key, value, page);
            }
            else
            {
                walk.Report(fault.Code, fault.Page, fault.Offset, "A value cannot be read.");
            }
        }
    }
}
