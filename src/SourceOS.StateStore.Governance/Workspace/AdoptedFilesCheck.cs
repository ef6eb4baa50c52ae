// Why this file exists: the store proves itself, and a file beside it rots all the same: only hashing it again shows that its bytes are those that were recorded. Invariants: nothing is written, in the tree or in the store;
// links are never followed below the root; a file that changed since is news and no damage, one of the same size and times with other bytes is damage.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Hashing;
using SourceOS.StateStore.Governance.Workspace.Tree;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Hashes adopted files again. Thread-safe: it keeps nothing.</summary>
public static class AdoptedFilesCheck
{
    private const int ChunkFiles = 4096;
    private const int MaxNamed = 1000;

    /// <summary>Compares every file that the store's workspaces record with the file on disk, and adds what it finds to a report.</summary>
    /// <param name="store">The store, open for reading.</param>
    /// <param name="report">What was found before.</param>
    /// <param name="progress">Told about files and bytes; may be null.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>The report with the findings `workspace.file.differs`, `workspace.file.changed` and `workspace.file.missing`; workspaces of other devices are named as not checked.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static VerificationReport AddTo(StateStore store, VerificationReport report, IProgress<VerificationProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(report);
        using Run run = new(LinuxTreeCalls.Instance, progress, cancellation);
        string? after = "";
        while (after is not null)
        {
            // No snapshot is held while files are read, so a large tree outlives none.
            List<KnownFile> chunk;
            using (ReadSnapshot snapshot = store.OpenSnapshot())
            {
                chunk = run.Next(snapshot, ref after);
            }

            run.Check(chunk);
        }

        VerificationVerdict verdict = run.Damaged > 0 && report.Verdict == VerificationVerdict.Clean ? VerificationVerdict.Damaged : report.Verdict;
        return report with
        {
            Verdict = verdict,
            Findings = [.. report.Findings, .. run.Findings],
            FindingCount = report.FindingCount + run.Count,
            NotChecked = [.. report.NotChecked, .. run.NotChecked],
        };
    }

    private readonly record struct KnownFile(int Root, string Id, byte[] Path, long SizeBytes, long ModifiedNs, Hash256 Hash, ulong Sequence);

    private sealed class Run(TreeCalls calls, IProgress<VerificationProgress>? progress, CancellationToken cancellation) : IDisposable
    {
        private readonly Dictionary<string, int> _roots = new(StringComparer.Ordinal);
        private readonly Lock _gate = new();
        private long _bytes;

        internal List<Finding> Findings { get; } = [];

        internal List<NotChecked> NotChecked { get; } = [];

        internal long Count { get; private set; }

        internal long Damaged { get; private set; }

        /// <summary>The next files in the order of their objects; the place to go on from is null behind the last.</summary>
        internal List<KnownFile> Next(ReadSnapshot snapshot, ref string? after)
        {
            List<KnownFile> chunk = new(ChunkFiles);
            foreach (RecordView record in snapshot.Range(RecordKind.Object, afterId: after is "" ? null : after))
            {
                if (chunk.Count == ChunkFiles)
                {
                    after = chunk[^1].Id;
                    return chunk;
                }

                if (TryRead(snapshot, record, out KnownFile file))
                {
                    chunk.Add(file);
                }
            }

            after = null;
            return chunk;
        }

        internal void Check(List<KnownFile> chunk)
        {
            ParallelOptions options = new() { MaxDegreeOfParallelism = Math.Clamp(Environment.ProcessorCount, 1, 8), CancellationToken = cancellation };
            Parallel.ForEach(chunk, options, () => new FileHasher(calls, long.MaxValue), (file, _, hasher) =>
            {
                Check(file.Root, file, hasher);
                return hasher;
            }, static _ => { });
            progress?.Report(new VerificationProgress("adopted files", Interlocked.Read(ref _bytes), 0));
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            foreach (int fd in _roots.Values.Where(static fd => fd >= 0))
            {
                calls.Close(fd);
            }
        }

        private bool TryRead(ReadSnapshot snapshot, RecordView record, out KnownFile file)
        {
            RecordBodyView body = record.Body;
            file = default;
            if (!body.TryGetText(ObjectFields.ObjectType, out ReadOnlySpan<byte> type) || !type.SequenceEqual("file"u8)
                || !body.TryGetText(ObjectFields.Path, out ReadOnlySpan<byte> path) || path.IsEmpty || path.Contains((byte)0)
                || !body.TryGetText(ObjectFields.WorkspaceId, out ReadOnlySpan<byte> workspace)
                || !body.TryGetSha256(ObjectFields.ContentHash, out Hash256 hash)
                || !body.TryGetInteger(ObjectFields.SizeBytes, out long size) || !body.TryGetInteger(ObjectFields.ModifiedNs, out long modified))
            {
                return false;
            }

            // A fork that a conflict left keeps the other device's hash; it is nobody's file here.
            string workspaceId = Encoding.UTF8.GetString(workspace);
            if (!new WorkspaceIds(workspaceId).IsOwn(EntryKind.File, record.Id))
            {
                return false;
            }

            int root = Root(snapshot, workspaceId);
            file = new KnownFile(root, Encoding.UTF8.GetString(record.Id), path.ToArray(), size, modified, hash, record.Sequence);
            return root >= 0;
        }

        // Opened once for each workspace; one that has no tree here is named once.
        private int Root(ReadSnapshot snapshot, string workspace)
        {
            if (_roots.TryGetValue(workspace, out int fd))
            {
                return fd;
            }

            string? path = Identifier.IsValid(workspace) ? WorkspaceRecord.RootOf(snapshot, workspace) : null;
            fd = path is { Length: > 0 } && Path.IsPathFullyQualified(path) && !path.Contains('\0', StringComparison.Ordinal) ? calls.OpenRoot(path) : -1;
            if (fd < 0)
            {
                NotChecked.Add(new NotChecked($"files of {workspace}", path is null ? "no tree is recorded for it" : $"its tree {path} cannot be opened"));
            }

            _roots[workspace] = fd;
            return fd;
        }

        private void Check(int root, in KnownFile file, FileHasher hasher)
        {
            byte[] hash = new byte[FileHasher.HashBytes];
            long before = hasher.BytesRead;
            string? reason = Hash(root, file.Path, hasher, hash, out TreeStatus status);
            Interlocked.Add(ref _bytes, hasher.BytesRead - before);
            if (reason == SkipReason.Vanished)
            {
                Add(FindingKinds.FileMissing, file, "It is recorded, and not in its tree any more.");
            }
            else if (reason is not null)
            {
                lock (_gate)
                {
                    NotChecked.Add(new NotChecked($"file {PathText.Render(file.Path)}", reason));
                }
            }
            else if (new Hash256(hash) != file.Hash)
            {
                bool looksSame = status.SizeBytes == file.SizeBytes && status.ModifiedUnixNs == file.ModifiedNs;
                Add(looksSame ? FindingKinds.FileDiffers : FindingKinds.FileChanged, file, looksSame ? "Size and time are as recorded, its bytes are not: they rotted, or somebody hid a change." : "It was changed since it was adopted.");
            }
        }

        private string? Hash(int root, byte[] path, FileHasher hasher, Memory<byte> hash, out TreeStatus status)
        {
            (string? reason, TreeStatus found) = FolderWay.To<(string?, TreeStatus)>(
                calls, root, path, (parent, name) => (hasher.Hash(parent, name, hash.Span, out TreeStatus read, cancellation), read), static result => (TreeErrno.Reason(result), default));
            status = found;
            return reason;
        }

        private void Add(FindingKind kind, in KnownFile file, string message)
        {
            lock (_gate)
            {
                Count++;
                Damaged += kind.Severity == FindingSeverity.Error ? 1 : 0;
                if (Findings.Count < MaxNamed)
                {
                    Findings.Add(new Finding(kind, new FindingPlace { File = PathText.Render(file.Path), FirstSequence = file.Sequence, Record = $"object/{file.Id}" }, message));
                }
            }
        }
    }
}
