// Why this file exists: the protocol by which a segment file comes into being, so that under its final name a file is always whole.
// Invariants: zeroes are written, not only reserved, so that later syncs convert no extents; file synced before rename, directory after;
// a final name is never replaced; what could not be finished is removed.

using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Storage.Events;

/// <summary>Fills in the header block of a new segment.</summary>
/// <param name="segment">The segment number.</param>
/// <param name="header">4,096 zero bytes to fill. May be called on a background thread.</param>
public delegate void SegmentHeaderSource(int segment, Span<byte> header);

internal sealed class SegmentCreator(FileOps ops, string directory, int segmentBits, SegmentHeaderSource header)
{
    private const int StepBytes = 1 << 20;

    // Filling the device to the last byte would leave nothing to repair with.
    private const long LeaveFreeBytes = 1 << 20;

    private readonly long _fileBytes = SegmentLayout.PrologueBytes + (1L << segmentBits);

    /// <summary>Makes one segment, complete and durable, or nothing.</summary>
    /// <param name="segment">The segment number.</param>
    /// <param name="cancellation">Checked between steps of at most 1 MiB.</param>
    /// <exception cref="StateStoreException">It could not be made; <see cref="StateStoreErrorCode.DiskFull"/> may be tried again.</exception>
    public void Create(int segment, CancellationToken cancellation)
    {
        string target = Path.Combine(directory, SegmentLayout.FileName(segment));
        string temporary = Path.Combine(directory, SegmentLayout.NewFileName(segment));
        if (ops.Exists(target))
        {
            FileErrors.Throw(-Errno.EEXIST, "create", target);
        }

        if (ops.StatFileSystem(directory, out FileSystemSpace space) == 0 && space.AvailableBytes < _fileBytes + LeaveFreeBytes)
        {
            FileErrors.Throw(-Errno.ENOSPC, $"create a file of {_fileBytes} bytes", target);
        }

        // What stands under the temporary name was left by a writer that died; the store's lock is ours.
        StoreDirectory.RemoveFile(ops, temporary);
        bool renamed = false;
        try
        {
            Fill(temporary, segment, cancellation);
            StoreDirectory.Rename(ops, temporary, target);
            renamed = true;
        }
        finally
        {
            if (!renamed)
            {
                // Space is given back at once; if even this fails, the next try begins with it, and no reader looks at the name.
                _ = ops.Unlink(temporary);
            }
        }

        StoreDirectory.Sync(ops, directory);
    }

    private void Fill(string temporary, int segment, CancellationToken cancellation)
    {
        byte[] block = new byte[SegmentLayout.HeaderBytes];
        header(segment, block);
        using StoreFile file = StoreFile.Open(ops, temporary, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive | OpenOptions.NoFollow);
        file.Reserve(0, _fileBytes);
        for (long done = 0; done < _fileBytes;)
        {
            cancellation.ThrowIfCancellationRequested();
            long step = Math.Min(StepBytes, _fileBytes - done);
            file.WriteZeroes(done, step);
            done += step;
        }

        file.Write(block, 0);
        file.SyncAll();
    }
}
