// Why this file exists: a pinned snapshot keeps its pages from being reused while our own reader walks them.
// Invariants: a pin is given back exactly once, whatever copies of it exist; no finalizer touches a transaction; slots are pooled, because
// taking a new one locks the reader table.

using System.Threading;

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>
/// A pinned snapshot. Dispose it soon: the oldest pin decides how far the file grows. Copies stand for the same pin; disposing any of
/// them gives it back, and disposing again does nothing. It may be disposed on another thread than the one that took it.
/// </summary>
public readonly struct LmdbReadPin : IDisposable, IEquatable<LmdbReadPin>
{
    private readonly LmdbEnvironment? _environment;
    private readonly PinnedReader? _reader;
    private readonly long _ticket;

    internal LmdbReadPin(LmdbEnvironment environment, PinnedReader reader, long ticket)
    {
        _environment = environment;
        _reader = reader;
        _ticket = ticket;
        TransactionId = reader.TransactionId;
    }

    /// <summary>The transaction whose snapshot is pinned: the meta to read from is the one that carries this number.</summary>
    public ulong TransactionId { get; }

    /// <summary>Whether the snapshot is still pinned.</summary>
    public bool IsActive => _reader is not null && _reader.IsHeldBy(_ticket);

    /// <summary>Gives the snapshot back.</summary>
    public void Dispose()
    {
        if (_reader is not null && _reader.TryGiveBack(_ticket))
        {
            _environment!.Release(_reader);
        }
    }

    /// <inheritdoc/>
    public bool Equals(LmdbReadPin other) => ReferenceEquals(_reader, other._reader) && _ticket == other._ticket;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is LmdbReadPin other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_reader, _ticket);

    /// <summary>Whether two values stand for the same pin.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>True when they do.</returns>
    public static bool operator ==(LmdbReadPin left, LmdbReadPin right) => left.Equals(right);

    /// <summary>Whether two values stand for different pins.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>True when they do.</returns>
    public static bool operator !=(LmdbReadPin left, LmdbReadPin right) => !left.Equals(right);
}

/// <summary>A pooled read transaction. Odd tickets are held, even ones are free.</summary>
internal sealed class PinnedReader(nint transaction)
{
    private long _ticket;

    internal nint Transaction { get; } = transaction;

    internal ulong TransactionId { get; private set; }

    /// <summary>Takes the reader, which no one holds.</summary>
    internal long Take(ulong transactionId)
    {
        TransactionId = transactionId;
        return Interlocked.Increment(ref _ticket);
    }

    internal bool IsHeldBy(long ticket) => Interlocked.Read(ref _ticket) == ticket;

    /// <summary>Ends one holder's claim; true for exactly one caller.</summary>
    internal bool TryGiveBack(long ticket) => Interlocked.CompareExchange(ref _ticket, ticket + 1, ticket) == ticket;
}
