// Why this file exists: finds the object that a path already has. Invariants: an answer is valid until the next call; no snapshot is kept
// long enough to expire or to hold back the reuse of pages; only objects that this adapter named are looked at.

using System.Diagnostics;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>What the store has for a path.</summary>
internal enum KnownAs
{
    /// <summary>Nothing; the identifier is free.</summary>
    Nothing = 1,

    /// <summary>A deleted object that was last at this path.</summary>
    Tombstone = 2,

    /// <summary>A live object.</summary>
    Live = 3,

    /// <summary>Nothing, and every identifier that the path may have is taken by objects that live elsewhere.</summary>
    Exhausted = 4,
}

/// <summary>Looks paths up in the store. Used by one thread.</summary>
internal sealed class KnownObjects(StateStore store, string workspaceId, WorkspaceIds ids) : IDisposable
{
    private const int IdBufferBytes = 255;
    private static readonly TimeSpan RefreshAfter = TimeSpan.FromSeconds(2);

    private readonly byte[] _id = new byte[IdBufferBytes];
    private readonly byte[] _foundId = new byte[IdBufferBytes];
    private int _foundLength;
    private ReadSnapshot? _snapshot;
    private long _openedAt;

    /// <summary>Longest path that is looked up by name, which only renamed files need: beyond it the index tells paths apart no more.</summary>
    public static int MaxIndexedPathBytes => IndexKeys.MaxPlainPathLengthBytes;

    /// <summary>The surrogate of the tombstone that the last look-up found.</summary>
    public ulong TombstoneSurrogate { get; private set; }

    /// <summary>A snapshot that is fresh enough.</summary>
    public ReadSnapshot Snapshot
    {
        get
        {
            if (_snapshot is null || Stopwatch.GetElapsedTime(_openedAt) > RefreshAfter)
            {
                _snapshot?.Dispose();
                _snapshot = null;
                _snapshot = store.OpenSnapshot();
                _openedAt = Stopwatch.GetTimestamp();
            }

            return _snapshot;
        }
    }

    /// <summary>Finds the object of a path.</summary>
    /// <param name="kind">File, folder or link.</param>
    /// <param name="path">The path below the root.</param>
    /// <param name="record">The object when it is live.</param>
    /// <returns>What there is.</returns>
    public KnownAs Find(EntryKind kind, scoped ReadOnlySpan<byte> path, out RecordView record)
    {
        ReadSnapshot snapshot = Snapshot;
        int idLength = 0;
        KnownAs result = KnownAs.Exhausted;
        for (int ordinal = 0; ordinal < WorkspaceIds.MaxOrdinal && result == KnownAs.Exhausted; ordinal++)
        {
            idLength = ids.Write(kind, path, ordinal, _id);
            if (!snapshot.TryGet(RecordKind.Object, _id.AsSpan(0, idLength), out record))
            {
                result = KnownAs.Nothing;
            }
            else if (record.Body.TryGetText(ObjectFields.Path, out ReadOnlySpan<byte> knownPath) && knownPath.SequenceEqual(path))
            {
                if (!record.IsTombstone)
                {
                    SetId(_id.AsSpan(0, idLength));
                    return KnownAs.Live;
                }

                TombstoneSurrogate = record.Surrogate;
                result = KnownAs.Tombstone;
            }
        }

        if (TryFindByPath(snapshot, kind, path, out record))
        {
            return KnownAs.Live;
        }

        SetId(_id.AsSpan(0, idLength));
        record = default;
        return result;
    }

    /// <summary>The identifier that the last look-up found or left free.</summary>
    public string FoundId() => System.Text.Encoding.UTF8.GetString(_foundId, 0, _foundLength);

    /// <inheritdoc/>
    public void Dispose() => _snapshot?.Dispose();

    // A renamed object is found by its path of today. The index lists paths in order, so the path itself comes first.
    private bool TryFindByPath(ReadSnapshot snapshot, EntryKind kind, scoped ReadOnlySpan<byte> path, out RecordView record)
    {
        record = default;
        if (path.Length > MaxIndexedPathBytes)
        {
            return false;
        }

        foreach (RecordView candidate in snapshot.ByIndex(IndexQuery.WorkspacePath(workspaceId, System.Text.Encoding.UTF8.GetString(path))))
        {
            if (!candidate.Body.TryGetText(ObjectFields.Path, out ReadOnlySpan<byte> candidatePath) || !candidatePath.SequenceEqual(path))
            {
                return false;
            }

            if (!candidate.IsTombstone && ids.IsOwn(kind, candidate.Id))
            {
                SetId(candidate.Id);
                record = candidate;
                return true;
            }
        }

        return false;
    }

    // Most look-ups of a second run need no text, so it is made only when it is asked for.
    private void SetId(ReadOnlySpan<byte> id)
    {
        id.CopyTo(_foundId);
        _foundLength = id.Length;
    }
}
