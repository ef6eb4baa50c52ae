// Why this file exists: privileged writes carry signatures, and what makes them must see a batch before it is queued. Invariants: a signer sees what the gates will see; it changes the events'
// data, and a body only by what the store would add to it anyway; it runs on the thread of whoever commits, so that the writer thread never waits for a key.

namespace SourceOS.StateStore;

/// <summary>The data of an event with its signature in it, and the body that was signed.</summary>
/// <param name="Index">Which change of the batch, from 0.</param>
/// <param name="DataJson">The event's data from now on; one JSON value of at most 65,536 bytes.</param>
/// <param name="Body">The body from now on, when what the store adds to it was added before it was signed; null leaves it.</param>
public readonly record struct SignedData(int Index, ReadOnlyMemory<byte> DataJson, ReadOnlyMemory<byte>? Body = null);

/// <summary>Signs changes before they are queued. Implementations are called from many threads at once.</summary>
public interface IBatchSigner
{
    /// <summary>Whether nothing can need a signature now; then it is not asked, so that stores without keys pay nothing.</summary>
    bool IsIdle { get; }

    /// <summary>Signs what needs a signature.</summary>
    /// <param name="store">The store, to read what is visible now.</param>
    /// <param name="session">Who commits.</param>
    /// <param name="changes">What is proposed.</param>
    /// <returns>New data for those changes that were signed; empty when none was.</returns>
    /// <exception cref="StateStoreException">A key that should sign cannot be used; the batch is not committed.</exception>
    IReadOnlyList<SignedData> Sign(StateStore store, SessionIdentity session, IReadOnlyList<ProposedChange> changes);
}
