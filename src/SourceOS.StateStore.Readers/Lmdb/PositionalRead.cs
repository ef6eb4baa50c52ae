// Why this file exists: one place turns positional reads and their errors into a count, so that readers of hostile media never throw.
// Invariants: a short count means the end of the file; a negative one means that the operating system refused.

using Microsoft.Win32.SafeHandles;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Positional reads that answer with counts.</summary>
internal static class PositionalRead
{
    /// <summary>Fills a buffer from a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="buffer">What to fill.</param>
    /// <param name="offset">Where to start, in bytes.</param>
    /// <returns>The bytes read, fewer than asked only at the end of the file; -1 when the operating system reports an error.</returns>
    internal static int Fill(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        int have = 0;
        try
        {
            while (have < buffer.Length)
            {
                int got = RandomAccess.Read(file, buffer[have..], offset + have);
                if (got <= 0)
                {
                    break;
                }

                have += got;
            }
        }
        catch (IOException)
        {
            return -1;
        }
        catch (UnauthorizedAccessException)
        {
            return -1;
        }

        return have;
    }

    /// <summary>The length of a file.</summary>
    /// <param name="file">The file.</param>
    /// <returns>Its length in bytes; -1 when the operating system reports an error.</returns>
    internal static long Length(SafeFileHandle file)
    {
        try
        {
            return RandomAccess.GetLength(file);
        }
        catch (IOException)
        {
            return -1;
        }
        catch (UnauthorizedAccessException)
        {
            return -1;
        }
    }
}
