// Why this file exists: whether a slot's copy would heal the log must be known before a byte is written. Invariants: reads only; the log as it would be
// with one copy laid over its block; everything else as it is.

using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Recovery;

/// <summary>Files with some bytes of one of them replaced.</summary>
internal sealed class OverlaidFiles(StoreFiles inner, string path, long offset, ReadOnlyMemory<byte> bytes) : StoreFiles
{
    public override ReadStatus Open(string openedPath, out PositionalFile? file)
    {
        ReadStatus status = inner.Open(openedPath, out file);
        if (file is not null && openedPath == path)
        {
            file = new OverlaidFile(file, offset, bytes);
        }

        return status;
    }

    public override ReadStatus List(string directory, StoreEntryVisitor visit) => inner.List(directory, visit);

    private sealed class OverlaidFile(PositionalFile inner, long start, ReadOnlyMemory<byte> bytes) : PositionalFile(inner.Path)
    {
        public override ReadStatus GetLength(out long lengthBytes) => inner.GetLength(out lengthBytes);

        protected override ReadStatus ReadSome(long offset, Span<byte> destination, out int countBytes)
        {
            ReadStatus status = inner.Read(offset, destination, out countBytes);
            long from = Math.Max(offset, start);
            long until = Math.Min(offset + countBytes, start + bytes.Length);
            if (from < until)
            {
                bytes.Span[(int)(from - start)..(int)(until - start)].CopyTo(destination[(int)(from - offset)..]);
            }

            // A part that was read counts; what is wrong behind it shows when the rest is asked for.
            return countBytes > 0 ? ReadStatus.Ok : status == ReadStatus.EndOfFile ? ReadStatus.Ok : status;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }
        }
    }
}
