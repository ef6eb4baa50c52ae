// Why this file exists: makes the parity of a sealed segment (format-spec/parity.md). Invariants: parity is made only of bytes whose frames were proven, the very bytes that the table names; a
// parity file has its name only when it is whole and synced; the segment is never written; memory is a few blocks and the table.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Parity;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Parity;

/// <summary>Makes and removes parity files. Used by one thread at a time for each segment.</summary>
internal sealed class ParityMaker(FileOps ops, StoreLayout layout, Superblock superblock, TimeProvider clock)
{
    private readonly StoreFiles _files = new SeamStoreFiles(ops);
    private readonly LogGeometry _geometry = new(superblock.PageBits, superblock.SegmentBits);

    /// <summary>Milliseconds of rest after each group, so that work in the background leaves the device to others.</summary>
    internal int RestMs { get; init; }

    /// <summary>Free bytes that must be left on the device.</summary>
    internal long ReserveBytes { get; init; }

    /// <summary>Makes the parity of a segment anew, in the place of the one that may be there.</summary>
    /// <param name="segment">A sealed segment: the log goes on behind it, and all of it is durable and confirmed.</param>
    /// <param name="cancellation">Gives up between groups and frames.</param>
    /// <exception cref="StateStoreException">DiskFull, InputOutput; LogDamaged when the segment is not whole. What was there before is left as it is.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal void Make(int segment, CancellationToken cancellation = default)
    {
        ThrowIfSpaceIsLow();
        if (StoreDirectory.CreateIfMissing(ops, layout.ParityFolderPath))
        {
            StoreDirectory.Sync(ops, layout.StorePath);
        }

        string path = layout.ParityPath(segment);
        string unfinished = path + StoreLayout.UnfinishedSuffix;
        StoreDirectory.RemoveFile(ops, unfinished);
        try
        {
            Write(segment, unfinished, cancellation);
            StoreDirectory.Rename(ops, unfinished, path);
            StoreDirectory.Sync(ops, layout.ParityFolderPath);
        }
        catch
        {
            // It is no part of the store; whoever makes parity next removes it first.
            _ = ops.Unlink(unfinished);
            throw;
        }
    }

    /// <summary>Removes all parity, durably: a log that is about to change in place must not be computed back.</summary>
    internal static void DropAll(FileOps ops, StoreLayout layout) => Drop(ops, layout, static _ => true);

    /// <summary>Removes parity that covers no segment of the log, and what was being made when a writer stopped. The caller makes none meanwhile.</summary>
    internal void DropLeftOvers()
    {
        int first = _geometry.SegmentOf(superblock.BaseAddress);
        Drop(ops, layout, segment => segment is not int number || number < first || !ops.Exists(layout.SegmentPath(number)));
    }

    /// <summary>Removes the parity of some segments, durably.</summary>
    internal static void Drop(FileOps ops, StoreLayout layout, IReadOnlyCollection<int> segments)
    {
        if (segments.Count > 0)
        {
            Drop(ops, layout, segment => segment is not int number || segments.Contains(number));
        }
    }

    // The number is null for what was never finished.
    private static void Drop(FileOps ops, StoreLayout layout, Predicate<int?> goes)
    {
        if (!ops.Exists(layout.ParityFolderPath))
        {
            return;
        }

        bool hasGone = false;
        foreach (DirectoryEntry entry in StoreDirectory.List(ops, layout.ParityFolderPath).Where(static entry => entry.Kind == FileKind.File))
        {
            bool isUnfinished = entry.Name.EndsWith(StoreLayout.UnfinishedSuffix, StringComparison.Ordinal);
            string name = isUnfinished ? entry.Name[..^StoreLayout.UnfinishedSuffix.Length] : entry.Name;
            if (StoreLayout.TryParseParityName(name, out int segment) && goes(isUnfinished ? null : segment))
            {
                hasGone |= StoreDirectory.RemoveFile(ops, Path.Combine(layout.ParityFolderPath, entry.Name));
            }
        }

        if (hasGone)
        {
            StoreDirectory.Sync(ops, layout.ParityFolderPath);
        }
    }

    private void Write(int segment, string unfinished, CancellationToken cancellation)
    {
        int bits = superblock.SegmentBits;
        byte[] head = new byte[ParityHeader.ParityOffsetOf(bits)];
        Span<byte> table = head.AsSpan(ParityHeader.LengthBytes, ParityHeader.TableLengthBytesOf(bits));
        using StoreFile file = StoreFile.Open(ops, unfinished, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive | OpenOptions.NoFollow);
        WriteGroups(segment, file, table, cancellation);
        Prove(segment, head, cancellation);
        new ParityHeader
        {
            StoreId = superblock.StoreId,
            SegmentNumber = segment,
            SegmentBits = bits,
            MadeAtMicros = Times.MicrosOf(clock.GetUtcNow()),
            TableCheck = ParityBlocks.TableCheck(superblock.StoreId, segment, table),
        }.Encode(head.AsSpan(0, ParityHeader.LengthBytes));
        file.Write(head, 0);
        file.SyncAll();
    }

    private void WriteGroups(int segment, StoreFile file, Span<byte> table, CancellationToken cancellation)
    {
        int groups = ParityHeader.GroupsOf(superblock.SegmentBits);
        int blocks = ParityHeader.DataBlocksOf(superblock.SegmentBits);
        byte[] sum = new byte[ParityHeader.BlockLengthBytes];
        byte[] block = new byte[ParityHeader.BlockLengthBytes];
        ReadStatus status = _files.Open(layout.SegmentPath(segment), out PositionalFile? data);
        using (data)
        {
            for (int group = 0; group < groups; group++)
            {
                cancellation.ThrowIfCancellationRequested();
                Array.Clear(sum);
                for (int i = group; i < blocks; i += groups)
                {
                    status = data is null ? status : ParityFile.ReadData(data, i, block);
                    if (data is null || status != ReadStatus.Ok)
                    {
                        throw Damaged(segment, $"block {i} cannot be read ({status})");
                    }

                    Note(table, segment, i, block);
                    ParityBlocks.Xor(sum, block);
                }

                Note(table, segment, blocks + group, sum);
                file.Write(sum, ParityHeader.ParityOffsetOf(superblock.SegmentBits) + ((long)group * ParityHeader.BlockLengthBytes));
                if (RestMs > 0 && group + 1 < groups)
                {
                    cancellation.WaitHandle.WaitOne(RestMs);
                }
            }
        }
    }

    private void Note(Span<byte> table, int segment, int index, ReadOnlySpan<byte> block) =>
        Checksum.Write128(table[(index * ParityHeader.CheckLengthBytes)..], ParityBlocks.BlockCheck(superblock.StoreId, segment, index, block));

    // The frames are read a second time, through the table: whatever the device answered differently the second time fails here instead of becoming parity.
    private void Prove(int segment, byte[] head, CancellationToken cancellation)
    {
        Dictionary<string, BlockLoader> loaders = new()
        {
            [layout.SegmentPath(segment)] = (data, index, block) =>
            {
                ReadStatus status = ParityFile.ReadData(data, index, block);
                UInt128 noted = Checksum.Read128(head.AsSpan(ParityHeader.LengthBytes + (index * ParityHeader.CheckLengthBytes)));
                return status != ReadStatus.Ok ? status
                    : ParityBlocks.BlockCheck(superblock.StoreId, segment, index, block) == noted ? ReadStatus.Ok
                    : ReadStatus.InputOutput;
            },
        };
        BlockwiseFiles files = new(_files, loaders, _geometry.SegmentFileBytes);
        if (!SegmentProof.Run(layout, _geometry, superblock.StoreId, superblock.BaseAddress, segment, files, out string flaw, cancellation))
        {
            throw Damaged(segment, flaw);
        }
    }

    private void ThrowIfSpaceIsLow()
    {
        long needed = ReserveBytes + ParityHeader.FileLengthBytesOf(superblock.SegmentBits);
        if (ReserveBytes > 0 && StoreDirectory.GetSpace(ops, layout.StorePath).AvailableBytes is long available && available < needed)
        {
            throw new StateStoreException(StateStoreErrorCode.DiskFull, $"The device has {available} bytes left; making parity needs {needed}, the reserve for commits and recovery among them.", layout.ParityFolderPath, "Free space; parity is made at the next open.", isRetryable: true);
        }
    }

    private StateStoreException Damaged(int segment, string what) => new(
        StateStoreErrorCode.LogDamaged, $"No parity can be made of log segment {segment}: {what}.", layout.SegmentPath(segment), "Run `statestore verify`, and repair.");
}
