// Why this file exists: what stands behind the last frame decides between a crash and damage, so someone must look at all of it.
// Invariants: reads each byte of the range once, in long reads, through one buffer; never allocates in proportion to the range.

namespace SourceOS.StateStore.Readers.Log;

/// <summary>What a search for bytes that are not zero found.</summary>
/// <param name="Status">How reading went; <see cref="ReadStatus.Ok"/> when the whole range was read or a byte was found.</param>
/// <param name="FirstNotZero">Address of the first byte that is not zero; -1 when none was found.</param>
/// <param name="CheckedUntil">Every byte before this address was read.</param>
public readonly record struct ZeroCheck(ReadStatus Status, long FirstNotZero, long CheckedUntil)
{
    /// <summary>Whether the whole range was read and is zero.</summary>
    public bool IsZero => Status == ReadStatus.Ok && FirstNotZero < 0;
}

/// <summary>Looks for bytes that are not zero.</summary>
public static class LogZeroes
{
    /// <summary>Bytes read at a time.</summary>
    public const int ChunkBytes = 1 << 20;

    /// <summary>Reads a range of the log until its first byte that is not zero.</summary>
    /// <param name="reader">The log.</param>
    /// <param name="from">First address.</param>
    /// <param name="until">Address behind the last.</param>
    /// <param name="cancellation">Ends the search early.</param>
    /// <returns>What was found; a read that fails ends the search.</returns>
    /// <exception cref="OperationCanceledException">The search was cancelled.</exception>
    public static ZeroCheck Find(LogReader reader, long from, long until, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        if (from >= until)
        {
            return new ZeroCheck(ReadStatus.Ok, -1, until);
        }

        byte[] buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(ChunkBytes, until - from));
        long at = from;
        while (at < until)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<byte> chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, until - at));
            ReadStatus status = reader.ReadExactly(at, chunk, out int read);
            int notZero = chunk[..read].IndexOfAnyExcept((byte)0);
            if (notZero >= 0)
            {
                return new ZeroCheck(ReadStatus.Ok, at + notZero, at + notZero);
            }

            at += read;
            if (status != ReadStatus.Ok)
            {
                return new ZeroCheck(status, -1, at);
            }
        }

        return new ZeroCheck(ReadStatus.Ok, -1, at);
    }

    /// <summary>Finds the last byte of a range that is not zero, reading backwards.</summary>
    /// <param name="reader">The log.</param>
    /// <param name="from">First address.</param>
    /// <param name="until">Address behind the last.</param>
    /// <param name="lastNotZero">Address of the last byte that is not zero; -1 when there is none.</param>
    /// <param name="cancellation">Ends the search early.</param>
    /// <returns>How reading went; the answer holds only when it is <see cref="ReadStatus.Ok"/>.</returns>
    /// <exception cref="OperationCanceledException">The search was cancelled.</exception>
    public static ReadStatus FindLast(LogReader reader, long from, long until, out long lastNotZero, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        lastNotZero = -1;
        if (from >= until)
        {
            return ReadStatus.Ok;
        }

        byte[] buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(ChunkBytes, until - from));
        for (long end = until; end > from;)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<byte> chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - from));
            long start = end - chunk.Length;
            ReadStatus status = reader.ReadExactly(start, chunk, out _);
            if (status != ReadStatus.Ok)
            {
                return status;
            }

            int notZero = chunk.LastIndexOfAnyExcept((byte)0);
            if (notZero >= 0)
            {
                lastNotZero = start + notZero;
                return ReadStatus.Ok;
            }

            end = start;
        }

        return ReadStatus.Ok;
    }
}
