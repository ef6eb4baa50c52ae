// Why this file exists: a file's SHA-256 is worth recording only if it is the hash of one moment. Invariants: the file is described before and
// after it is read through the same descriptor; when the two differ it is read once more, and then given up; memory is one
// buffer, whatever the file's size; every byte is read once in order.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace.Hashing;

/// <summary>Hashes files of a tree. Used by one thread.</summary>
internal sealed class FileHasher(TreeCalls calls, long maxFileBytes)
{
    /// <summary>Length of a hash.</summary>
    public const int HashBytes = Checksum.Sha256LengthBytes;

    private const int BufferBytes = 128 * 1024;
    private const int Attempts = 2;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);

    /// <summary>Bytes read so far by this hasher, also those of files given up.</summary>
    public long BytesRead { get; private set; }

    /// <summary>Hashes one file.</summary>
    /// <param name="parent">The open directory that holds it.</param>
    /// <param name="nameWithNul">Its name.</param>
    /// <param name="hash">Receives <see cref="HashBytes"/> bytes.</param>
    /// <param name="status">The file as it was when it was hashed.</param>
    /// <param name="cancellationToken">Ends the reading of a long file.</param>
    /// <returns>Null when it is hashed, else the reason why not, one of <see cref="SkipReason"/>.</returns>
    public string? Hash(int parent, ReadOnlySpan<byte> nameWithNul, Span<byte> hash, out TreeStatus status, CancellationToken cancellationToken)
    {
        status = default;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            int fd = calls.OpenFile(parent, nameWithNul);
            if (fd < 0)
            {
                return TreeErrno.Reason(fd);
            }

            try
            {
                string? reason = HashOnce(fd, hash, out status, out bool isSettled, cancellationToken);
                if (reason is not null || isSettled)
                {
                    return reason;
                }
            }
            finally
            {
                calls.Close(fd);
            }
        }

        return SkipReason.Changing;
    }

    /// <summary>Hashes an open file once; what changed meanwhile is <see cref="SkipReason.Changing"/>.</summary>
    /// <param name="fd">The file, at its start.</param>
    /// <param name="hash">Receives <see cref="HashBytes"/> bytes.</param>
    /// <param name="status">The file as it was when it was hashed.</param>
    /// <param name="cancellationToken">Ends the reading of a long file.</param>
    /// <returns>Null when it is hashed, else the reason why not.</returns>
    public string? HashOpen(int fd, Span<byte> hash, out TreeStatus status, CancellationToken cancellationToken) =>
        HashOnce(fd, hash, out status, out bool isSettled, cancellationToken) ?? (isSettled ? null : SkipReason.Changing);

    private string? HashOnce(int fd, Span<byte> hash, out TreeStatus status, out bool isSettled, CancellationToken cancellationToken)
    {
        isSettled = false;
        int result = calls.StatOpen(fd, out status);
        if (result < 0)
        {
            return TreeErrno.Reason(result);
        }

        if (status.Kind != EntryKind.File)
        {
            return status.Kind == EntryKind.Special ? SkipReason.SpecialFile : SkipReason.Vanished;
        }

        if (status.SizeBytes > maxFileBytes)
        {
            return SkipReason.TooLarge;
        }

        result = ReadAll(fd, status.SizeBytes, hash, out long length, cancellationToken);
        if (result < 0)
        {
            return TreeErrno.Reason(result);
        }

        result = calls.StatOpen(fd, out TreeStatus after);
        isSettled = result == 0 && length == status.SizeBytes && status.IsSameContent(after);
        return result < 0 ? TreeErrno.Reason(result) : null;
    }

    // Reads one byte beyond the expected size at most, so that a file that grows for ever is given up and not followed.
    private int ReadAll(int fd, long expectedBytes, Span<byte> hash, out long length, CancellationToken cancellationToken)
    {
        length = 0;
        if (expectedBytes > BufferBytes)
        {
            calls.AdviseSequential(fd);
        }

        Sha256Hasher hasher = Sha256Hasher.Create();
        while (true)
        {
            int read = calls.Read(fd, _buffer);
            if (read < 0)
            {
                return read;
            }

            BytesRead += read;
            length += read;
            hasher.Append(_buffer.AsSpan(0, read));

            // A short read at the expected size saves the read that would only say "end": the description afterwards says it too.
            if (read == 0 || (length >= expectedBytes && (read < BufferBytes || length > expectedBytes)))
            {
                hasher.Finish(hash);
                return 0;
            }

            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
