// Why this file exists: the door to watching a directory tree: after a first adoption the store follows what happens to it. Invariants: the watcher is a hint and the tree is the truth; the store is held for the time of
// a round and not between rounds; nothing is removed because a root is gone.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Watches directory trees. Stateless and thread-safe; one watch for one workspace at a time.</summary>
public static class WorkspaceWatch
{
    /// <summary>
    /// Adopts a tree and then keeps the store true to it until it is cancelled. Events are gathered until it was quiet for <see cref="WatchOptions.QuietMs"/>, and what they touched is adopted. Dropped events, a failing
    /// watcher and time lead to a look at the whole tree. The store is opened for each round and closed after it, so that other writers get their turn.
    /// </summary>
    /// <param name="open">Opens the store for writing; called once a round, and again while another writer holds it.</param>
    /// <param name="identify">Says who adopts, for the store that a round works on.</param>
    /// <param name="path">The tree's root, an existing directory.</param>
    /// <param name="adopt">Choices of the adoption; null for the defaults. <see cref="AdoptOptions.Rehash"/> holds for the first round.</param>
    /// <param name="watch">Choices of the watch; null for the defaults.</param>
    /// <param name="rounds">Told about each round, one after the other; may be null.</param>
    /// <param name="progress">Told about the progress of the first round; may be null.</param>
    /// <param name="cancellationToken">Ends the watch; that is its ordinary end and no exception.</param>
    /// <returns>How it ended and what it came to.</returns>
    /// <exception cref="ArgumentException">The path or an option is not valid.</exception>
    /// <exception cref="DirectoryNotFoundException">There is nothing at the path when the watch starts.</exception>
    /// <exception cref="StateStoreException">The store failed, or was locked for the whole of the first round's wait.</exception>
    public static Task<WatchSummary> RunAsync(
        Func<StateStore> open,
        Func<StateStore, SessionIdentity> identify,
        string path,
        AdoptOptions? adopt = null,
        WatchOptions? watch = null,
        IProgress<WatchRound>? rounds = null,
        IProgress<AdoptProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(open);
        ArgumentNullException.ThrowIfNull(identify);
        return RunAsync(LinuxTreeCalls.Instance, SystemTreeSignals.Start, new WatchStore(open, identify, ClosesStore: true), path, adopt ?? new AdoptOptions(), watch ?? new WatchOptions(), rounds, progress, cancellationToken);
    }

    /// <summary>As the other overload, on a store that the caller holds open for writing and closes after the watch.</summary>
    /// <param name="store">The store, open for writing.</param>
    /// <param name="identity">Who adopts.</param>
    /// <param name="path">The tree's root.</param>
    /// <param name="adopt">Choices of the adoption.</param>
    /// <param name="watch">Choices of the watch.</param>
    /// <param name="rounds">Told about each round.</param>
    /// <param name="cancellationToken">Ends the watch.</param>
    /// <returns>How it ended and what it came to.</returns>
    /// <exception cref="ArgumentException">The path or an option is not valid.</exception>
    /// <exception cref="DirectoryNotFoundException">There is nothing at the path when the watch starts.</exception>
    /// <exception cref="StateStoreException">The store failed.</exception>
    public static Task<WatchSummary> RunAsync(
        StateStore store,
        SessionIdentity identity,
        string path,
        AdoptOptions? adopt = null,
        WatchOptions? watch = null,
        IProgress<WatchRound>? rounds = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(identity);
        return RunAsync(
            LinuxTreeCalls.Instance, SystemTreeSignals.Start, new WatchStore(() => store, _ => identity, ClosesStore: false), path, adopt ?? new AdoptOptions(), watch ?? new WatchOptions(), rounds, null, cancellationToken);
    }

    internal static async Task<WatchSummary> RunAsync(
        TreeCalls calls,
        TreeSignalSource signals,
        WatchStore store,
        string path,
        AdoptOptions adopt,
        WatchOptions watch,
        IProgress<WatchRound>? rounds,
        IProgress<AdoptProgress>? progress,
        CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        adopt.Validate();
        watch.Validate();
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("A path cannot hold NUL.", nameof(path));
        }

        string root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (!WatchRun.TryIdentify(calls, root, out (ulong Device, ulong Inode) identity))
        {
            throw File.Exists(root)
                ? new StateStoreException(StateStoreErrorCode.InvalidInput, "Only a directory can be watched.", root)
                : new DirectoryNotFoundException($"There is no directory at {root} that can be read.");
        }

        using WatchRun run = new(calls, signals, store, root, identity, adopt, watch, rounds, progress);
        return await run.RunAsync(cancellationToken).ConfigureAwait(false);
    }
}

/// <summary>The store of a watch.</summary>
/// <param name="Open">Opens it for writing.</param>
/// <param name="Identify">Says who adopts.</param>
/// <param name="ClosesStore">Whether it is closed after each round.</param>
internal sealed record WatchStore(Func<StateStore> Open, Func<StateStore, SessionIdentity> Identify, bool ClosesStore);
