// Why this file exists: the frontier of the log's tree at a place in each segment, hashes only (format-spec/checkpoints.md), so that what lies behind damage of the log can still be joined to the tree. Invariants: a file is the header of a checkpoint
// and nothing else; its position lies in the segment that it is named after.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.StateCheckpoints;

/// <summary>Reads frontiers. Stateless.</summary>
public static class StateFrontierFile
{
    /// <summary>Reads a frontier.</summary>
    /// <param name="path">The file.</param>
    /// <param name="storeId">The store's id.</param>
    /// <param name="geometry">The log's geometry.</param>
    /// <param name="segment">The segment that it is named after.</param>
    /// <param name="files">How to open files.</param>
    /// <param name="state">Position, chain head, counts and frontier; null when it cannot be read or is not valid.</param>
    /// <param name="fault">What is wrong with its bytes.</param>
    /// <returns>How reading went.</returns>
    public static ReadStatus Read(string path, in StoreId storeId, LogGeometry geometry, int segment, StoreFiles files, out StateHeader? state, out FormatFault fault)
    {
        ArgumentNullException.ThrowIfNull(files);
        state = null;
        fault = FormatFault.None;
        ReadStatus status = files.Open(path, out PositionalFile? file);
        if (status != ReadStatus.Ok || file is null)
        {
            return status == ReadStatus.Ok ? ReadStatus.InputOutput : status;
        }

        using (file)
        {
            byte[] bytes = new byte[StateCheckpointHeader.LengthBytes];
            status = file.GetLength(out long length);
            status = status == ReadStatus.Ok && length >= bytes.Length ? file.Read(0, bytes, out _) : status;
            if (status != ReadStatus.Ok)
            {
                return status;
            }

            if (length != bytes.Length)
            {
                fault = new FormatFault(length < bytes.Length ? FaultCode.Truncated : FaultCode.TrailingBytes, Math.Min(length, bytes.Length));
            }
            else if (StateCheckpointHeader.TryDecode(bytes, out StateCheckpointHeader? header, out fault))
            {
                bool isHere = geometry.SegmentOf(Math.Min(header!.State.LogPosition, LogGeometry.MaxAddress) - 1) == segment;
                fault = header.State.StoreId != storeId ? new FormatFault(FaultCode.WrongStore, 16) : isHere ? FormatFault.None : new FormatFault(FaultCode.WrongPlace, 0);
                state = fault.IsFault ? null : header.State;
            }

            return ReadStatus.Ok;
        }
    }
}
