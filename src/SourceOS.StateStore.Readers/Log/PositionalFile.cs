// Why this file exists: whole-length reads at an offset over whatever the seam opened. Invariants: never reads outside the range
// asked for; a short read, a signal and a file that shrinks end in a status; the file position is never used, so threads may share it.

namespace SourceOS.StateStore.Readers.Log;

/// <summary>An open file, read at offsets. Thread-safe, except that it must not be disposed while a read runs.</summary>
public abstract class PositionalFile : IDisposable
{
    /// <summary>Creates the object.</summary>
    /// <param name="path">The file's path, for findings.</param>
    protected PositionalFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Path = path;
    }

    /// <summary>The path it was opened by.</summary>
    public string Path { get; }

    /// <summary>Opens a regular file of the running kernel.</summary>
    /// <param name="path">The file.</param>
    /// <param name="file">The open file; null unless the status is <see cref="ReadStatus.Ok"/>.</param>
    /// <returns>What became of it.</returns>
    public static ReadStatus Open(string path, out PositionalFile? file) => StoreFiles.Native.Open(path, out file);

    /// <summary>Asks for the file's present length.</summary>
    /// <param name="lengthBytes">The length in bytes; 0 unless the status is <see cref="ReadStatus.Ok"/>.</param>
    /// <returns>What became of it.</returns>
    public abstract ReadStatus GetLength(out long lengthBytes);

    /// <summary>Fills the destination from an offset.</summary>
    /// <param name="offset">Where to start, from the file's start.</param>
    /// <param name="destination">What to fill.</param>
    /// <param name="readBytes">How many bytes at the destination's start are valid; all of them when the status is <see cref="ReadStatus.Ok"/>.</param>
    /// <returns><see cref="ReadStatus.Ok"/> only when the destination is full.</returns>
    public ReadStatus Read(long offset, Span<byte> destination, out int readBytes)
    {
        readBytes = 0;
        if (offset < 0 || offset > long.MaxValue - destination.Length)
        {
            return ReadStatus.OutOfRange;
        }

        while (readBytes < destination.Length)
        {
            ReadStatus status = ReadSome(offset + readBytes, destination[readBytes..], out int count);
            if (status != ReadStatus.Ok)
            {
                return status;
            }

            if (count <= 0 || count > destination.Length - readBytes)
            {
                return count == 0 ? ReadStatus.EndOfFile : ReadStatus.InputOutput;
            }

            readBytes += count;
        }

        return ReadStatus.Ok;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>One read, which may be shorter than the destination; a count of 0 means the end of the file.</summary>
    /// <param name="offset">Where to start; not negative.</param>
    /// <param name="destination">Where to; not empty.</param>
    /// <param name="countBytes">How many bytes were read.</param>
    /// <returns>What became of it.</returns>
    protected abstract ReadStatus ReadSome(long offset, Span<byte> destination, out int countBytes);

    /// <summary>Closes the file.</summary>
    /// <param name="disposing">Whether <see cref="Dispose()"/> was called.</param>
    protected abstract void Dispose(bool disposing);
}
