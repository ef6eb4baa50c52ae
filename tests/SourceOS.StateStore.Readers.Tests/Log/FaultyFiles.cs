// Why this file exists: tests say which read fails and how, through the seam that production code uses. Invariants: what the script
// does not name goes through unchanged.

using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Tests.Log;

/// <summary>Decides about one read: how many bytes it may give, or which status it ends with.</summary>
internal delegate ReadStatus ReadScript(string path, long offset, ref int lengthBytes);

internal sealed class FaultyFiles(ReadScript? onRead = null, Func<string, ReadStatus>? onOpen = null) : StoreFiles
{
    private int _opened;
    private int _closed;

    /// <summary>How many files were opened.</summary>
    public int Opened => _opened;

    /// <summary>How many of them are still open.</summary>
    public int StillOpen => _opened - _closed;

    /// <summary>Most bytes asked for in one read.</summary>
    public int LargestReadBytes { get; private set; }

    public override ReadStatus Open(string path, out PositionalFile? file)
    {
        file = null;
        ReadStatus status = onOpen?.Invoke(path) ?? ReadStatus.Ok;
        if (status != ReadStatus.Ok)
        {
            return status;
        }

        status = Native.Open(path, out PositionalFile? inner);
        if (inner is not null)
        {
            Interlocked.Increment(ref _opened);
            file = new FaultyFile(this, inner);
        }

        return status;
    }

    public override ReadStatus List(string directory, StoreEntryVisitor visit) => Native.List(directory, visit);

    private sealed class FaultyFile(FaultyFiles owner, PositionalFile inner) : PositionalFile(inner.Path)
    {
        private readonly ReadScript? _onRead = owner.OnRead;

        public override ReadStatus GetLength(out long lengthBytes) => inner.GetLength(out lengthBytes);

        protected override ReadStatus ReadSome(long offset, Span<byte> destination, out int countBytes)
        {
            countBytes = 0;
            int length = destination.Length;
            owner.LargestReadBytes = Math.Max(owner.LargestReadBytes, length);
            ReadStatus status = _onRead?.Invoke(Path, offset, ref length) ?? ReadStatus.Ok;
            if (status != ReadStatus.Ok || length == 0)
            {
                return status;
            }

            status = inner.Read(offset, destination[..length], out countBytes);
            return status == ReadStatus.EndOfFile ? ReadStatus.Ok : status;
        }

        protected override void Dispose(bool disposing)
        {
            Interlocked.Increment(ref owner._closed);
            inner.Dispose();
        }
    }

    private ReadScript? OnRead { get; } = onRead;
}
