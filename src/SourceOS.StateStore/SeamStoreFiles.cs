// Why this file exists: readers open files through their own small seam; inside the engine that seam leads to the same system calls as
// everything else, so that a test can fault them all in one place. Invariants: never creates; only regular files stay open; errors become statuses.

using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Reads through <see cref="FileOps"/>.</summary>
internal sealed class SeamStoreFiles(FileOps ops) : StoreFiles
{
    public override ReadStatus Open(string path, out PositionalFile? file)
    {
        int fd = ops.Open(path, OpenOptions.Read | OpenOptions.NoFollow, 0);
        file = null;
        if (fd < 0)
        {
            return StatusOf(fd);
        }

        int result = ops.FStat(fd, out FileStatus status);
        if (result < 0 || status.Kind != FileKind.File)
        {
            _ = ops.Close(fd);
            return result < 0 ? StatusOf(result) : ReadStatus.WrongKind;
        }

        file = new SeamFile(ops, path, fd);
        return ReadStatus.Ok;
    }

    public override ReadStatus List(string directory, StoreEntryVisitor visit)
    {
        List<DirectoryEntry> entries = [];
        int result = ops.List(directory, entries);
        if (result < 0)
        {
            return StatusOf(result);
        }

        foreach (DirectoryEntry entry in entries)
        {
            if (!visit(entry.Name, entry.Kind == FileKind.Directory ? StoreEntryKind.Directory : StoreEntryKind.File))
            {
                break;
            }
        }

        return ReadStatus.Ok;
    }

    private static ReadStatus StatusOf(long result) => (int)-result switch
    {
        Errno.ENOENT => ReadStatus.NotFound,
        Errno.EACCES or Errno.EPERM => ReadStatus.AccessDenied,
        Errno.EMFILE or Errno.ENFILE => ReadStatus.TooManyFiles,
        Errno.ELOOP or Errno.ENOTDIR or Errno.EISDIR or Errno.ENXIO => ReadStatus.WrongKind,
        _ => ReadStatus.InputOutput,
    };

    private sealed class SeamFile(FileOps ops, string path, int fd) : PositionalFile(path)
    {
        private int _fd = fd;

        public override ReadStatus GetLength(out long lengthBytes)
        {
            int result = ops.FStat(_fd, out FileStatus status);
            lengthBytes = status.SizeBytes;
            return result < 0 ? StatusOf(result) : ReadStatus.Ok;
        }

        protected override ReadStatus ReadSome(long offset, Span<byte> destination, out int countBytes)
        {
            nint result;
            InterruptionBudget budget = default;
            do
            {
                result = ops.PRead(_fd, destination, offset);
            }
            while (budget.AsksAgain(result));

            countBytes = (int)Math.Max(result, 0);
            return result < 0 ? StatusOf(result) : ReadStatus.Ok;
        }

        protected override void Dispose(bool disposing)
        {
            int open = Interlocked.Exchange(ref _fd, -1);
            if (open >= 0)
            {
                _ = ops.Close(open);
            }
        }
    }
}
