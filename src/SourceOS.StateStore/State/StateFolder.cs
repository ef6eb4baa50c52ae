// Why this file exists: brings a state up to the log: replay of what it lacks, or a whole rebuild into a new generation. Invariants: only whole
// commits are folded; a rebuilt state takes the old one's place through the superblock alone, after it is on the medium; a crash at
// any point leaves either the old generation or the new one, and leftovers of neither.

using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.State;

/// <summary>Folds a verified range of the log into a state.</summary>
internal sealed class StateFolder(StateEnvironment state, LogReader reader, StoreId storeId)
{
    private const int BatchArenaBytes = 16 << 20;
    private const int BatchMutations = 100_000;

    /// <summary>Folds everything from the state's position to the tip.</summary>
    /// <param name="superblock">The store's superblock.</param>
    /// <param name="tip">The end of the verified log.</param>
    /// <param name="cancellation">Ends it between commits; what is folded stays.</param>
    /// <returns>Frames folded.</returns>
    internal ulong FoldTo(Superblock superblock, LogTip tip, CancellationToken cancellation = default)
    {
        StateView view = new(state.Published);
        StateHeader header = new();
        StateDigest digest = new();
        view.ReadHeader(header);
        view.ReadDigest(digest);
        if (header.LogPosition == tip.Address)
        {
            return 0;
        }

        StateFold fold = new(view, header, digest);
        FrameScanner scanner = new(reader, storeId, StartOf(superblock, header), tip.Address) { Visitor = new FoldVisitor(fold) };
        ulong frames = 0;
        while (scanner.MoveNext() == ScanOutcome.Frame)
        {
            FrameHeader frame = scanner.Header;
            fold.EndFrame(in frame, scanner.Hash, frame.Address, (uint)frame.EntryLengthBytes, scanner.Position);
            frames++;
            bool isFull = fold.Mutations.ArenaBytes >= BatchArenaBytes || fold.Mutations.Count >= BatchMutations;
            if (frame.IsLastOfCommit && (isFull || scanner.Position == tip.Address))
            {
                Commit(fold);
                cancellation.ThrowIfCancellationRequested();
            }
        }

        if (fold.Header.LogPosition != tip.Address || fold.Header.ChainHead != tip.ChainHead)
        {
            throw new StateStoreException(
                StateStoreErrorCode.LogDamaged,
                $"The log changed while it was folded: {scanner.Fault}.",
                $"log address {scanner.Position}",
                "Check the device, then verify the store.");
        }

        return frames;
    }

    private static ScanStart StartOf(Superblock superblock, StateHeader header) =>
        header.FrameCount == superblock.BaseFrame
            ? ScanStart.AtBase(superblock)
            : ScanStart.AfterCommit(header.StoreId, header.LogPosition, header.FrameCount, header.LastSequence, header.LastCommitId, header.WriterEpoch, header.ChainHead);

    private void Commit(StateFold fold)
    {
        using LmdbWriteTransaction transaction = state.Apply(fold.Mutations, fold.Header, fold.Digest);
        transaction.Commit();
        state.Publish();
        fold.Rebase(new StateView(state.Published));
    }

    private sealed class FoldVisitor(StateFold fold) : IFrameEventVisitor
    {
        public void Visit(in FrameHeader header, in FrameEvent frameEvent, in EventView view) => fold.Apply(view);
    }
}

/// <summary>Makes and removes generations of the state.</summary>
internal static class StateGenerations
{
    /// <summary>Makes an empty state that folds nothing.</summary>
    internal static void Create(StoreLayout layout, Superblock superblock, ulong generation, FileOps files)
    {
        StoreDirectory.CreateIfMissing(files, layout.StatePath);
        using LmdbCreation creation = LmdbCreation.Begin(layout.GenerationPath(generation), StateEnvironment.Options(), files);
        using (LmdbWriteTransaction transaction = creation.Environment.BeginWrite())
        {
            LmdbDatabase meta = default;
            for (int code = 1; code <= Tables.Count; code++)
            {
                LmdbDatabase table = transaction.OpenDatabase(System.Text.Encoding.ASCII.GetString(Tables.Name((StateTable)code)), create: true);
                meta = code == (int)StateTable.Meta ? table : meta;
            }

            byte[] digest = new byte[StateDigest.EncodedLengthBytes];
            new StateDigest().Encode(digest);
            transaction.Put(meta, Tables.DigestKey, digest);
            byte[] header = new byte[StateHeader.MaxEncodedLengthBytes];
            int length = EmptyHeader(superblock, generation).Encode(header);
            transaction.Put(meta, Tables.HeaderKey, header.AsSpan(0, length));
            transaction.Commit();
        }

        creation.Complete();
    }

    /// <summary>Removes every generation but one, and unfinished ones.</summary>
    internal static void RemoveOthers(StoreLayout layout, ulong keep, FileOps files)
    {
        if (!files.Exists(layout.StatePath))
        {
            return;
        }

        foreach (DirectoryEntry entry in StoreDirectory.List(files, layout.StatePath))
        {
            string name = entry.Name.EndsWith(StoreLayout.UnfinishedSuffix, StringComparison.Ordinal) ? entry.Name[..^StoreLayout.UnfinishedSuffix.Length] : entry.Name;
            bool isOther = StoreLayout.TryParseGenerationName(name, out ulong generation) && (generation != keep || name != entry.Name);
            if (isOther && entry.Kind == FileKind.Directory)
            {
                Remove(files, Path.Combine(layout.StatePath, entry.Name));
            }
        }
    }

    /// <summary>
    /// Fails when the state's folder is no folder, or something that is no file stands where liblmdb keeps its lock: nothing could be rebuilt there, and it should show before the log is written to.
    /// </summary>
    internal static void CheckPlaces(StoreLayout layout, ulong generation, FileOps files)
    {
        int result = StoreFile.TryOpen(files, layout.StatePath, OpenOptions.Read | OpenOptions.Directory, out StoreFile? folder);
        folder?.Dispose();
        if (result < 0 && (result != -Errno.ENOENT || files.Stat(layout.StatePath, out _) == 0))
        {
            FileErrors.Throw(result, "open the state's folder", layout.StatePath);
        }

        string lockPath = Path.Combine(layout.GenerationPath(generation), LmdbEnvironment.LockFileName);
        if (files.Stat(lockPath, out FileStatus status) == 0 && status.Kind != FileKind.File)
        {
            FileErrors.Throw(status.Kind == FileKind.Directory ? -Errno.EISDIR : -Errno.ENXIO, "use the state's lock file", lockPath);
        }
    }

    private static void Remove(FileOps files, string directory)
    {
        // A folder in it was put there by somebody; what it holds is not ours to remove, and it harms nobody where it is.
        List<DirectoryEntry> entries = StoreDirectory.List(files, directory);
        if (entries.Any(static entry => entry.Kind == FileKind.Directory))
        {
            return;
        }

        foreach (DirectoryEntry entry in entries)
        {
            StoreDirectory.RemoveFile(files, Path.Combine(directory, entry.Name));
        }

        StoreDirectory.Remove(files, directory);
    }

    private static StateHeader EmptyHeader(Superblock superblock, ulong generation)
    {
        StateHeader header = new()
        {
            StoreId = superblock.StoreId,
            Generation = generation,
            LogPosition = superblock.BaseAddress,
            LastSequence = superblock.BaseSequence - 1,
            ChainHead = superblock.BaseChainHead,
        };
        header.Frontier.Set(superblock.BaseFrame, superblock.BaseFrontier);
        return header;
    }
}
