// Why this file exists: the door to adopting a directory tree: its files, folders and links become objects of the store. Invariants:
// nothing in the tree is changed; symbolic links are recorded and never followed; a run finds what changed since the last one and
// writes nothing when nothing did.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Adopts directory trees. Stateless and thread-safe; one run for one workspace at a time.</summary>
public static class WorkspaceAdapter
{
    /// <summary>
    /// Records a directory tree: one workspace object, and an object for each folder, file (size, mode, modification time, SHA-256) and symbolic
    /// link. Files whose size, times and mode are as recorded are not read again. A file that moved keeps its object. What is gone leaves a
    /// tombstone. Left out: folders named `.statestore`, the store itself, the content of `.git`, and what `.statestoreignore` files say.
    /// </summary>
    /// <param name="store">A store open for writing.</param>
    /// <param name="identity">Who adopts, on which device, in which profile; its workspace is replaced by the tree's.</param>
    /// <param name="path">The tree's root, an existing directory.</param>
    /// <param name="options">Choices; null for the defaults.</param>
    /// <param name="progress">Told about progress every 200 ms; may be null.</param>
    /// <param name="cancellationToken">Ends the run; what was committed by then stays, and the next run goes on from there.</param>
    /// <returns>What was found and written. A refusal by a gate is part of it.</returns>
    /// <exception cref="ArgumentException">The path, an option or the workspace identifier is not valid.</exception>
    /// <exception cref="DirectoryNotFoundException">There is nothing at the path.</exception>
    /// <exception cref="StateStoreException">The path is not a readable directory, the workspace belongs to another tree, or the store failed.</exception>
    public static Task<AdoptReport> AdoptAsync(
        StateStore store,
        SessionIdentity identity,
        string path,
        AdoptOptions? options = null,
        IProgress<AdoptProgress>? progress = null,
        CancellationToken cancellationToken = default) =>
        AdoptAsync(LinuxTreeCalls.Instance, store, identity, path, options ?? new AdoptOptions(), TimeProvider.System, progress, cancellationToken);

    internal static async Task<AdoptReport> AdoptAsync(
        TreeCalls calls,
        StateStore store,
        SessionIdentity identity,
        string path,
        AdoptOptions options,
        TimeProvider clock,
        IProgress<AdoptProgress>? progress,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentException.ThrowIfNullOrEmpty(path);
        options.Validate();
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("A path cannot hold NUL.", nameof(path));
        }

        if (options.WorkspaceId is { } workspace && !Identifier.IsValid(workspace, out string reason))
        {
            throw new ArgumentException($"The workspace identifier is not valid: {reason}.", nameof(options));
        }

        string root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        using AdoptRun run = new(calls, store, identity, options, clock);
        return await run.RunAsync(root, progress, cancellationToken).ConfigureAwait(false);
    }
}
