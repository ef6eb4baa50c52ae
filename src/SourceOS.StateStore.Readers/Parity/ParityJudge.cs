// Why this file exists: what one parity file is worth, and which blocks of its segment are not the ones it was made from; the verifier reports it and repair plans by it. Invariants: reads
// only; memory is three blocks and the table, whatever the files hold.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Parity;

/// <summary>What was found of a segment's parity. Immutable.</summary>
/// <param name="Status">How reading the parity file went.</param>
/// <param name="Fault">What is wrong with its header or table.</param>
/// <param name="BadGroups">Groups whose block of parity cannot be read, is not the one that the table names, or is not the sum of its data.</param>
/// <param name="BadBlocks">Blocks of the segment that cannot be read or are not the ones that the table names.</param>
public sealed record ParityJudgement(ReadStatus Status, FormatFault Fault, IReadOnlyList<int> BadGroups, IReadOnlyList<int> BadBlocks)
{
    /// <summary>Whether there is no parity file.</summary>
    public bool IsMissing => Status == ReadStatus.NotFound;

    /// <summary>Whether the parity file is sound in itself.</summary>
    public bool IsSound => Status == ReadStatus.Ok && !Fault.IsFault && BadGroups.Count == 0;
}

/// <summary>Judges parity files.</summary>
public static class ParityJudge
{
    /// <summary>Reads a segment's parity and the segment.</summary>
    /// <param name="layout">The store's paths.</param>
    /// <param name="geometry">The log's geometry.</param>
    /// <param name="storeId">The store's id.</param>
    /// <param name="segment">The segment's number.</param>
    /// <param name="files">How to open files.</param>
    /// <param name="cancellation">Gives up between groups.</param>
    /// <returns>What was found.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static ParityJudgement Run(StoreLayout layout, LogGeometry geometry, in StoreId storeId, int segment, StoreFiles files, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(files);
        ReadStatus status = ParityFile.Open(layout, geometry, storeId, segment, files, out ParityFile? parity, out FormatFault fault);
        if (parity is null)
        {
            return new ParityJudgement(status, fault, [], []);
        }

        using (parity)
        {
            _ = files.Open(layout.SegmentPath(segment), out PositionalFile? data);
            using (data)
            {
                return Compare(parity, data, cancellation);
            }
        }
    }

    private static ParityJudgement Compare(ParityFile parity, PositionalFile? data, CancellationToken cancellation)
    {
        List<int> badGroups = [];
        List<int> badBlocks = [];
        byte[] sum = new byte[ParityHeader.BlockLengthBytes];
        byte[] block = new byte[ParityHeader.BlockLengthBytes];
        for (int group = 0; group < parity.Groups; group++)
        {
            cancellation.ThrowIfCancellationRequested();
            bool isWhole = true;
            bool isBad = !parity.TryReadParity(group, sum);
            for (int i = group; i < parity.DataBlocks; i += parity.Groups)
            {
                if (data is null || ParityFile.ReadData(data, i, block) != ReadStatus.Ok || !parity.Matches(i, block))
                {
                    isWhole = false;
                    badBlocks.Add(i);
                    continue;
                }

                ParityBlocks.Xor(sum, block);
            }

            // Blocks that all are what the table says must add up to the parity, or the file was never right.
            if (isBad || (isWhole && sum.AsSpan().ContainsAnyExcept((byte)0)))
            {
                badGroups.Add(group);
            }
        }

        badBlocks.Sort();
        return new ParityJudgement(ReadStatus.Ok, FormatFault.None, badGroups, badBlocks);
    }
}
