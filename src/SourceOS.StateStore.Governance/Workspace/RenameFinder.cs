// Why this file exists: a file that appeared may be one that vanished under another name; then its object keeps its identifier and history.
// Invariants: the content is the same by SHA-256, the old path is gone from the tree now, and one object is claimed by one new path only; a
// path that cannot be examined counts as still there.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>An object whose file was renamed.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="OldPath">Where it was.</param>
/// <param name="Body">Its last body.</param>
internal sealed record RenamedObject(string Id, string OldPath, byte[] Body);

/// <summary>Finds the former name of a file. Used by one thread.</summary>
internal sealed class RenameFinder(TreeCalls calls, DirectoryHandle root, string workspaceId, WorkspaceIds ids, SeenSet seen)
{
    // A content that exists many times has many candidates; beyond this many a file counts as new.
    private const int MaxCandidates = 64;

    /// <summary>Finds and claims the object that a new file was before.</summary>
    /// <param name="snapshot">The state before the run's changes to it.</param>
    /// <param name="entry">The new file, hashed.</param>
    /// <returns>The object, or null when the file is new.</returns>
    public RenamedObject? Claim(ReadSnapshot snapshot, in TreeEntry entry)
    {
        if (entry.Path.Length > KnownObjects.MaxIndexedPathBytes)
        {
            return null;
        }

        List<(ulong Surrogate, int Score, RenamedObject Object)> candidates = Candidates(snapshot, entry);
        candidates.Sort(static (a, b) => b.Score != a.Score ? b.Score.CompareTo(a.Score) : string.CompareOrdinal(a.Object.OldPath, b.Object.OldPath));
        foreach ((ulong surrogate, _, RenamedObject renamed) in candidates)
        {
            if (IsGone(Encoding.UTF8.GetBytes(renamed.OldPath)) && seen.TryMark(surrogate))
            {
                return renamed;
            }
        }

        return null;
    }

    private List<(ulong Surrogate, int Score, RenamedObject Object)> Candidates(ReadSnapshot snapshot, in TreeEntry entry)
    {
        List<(ulong Surrogate, int Score, RenamedObject Object)> candidates = [];
        int examined = 0;
        foreach (RecordView record in snapshot.ByIndex(IndexQuery.ContentHash("sha256:" + entry.Hash)))
        {
            if (++examined > MaxCandidates)
            {
                break;
            }

            if (IsCandidate(record, entry, out int score))
            {
                record.Body.TryGetText(ObjectFields.Path, out ReadOnlySpan<byte> path);
                RenamedObject renamed = new(Encoding.UTF8.GetString(record.Id), Encoding.UTF8.GetString(path), record.BodyBytes.ToArray());
                candidates.Add((record.Surrogate, score, renamed));
            }
        }

        return candidates;
    }

    // Equal times and names tell copies of one content apart. All empty files have one content, so for them content alone says nothing.
    private bool IsCandidate(RecordView record, in TreeEntry entry, out int score)
    {
        score = 0;
        if (record.IsTombstone || !ids.IsOwn(EntryKind.File, record.Id) || seen.Contains(record.Surrogate)
            || !record.Body.TryGetText(ObjectFields.WorkspaceId, out ReadOnlySpan<byte> workspace) || !IsWorkspace(workspace)
            || !record.Body.TryGetText(ObjectFields.Path, out ReadOnlySpan<byte> path) || path.SequenceEqual(entry.Path)
            || !record.Body.TryGetInteger(ObjectFields.SizeBytes, out long size) || size != entry.Status.SizeBytes)
        {
            return false;
        }

        bool isSameTime = record.Body.TryGetInteger(ObjectFields.ModifiedNs, out long modified) && modified == entry.Status.ModifiedUnixNs;
        bool isSameName = NameOf(path).SequenceEqual(NameOf(entry.Path));
        score = (isSameTime ? 2 : 0) + (isSameName ? 1 : 0);
        return size > 0 || isSameTime;
    }

    private bool IsWorkspace(ReadOnlySpan<byte> text)
    {
        Span<byte> id = stackalloc byte[Encoding.UTF8.GetMaxByteCount(workspaceId.Length)];
        return text.SequenceEqual(id[..Encoding.UTF8.GetBytes(workspaceId, id)]);
    }

    private static ReadOnlySpan<byte> NameOf(ReadOnlySpan<byte> path) => path[(path.LastIndexOf((byte)'/') + 1)..];

    // Folder by folder from the root, never through a link: a link on the way means that the old path is gone.
    private bool IsGone(ReadOnlySpan<byte> path)
    {
        byte[] name = new byte[path.Length + 1];
        int folder = root.Fd;
        try
        {
            while (true)
            {
                int slash = path.IndexOf((byte)'/');
                ReadOnlySpan<byte> part = slash < 0 ? path : path[..slash];
                part.CopyTo(name);
                name[part.Length] = 0;
                if (slash < 0)
                {
                    int stat = calls.Stat(folder, name, out TreeStatus status);
                    return stat < 0 ? TreeErrno.IsVanished(stat) : status.Kind != EntryKind.File;
                }

                int next = calls.OpenFolder(folder, name);
                if (next < 0)
                {
                    return TreeErrno.IsVanished(next);
                }

                CloseUnlessRoot(folder);
                folder = next;
                path = path[(slash + 1)..];
            }
        }
        finally
        {
            CloseUnlessRoot(folder);
        }
    }

    private void CloseUnlessRoot(int fd)
    {
        if (fd != root.Fd)
        {
            calls.Close(fd);
        }
    }
}
