// Why this file exists: makes a new store whole or not at all (format-spec/superblock.md, "Creation"). Invariants: everything is on the medium
// before the name appears; an existing store or a directory with other content is refused untouched.

using System.Globalization;
using System.Security.Cryptography;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Creates stores.</summary>
internal sealed class StoreCreation(StateStoreOptions options, FileOps ops)
{
    private readonly TimeProvider _clock = options.Clock ?? TimeProvider.System;

    internal void Create(string path)
    {
        bool hasEmptyTarget = CheckTarget(path);
        string parent = Path.GetDirectoryName(path) is { Length: > 0 } directory ? directory : ".";
        string temporary = Path.Combine(parent, $".{Path.GetFileName(path)}.new-{RandomNumberGenerator.GetInt32(int.MaxValue).ToString("x8", CultureInfo.InvariantCulture)}");
        StoreDirectory.Create(ops, temporary);
        try
        {
            Fill(new StoreLayout(temporary));
            if (hasEmptyTarget)
            {
                MoveParts(temporary, path);
            }
            else
            {
                StoreDirectory.Rename(ops, temporary, path);
            }

            StoreDirectory.Sync(ops, parent);
        }
        catch
        {
            RemoveTree(temporary);
            throw;
        }
    }

    private bool CheckTarget(string path)
    {
        if (!ops.Exists(path))
        {
            return false;
        }

        bool isEmpty = StoreDirectory.List(ops, path).Count == 0;
        if (!isEmpty)
        {
            bool isStore = ops.Exists(Path.Combine(path, StoreLayout.SuperblockName));
            throw new StateStoreException(
                StateStoreErrorCode.AlreadyExists,
                isStore ? "There is a store already." : "The directory is not empty and is not a store.",
                path,
                isStore ? "Open it instead." : "Name another directory, or empty this one.");
        }

        return true;
    }

    private void Fill(StoreLayout layout)
    {
        Span<byte> id = stackalloc byte[StoreId.LengthBytes];
        RandomNumberGenerator.Fill(id);
        long now = Times.MicrosOf(_clock.GetUtcNow());
        byte[] file = new byte[Superblock.FileLengthBytes];
        Superblock superblock = Superblock.CreateNew(new StoreId(id), options.LogPageBits, options.SegmentBits, now, EngineBuild.Name).EncodeNewFile(file);
        StoreDirectory.Create(ops, layout.EventsPath);
        using (SegmentFiles segments = SegmentFiles.OpenForWriting(ops, layout.EventsPath, options.SegmentBits, (number, header) => Header(superblock, number, now).Encode(header)))
        {
            segments.CreateSegment(0);
        }

        StateGenerations.Create(layout, superblock, superblock.StateGeneration, ops);
        StoreDirectory.Create(ops, layout.QuarantinePath);
        StoreDirectory.Create(ops, layout.ReportsPath);
        WriteSynced(layout.LockPath, default);
        WriteSynced(layout.SuperblockPath, file);
        StoreDirectory.Sync(ops, layout.StatePath);
        StoreDirectory.Sync(ops, layout.StorePath);
    }

    private static SegmentHeader Header(Superblock superblock, int number, long now) => new()
    {
        StoreId = superblock.StoreId,
        SegmentNumber = number,
        PageBits = superblock.PageBits,
        SegmentBits = superblock.SegmentBits,
        CreatedAtMicros = now,
        WriterEpoch = 1,
    };

    private void WriteSynced(string path, ReadOnlySpan<byte> content)
    {
        using StoreFile file = StoreFile.Open(ops, path, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive);
        if (!content.IsEmpty)
        {
            file.Write(content, 0);
        }

        file.SyncAll();
    }

    // The superblock comes last: without it the directory is not a store, so a crash in between leaves none. A failure in between takes what was
    // moved away again: the directory was empty.
    private void MoveParts(string temporary, string path)
    {
        string[] parts = [StoreLayout.EventsName, StoreLayout.StateName, StoreLayout.QuarantineName, StoreLayout.ReportsName, StoreLayout.LockName];
        try
        {
            foreach (string part in parts)
            {
                StoreDirectory.Rename(ops, Path.Combine(temporary, part), Path.Combine(path, part));
            }

            StoreDirectory.Sync(ops, path);
            StoreDirectory.Rename(ops, Path.Combine(temporary, StoreLayout.SuperblockName), Path.Combine(path, StoreLayout.SuperblockName));
        }
        catch
        {
            foreach (string part in parts)
            {
                Remove(Path.Combine(path, part));
            }

            throw;
        }

        StoreDirectory.Sync(ops, path);
        StoreDirectory.Remove(ops, temporary);
    }

    private void Remove(string path)
    {
        if (ops.Stat(path, out FileStatus status) == 0 && status.Kind == FileKind.Directory)
        {
            RemoveTree(path);
        }
        else
        {
            _ = ops.Unlink(path);
        }
    }

    private void RemoveTree(string directory)
    {
        try
        {
            if (!ops.Exists(directory))
            {
                return;
            }

            foreach (DirectoryEntry entry in StoreDirectory.List(ops, directory))
            {
                string child = Path.Combine(directory, entry.Name);
                if (entry.Kind == FileKind.Directory)
                {
                    RemoveTree(child);
                }
                else
                {
                    StoreDirectory.RemoveFile(ops, child);
                }
            }

            StoreDirectory.Remove(ops, directory);
        }
        catch (StateStoreException)
        {
            // The failure that led here is the one to report; a leftover under a temporary name harms nobody.
            return;
        }
    }
}

/// <summary>What this build calls itself in what it writes.</summary>
internal static class EngineBuild
{
    internal static string Name { get; } = $"sourceos-statestore {typeof(EngineBuild).Assembly.GetName().Version?.ToString(3) ?? "0.0.0"}";
}
