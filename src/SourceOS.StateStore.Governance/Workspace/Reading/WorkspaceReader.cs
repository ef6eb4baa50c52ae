// Why this file exists: whoever reads an adopted file learns whether its bytes are those that the store recorded. Invariants: nothing is written here; a stream is given out only for bytes that were hashed and match, through the
// descriptor that was hashed; links are never followed below the root; no snapshot is held while a file is read.

using System.Text;
using Microsoft.Win32.SafeHandles;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Hashing;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Reads and checks adopted files. Stateless and thread-safe.</summary>
public static class WorkspaceReader
{
    /// <summary>Compares a file with its record.</summary>
    /// <param name="store">The store.</param>
    /// <param name="objectId">The file's object.</param>
    /// <param name="cancellationToken">Ends the reading of a long file.</param>
    /// <returns>What it came to; null when there is no such object, or it was deleted.</returns>
    /// <exception cref="ArgumentException">The identifier is not valid.</exception>
    /// <exception cref="StateStoreException">The store cannot be read.</exception>
    public static FileCheck? Check(StateStore store, string objectId, CancellationToken cancellationToken = default) =>
        Read(LinuxTreeCalls.Instance, store, objectId, keepsOpen: false, out _, cancellationToken);

    /// <summary>Opens a file for reading, when its bytes are those that were recorded.</summary>
    /// <param name="store">The store.</param>
    /// <param name="objectId">The file's object.</param>
    /// <param name="check">What comparing it came to; null when there is no such object.</param>
    /// <param name="cancellationToken">Ends the reading of a long file.</param>
    /// <returns>A stream at the file's start, which the caller disposes; null unless <paramref name="check"/> says that it matches. Who writes to the file afterwards is seen by the next check.</returns>
    /// <exception cref="ArgumentException">The identifier is not valid.</exception>
    /// <exception cref="StateStoreException">The store cannot be read.</exception>
    public static Stream? OpenFile(StateStore store, string objectId, out FileCheck? check, CancellationToken cancellationToken = default)
    {
        check = Read(LinuxTreeCalls.Instance, store, objectId, keepsOpen: true, out FileStream? stream, cancellationToken);
        return stream;
    }

    internal static FileCheck? Read(TreeCalls calls, StateStore store, string objectId, bool keepsOpen, out FileStream? stream, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentException.ThrowIfNullOrEmpty(objectId);
        stream = null;
        RecordedFile file;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            if (snapshot.Get(RecordKind.Object, objectId) is not { IsTombstone: false } record)
            {
                return null;
            }

            if (!RecordedFile.TryRead(snapshot, record, out file))
            {
                return file.Answer(file.Root is null && file.Path.Length > 0 ? FileVerdict.Elsewhere : FileVerdict.NotAFile, "");
            }
        }

        int root = calls.OpenRoot(file.Root!);
        if (root < 0)
        {
            return file.Answer(FileVerdict.Elsewhere, TreeErrno.Reason(root));
        }

        try
        {
            (FileCheck check, FileStream? opened) = FolderWay.To(calls, root, file.Path, (parent, name) => Compare(calls, file, parent, name, keepsOpen, cancellationToken), result => (Failed(file, TreeErrno.Reason(result)), null));
            stream = opened;
            return check;
        }
        finally
        {
            calls.Close(root);
        }
    }

    private static (FileCheck Check, FileStream? Stream) Compare(TreeCalls calls, RecordedFile file, int parent, byte[] name, bool keepsOpen, CancellationToken cancellationToken)
    {
        Span<byte> hash = stackalloc byte[FileHasher.HashBytes];
        int fd = calls.OpenFile(parent, name);
        if (fd < 0)
        {
            return (Failed(file, TreeErrno.Reason(fd)), null);
        }

        SafeFileHandle handle = new(fd, ownsHandle: true);
        bool isGiven = false;
        try
        {
            string? reason = new FileHasher(calls, long.MaxValue).HashOpen(fd, hash, out TreeStatus status, cancellationToken);
            if (reason is not null)
            {
                return (Failed(file, reason), null);
            }

            Hash256 found = new(hash);
            bool looksSame = status.SizeBytes == file.SizeBytes && status.ModifiedUnixNs == file.ModifiedNs;
            FileVerdict verdict = found == file.Hash ? FileVerdict.Matches : looksSame ? FileVerdict.Differs : FileVerdict.Changed;
            FileCheck check = file.Answer(verdict, "") with { FoundHash = found.ToString(), FoundBytes = status.SizeBytes, Found = status };
            if (verdict != FileVerdict.Matches || !keepsOpen)
            {
                return (check, null);
            }

            FileStream stream = new(handle, FileAccess.Read, bufferSize: 0) { Position = 0 };
            isGiven = true;
            return (check, stream);
        }
        finally
        {
            if (!isGiven)
            {
                handle.Dispose();
            }
        }
    }

    private static FileCheck Failed(RecordedFile file, string reason) => file.Answer(reason == SkipReason.Vanished ? FileVerdict.Missing : FileVerdict.Unreadable, reason);
}

/// <summary>What a record says of an adopted file.</summary>
internal sealed record RecordedFile(string ObjectId, ulong Sequence, string? Root, byte[] Path, long SizeBytes, long ModifiedNs, Hash256 Hash)
{
    /// <summary>Reads a record.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="record">The object.</param>
    /// <param name="file">The file, also when it is none that can be read: then without root, path or hash.</param>
    /// <returns>Whether it is an adopted file whose tree is known.</returns>
    public static bool TryRead(ReadSnapshot snapshot, StoredRecord record, out RecordedFile file)
    {
        file = new RecordedFile(record.Id, record.Sequence, null, [], 0, 0, default);
        if (!RecordBodyView.TryRead(record.Body.Span, out RecordBodyView body, out _)
            || !body.TryGetText(ObjectFields.ObjectType, out ReadOnlySpan<byte> type) || !type.SequenceEqual("file"u8)
            || !body.TryGetText(ObjectFields.Path, out ReadOnlySpan<byte> path) || path.IsEmpty || path.Contains((byte)0)
            || !body.TryGetText(ObjectFields.WorkspaceId, out ReadOnlySpan<byte> workspace)
            || !body.TryGetSha256(ObjectFields.ContentHash, out Hash256 hash)
            || !body.TryGetInteger(ObjectFields.SizeBytes, out long size) || !body.TryGetInteger(ObjectFields.ModifiedNs, out long modified))
        {
            return false;
        }

        string workspaceId = Encoding.UTF8.GetString(workspace);
        if (!Identifier.IsValid(workspaceId) || !new WorkspaceIds(workspaceId).IsOwn(EntryKind.File, Encoding.UTF8.GetBytes(record.Id)))
        {
            return false;
        }

        string? root = WorkspaceRecord.RootOf(snapshot, workspaceId);
        bool isUsable = root is { Length: > 0 } && System.IO.Path.IsPathFullyQualified(root) && !root.Contains('\0', StringComparison.Ordinal);
        file = new RecordedFile(record.Id, record.Sequence, isUsable ? root : null, path.ToArray(), size, modified, hash);
        return isUsable;
    }

    /// <summary>An answer about it.</summary>
    public FileCheck Answer(FileVerdict verdict, string reason) =>
        new(ObjectId, Sequence, PathText.Render(Path), verdict, reason, verdict == FileVerdict.NotAFile ? "" : Hash.ToString(), "", SizeBytes, 0);
}
