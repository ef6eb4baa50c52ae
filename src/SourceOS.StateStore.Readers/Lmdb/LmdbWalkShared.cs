// Why this file exists: what the workers of one walk share. Invariants: everything in it is safe for several threads.

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Shared by all trees and workers of one walk.</summary>
internal sealed record LmdbWalkShared(
    LmdbMeta Meta,
    LmdbPageLedger Ledger,
    LmdbFindings Findings,
    LmdbWalkProgress Progress,
    ILmdbVisitor? Visitor,
    CheckedPages? CheckedPages,
    CancellationToken Cancellation);
