// Why this file exists: proves one snapshot of the state: its pages, its entries, and its tables against each other. Invariants: what is found
// in a snapshot whose pages a writer may have reused meanwhile is thrown away and looked at again, never reported; reads by
// position only; memory does not grow with the state, but for two bits a page.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>What a check of the state came to.</summary>
/// <param name="Generation">The generation that was checked.</param>
/// <param name="Header">Its header; null when it is missing or not valid.</param>
/// <param name="Sums">Sums over its entries.</param>
/// <param name="Walk">The walk.</param>
internal sealed record StateOutcome(ulong Generation, StateHeader? Header, StateSums Sums, LmdbWalkReport Walk);

/// <summary>Checks the state.</summary>
internal sealed class StateCheck
{
    private static readonly StateTable[] _tables = [StateTable.Records, StateTable.Index, StateTable.Surrogates, StateTable.Frames, StateTable.Meta];

    private readonly VerifyContext _context;
    private readonly StoreSurvey _survey;
    private readonly ulong _generation;
    private readonly string _path;
    private readonly string _file;
    private readonly FindingCollector _findings;

    private StateCheck(VerifyContext context, StoreSurvey survey, ulong generation)
    {
        _context = context;
        _survey = survey;
        _generation = generation;
        _path = context.Layout.StateDataPath(generation);
        _file = context.Layout.Relative(_path);
        _findings = new FindingCollector(context.Options.MaxFindings);
    }

    /// <summary>Runs.</summary>
    /// <returns>The outcome; null when there is no state, or it would not hold still.</returns>
    public static StateOutcome? Run(VerifyContext context, StoreSurvey survey)
    {
        if (survey.Generation == 0)
        {
            context.Find(FindingKinds.StateMissing, context.Layout.StatePath, null, "There is no state.");
            return null;
        }

        for (int attempt = 0; attempt < Math.Max(1, context.Options.StateAttempts); attempt++)
        {
            ulong generation = context.Options.PinnedState?.Generation ?? survey.Generation;
            StateCheck check = new(context, survey, generation);
            if (check.Try(out StateOutcome? outcome))
            {
                context.Findings.Absorb(check._findings);
                if (outcome is not null)
                {
                    long snapshot = (long)Math.Min(outcome.Walk.BytesOwned, long.MaxValue);
                    context.Account(check._path, snapshot, (long)Math.Min(outcome.Walk.BytesSeen, (ulong)snapshot));
                }

                return outcome;
            }

            context.WriterSeen = true;
            survey.RefreshGeneration(context);
        }

        context.CannotCheck("the state", "a writer kept replacing its pages while it was read; pin a snapshot, or verify when there is less to do");
        return null;
    }

    // True when what was found holds: the snapshot cannot have changed while it was read.
    private bool Try(out StateOutcome? outcome)
    {
        outcome = null;
        ReadStatus status = _context.Files.Open(_path, out PositionalFile? file);
        if (file is null)
        {
            bool isGone = status is ReadStatus.NotFound;
            if (isGone && _survey.GenerationMoved(_context))
            {
                return false;
            }

            Find(isGone ? FindingKinds.StateMissing : FindingKinds.StateUnreadable, 0, isGone ? "The state's file is not there." : $"The state's file cannot be opened ({status}).");
            return true;
        }

        using (file)
        {
            if (!ReadMetas(file, out LmdbMetaPair before, out long lengthBytes) || !Choose(before, out LmdbMeta meta))
            {
                // A meta page caught in the middle of a commit is whole a moment later.
                return !_survey.GenerationMoved(_context) && (!ReadMetas(file, out LmdbMetaPair again, out _) || again.TryNewest(out _).IsFault);
            }

            outcome = Walk(file, meta, lengthBytes);
            return Settles(file, before, meta, outcome);
        }
    }

    private bool ReadMetas(PositionalFile file, out LmdbMetaPair pair, out long lengthBytes)
    {
        ReadStatus status = StateMetas.Read(file, out pair, out lengthBytes);
        if (status != ReadStatus.Ok)
        {
            Find(FindingKinds.StateUnreadable, 0, $"The head of the state's file cannot be read ({status}).");
        }

        return status == ReadStatus.Ok;
    }

    private bool Choose(in LmdbMetaPair pair, out LmdbMeta meta)
    {
        if (_context.Options.PinnedState is { } pinned)
        {
            meta = pinned.Meta;
            return true;
        }

        LmdbFault fault = pair.TryNewest(out meta);
        if (fault.IsFault)
        {
            Find(FindingKinds.LmdbMeta, fault.Offset, $"Neither meta page can be used: {pair.FirstFault.Code} and {pair.SecondFault.Code}.");
        }

        return !fault.IsFault;
    }

    private StateOutcome Walk(PositionalFile file, LmdbMeta meta, long lengthBytes)
    {
        _context.Progress.Begin("state", lengthBytes);
        using StateVisitor visitor = new(_findings, _file, meta.PageSizeBytes, _context.Progress);
        LmdbWalkOptions options = new()
        {
            FileLengthBytes = lengthBytes,
            Visitor = visitor,
            MaxFindings = _context.Options.MaxFindings,
            Workers = _context.Workers,
        };
        LmdbWalkReport walk = LmdbWalker.Walk(
            () => new StatePages(new StatePageSource(file, meta.PageSizeBytes, lengthBytes)), meta, options, cancellation: _context.Cancellation);
        StateSums sums = visitor.Total();
        foreach (LmdbFinding finding in walk.Findings)
        {
            ReportPage(finding, meta.PageSizeBytes);
        }

        CheckTables(walk);
        CheckMeta(visitor);
        if (!walk.HasDamage)
        {
            CheckSums(visitor, sums);
            if (!SameDerived(sums))
            {
                StateReader reader = new(new StatePageSource(file, meta.PageSizeBytes, lengthBytes), meta);
                new StateDiff(_findings, _file, _context.Cancellation).Explain(reader, sums);
            }
        }

        return new StateOutcome(_generation, visitor.Header, sums, walk);
    }

    // Pages of a snapshot are reused at the earliest by the transaction after the next one.
    private bool Settles(PositionalFile file, in LmdbMetaPair before, in LmdbMeta meta, StateOutcome outcome)
    {
        bool isRead = ReadMetas(file, out LmdbMetaPair after, out _);
        bool isNewest = !after.TryNewest(out LmdbMeta newest).IsFault;
        _ = before.TryNewest(out LmdbMeta newestBefore);
        if (isNewest && newest.TransactionId != newestBefore.TransactionId)
        {
            _context.WriterSeen = true;
        }

        if (_context.Options.PinnedState is not null || !isRead)
        {
            return true;
        }

        bool hasMoved = !isNewest || newest.TransactionId > meta.TransactionId + 1 || _survey.GenerationMoved(_context);
        if (hasMoved)
        {
            // Sums that match prove that what was read belongs together, whatever happened to the pages since.
            return _findings.Count == 0 && outcome.Header is not null;
        }

        if (newest == newestBefore)
        {
            ReportMetas(after);
        }

        return true;
    }

    private void ReportMetas(in LmdbMetaPair pair)
    {
        foreach (LmdbFault fault in new[] { pair.FirstFault, pair.SecondFault })
        {
            if (fault.IsFault)
            {
                Find(FindingKinds.LmdbMeta, fault.Offset, $"Meta page {fault.Page} is not valid: {fault.Code}.");
            }
        }

        if (!pair.FirstFault.IsFault && !pair.SecondFault.IsFault && !pair.IsConsecutive)
        {
            Find(FindingKinds.LmdbMeta, 0, "The meta pages are not of consecutive transactions.");
        }
    }

    private void ReportPage(in LmdbFinding finding, int pageSizeBytes)
    {
        FindingKind? kind = finding.Code switch
        {
            LmdbFaultCode.FileLong => null,
            LmdbFaultCode.FileShort => FindingKinds.LmdbExtent,
            LmdbFaultCode.InputOutput => FindingKinds.StateUnreadable,
            LmdbFaultCode.FreeList or LmdbFaultCode.PageUsedAndFree or LmdbFaultCode.PageFreeTwice or LmdbFaultCode.PageLost => FindingKinds.LmdbFreeList,
            _ => FindingKinds.LmdbPage,
        };
        if (kind is not null)
        {
            long offset = (long)Math.Min(finding.Page, long.MaxValue / 65_536 / 2) * pageSizeBytes + finding.Offset;
            FindingPlace place = new() { File = _file, OffsetBytes = offset, Table = finding.Database.StartsWith('(') ? "" : finding.Database };
            _findings.Add(kind, place, $"{finding.Text} ({finding.Code})");
        }
    }

    private void CheckTables(LmdbWalkReport walk)
    {
        foreach (StateTable table in _tables)
        {
            string name = System.Text.Encoding.ASCII.GetString(Tables.Name(table));
            if (!walk.Databases.Any(database => database.Name == name))
            {
                _findings.Add(FindingKinds.StateTable, new FindingPlace { File = _file, Table = name }, "The table is not there.");
            }
        }

        foreach (LmdbDatabaseCount database in walk.Databases)
        {
            bool isKnown = database.Name is "" or LmdbWalker.FreeDatabaseName || Tables.TryParseName(System.Text.Encoding.UTF8.GetBytes(database.Name), out _);
            if (!isKnown)
            {
                _findings.Add(FindingKinds.StateTable, new FindingPlace { File = _file, Table = database.Name }, "The table is not part of a state.");
            }
        }
    }

    private void CheckMeta(StateVisitor visitor)
    {
        FindingPlace place = new() { File = _file, Table = "meta" };
        if (!visitor.HasHeader)
        {
            _findings.Add(FindingKinds.StateHeader, place, "The state's header is missing.");
        }

        if (!visitor.HasDigest)
        {
            _findings.Add(FindingKinds.StateDigest, place, "The state's digest is missing.");
        }

        if (visitor.Header is { } header)
        {
            if (_survey.StoreId is { } storeId && header.StoreId != storeId)
            {
                _findings.Add(FindingKinds.StateHeader, place, $"The state belongs to another store, {header.StoreId}.");
            }

            if (header.Generation != _generation)
            {
                _findings.Add(FindingKinds.StateHeader, place, $"The state says that it is generation {header.Generation}, not {_generation}.");
            }
        }
    }

    private void CheckSums(StateVisitor visitor, StateSums sums)
    {
        foreach (StateTable table in _tables.Where(static table => table != StateTable.Meta))
        {
            if (visitor.Digest is { } digest && !digest.TableEquals(sums.Actual, table))
            {
                int buckets = Enumerable.Range(0, 256).Count(bucket => digest.Sum(table, bucket) != sums.Actual.Sum(table, bucket));
                _findings.Add(
                    FindingKinds.TableDigest,
                    new FindingPlace { File = _file, Table = System.Text.Encoding.ASCII.GetString(Tables.Name(table)) },
                    $"The table has {sums.Actual.Count(table)} entries, the digest counts {digest.Count(table)}; {buckets} of 256 sums differ.");
            }
        }

        if (visitor.Header is not { } header)
        {
            return;
        }

        for (int kind = 0; kind < StateHeader.KindPlaces; kind++)
        {
            if (header.Kinds[kind] != sums.Kinds[kind])
            {
                string name = RecordKinds.IsDefined((RecordKind)kind) ? RecordKinds.Get((RecordKind)kind).Name : $"kind {kind}";
                _findings.Add(
                    FindingKinds.StateCounts,
                    new FindingPlace { File = _file, Table = "meta", Record = name },
                    $"The header counts {header.Kinds[kind].Live} records and {header.Kinds[kind].Tombstones} tombstones; there are {sums.Kinds[kind].Live} and {sums.Kinds[kind].Tombstones}.");
            }
        }

        if (header.BootCritical != sums.BootCritical)
        {
            _findings.Add(
                FindingKinds.BootCritical,
                new FindingPlace { File = _file, Table = "meta" },
                $"The header counts {header.BootCritical.Records} records that a boot reads; there are {sums.BootCritical.Records}{(header.BootCritical.Records == sums.BootCritical.Records ? " of other content" : "")}.");
        }

        if (sums.HighestSequence > header.LastSequence)
        {
            _findings.Add(FindingKinds.StatePosition, new FindingPlace { File = _file, Table = "meta", LastSequence = header.LastSequence }, $"A record was made by event {sums.HighestSequence}, which the state has not folded.");
        }
    }

    private static bool SameDerived(StateSums sums) =>
        sums.Actual.TableEquals(sums.Expected, StateTable.Index) && sums.Actual.TableEquals(sums.Expected, StateTable.Surrogates);

    private void Find(FindingKind kind, long offset, string message) => _findings.Add(kind, new FindingPlace { File = _file, OffsetBytes = offset }, message);
}
