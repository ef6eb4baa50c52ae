// Why this file exists: what is known and was not met has been removed. Invariants: only live objects that existed before the run and that this
// adapter named are removed; nothing below a folder that could not be read; no snapshot is held while a commit is awaited.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Finds removed objects of one workspace.</summary>
internal sealed class RemovalScan(StateStore store, string workspaceId, WorkspaceIds ids, SeenSet seen, AdoptTally tally, ulong knownUpTo, WalkScope? scope)
{
    private const int PageRecords = 4_096;

    private static readonly EntryKind[] Kinds = [EntryKind.File, EntryKind.Folder, EntryKind.Link];

    /// <summary>Whether a workspace has any object of this adapter.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="ids">The workspace's identifiers.</param>
    public static bool HasAny(ReadSnapshot snapshot, WorkspaceIds ids)
    {
        foreach (EntryKind kind in Kinds)
        {
            foreach (RecordView record in snapshot.Range(RecordKind.Object, Encoding.UTF8.GetString(ids.Prefix(kind)), includeTombstones: true))
            {
                if (record.Id.StartsWith(ids.Prefix(kind)))
                {
                    return true;
                }

                break;
            }
        }

        return false;
    }

    /// <summary>Finds what is to be removed, a page at a time.</summary>
    /// <param name="cancellationToken">Ends the scan at the next page.</param>
    /// <returns>Pages of deletions.</returns>
    public IEnumerable<List<AdoptedChange>> Pages(CancellationToken cancellationToken)
    {
        ChangeOptions options = new() { WorkspaceId = workspaceId };
        foreach (EntryKind kind in Kinds)
        {
            string? after = Encoding.UTF8.GetString(ids.Prefix(kind));
            while (after is not null)
            {
                cancellationToken.ThrowIfCancellationRequested();
                List<AdoptedChange> page = [];
                after = ReadPage(kind, after, options, page);
                yield return page;
            }
        }
    }

    // Returns the identifier to go on after, or null at the end.
    private string? ReadPage(EntryKind kind, string after, ChangeOptions options, List<AdoptedChange> page)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        int examined = 0;
        foreach (RecordView record in snapshot.Range(RecordKind.Object, after, includeTombstones: false))
        {
            if (!record.Id.StartsWith(ids.Prefix(kind)))
            {
                return null;
            }

            if (ids.IsOwn(kind, record.Id) && IsRemoved(record))
            {
                page.Add(new AdoptedChange(Encoding.UTF8.GetString(record.Id), null, options));
                tally.Count(kind, EntryOutcome.Removed);
            }

            if (++examined == PageRecords)
            {
                return Encoding.UTF8.GetString(record.Id);
            }
        }

        return null;
    }

    private bool IsRemoved(RecordView record) =>
        record.Surrogate <= knownUpTo
        && !seen.Contains(record.Surrogate)
        && IsGone(record.Body.TryGetText(ObjectFields.Path, out ReadOnlySpan<byte> path) ? Encoding.UTF8.GetString(path) : "");

    private bool IsGone(string path) => !tally.IsHidden(path) && scope?.Covers(path) != false;
}
