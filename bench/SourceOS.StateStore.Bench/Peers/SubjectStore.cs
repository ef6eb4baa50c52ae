// Why this file exists: the store as the comparisons use it: default options, one session, the sample objects as batches.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Bench.Peers;

/// <summary>A store under measurement.</summary>
public sealed class SubjectStore : IAsyncDisposable
{
    /// <summary>Objects a commit holds while data is loaded.</summary>
    public const int LoadBatch = 1000;

    private SubjectStore(global::SourceOS.StateStore.StateStore store)
    {
        Store = store;
        Session = store.OpenSession(Me);
    }

    /// <summary>Who commits.</summary>
    public static SessionIdentity Me { get; } = new("actor:bench", "device:bench", "profile:personal", "workspace:0");

    /// <summary>The store.</summary>
    public global::SourceOS.StateStore.StateStore Store { get; }

    /// <summary>Its session.</summary>
    public StateSession Session { get; }

    /// <summary>Makes a store with default options.</summary>
    /// <param name="path">Its directory.</param>
    /// <param name="files">The system calls under it, or null.</param>
    public static SubjectStore Create(string path, FileOps? files = null) =>
        new(global::SourceOS.StateStore.StateStore.Create(path, new StateStoreOptions { Files = files }));

    /// <summary>Opens a store with default options.</summary>
    /// <param name="path">Its directory.</param>
    public static SubjectStore Open(string path) => new(global::SourceOS.StateStore.StateStore.Open(path));

    /// <summary>Commits one change.</summary>
    public ValueTask<CommitReceipt> CommitAsync(SampleObject change, CommitWait wait)
    {
        ArgumentNullException.ThrowIfNull(change);
        return Session.CommitAsync(new CommitBatch().Put(RecordKind.Object, change.Id, change.Body), wait);
    }

    /// <summary>Commits one change on this thread.</summary>
    public CommitReceipt Commit(SampleObject change, CommitWait wait)
    {
        ArgumentNullException.ThrowIfNull(change);
        return Session.Commit(new CommitBatch().Put(RecordKind.Object, change.Id, change.Body), wait);
    }

    /// <summary>Commits changes together.</summary>
    public ValueTask<CommitReceipt> CommitAsync(ReadOnlySpan<SampleObject> changes, CommitWait wait = CommitWait.Visible)
    {
        CommitBatch batch = new();
        foreach (SampleObject change in changes)
        {
            batch.Put(RecordKind.Object, change.Id, change.Body);
        }

        return Session.CommitAsync(batch, wait);
    }

    /// <summary>Commits many objects in batches.</summary>
    public async Task LoadAsync(IEnumerable<SampleObject> objects)
    {
        foreach (SampleObject[] batch in objects.Chunk(LoadBatch))
        {
            Require(await CommitAsync(batch));
        }
    }

    /// <summary>Throws unless a commit happened.</summary>
    public static void Require(CommitReceipt receipt)
    {
        ArgumentNullException.ThrowIfNull(receipt);
        if (!receipt.IsCommitted)
        {
            throw new InvalidOperationException($"The store refused a commit: {receipt.Refusal}");
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Store.DisposeAsync();
}
