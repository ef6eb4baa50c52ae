// Why this file exists: parity judges whole blocks, while frames are read in any pieces; here one segment is read block by block, each checked or computed again before a byte of it is given
// out. Invariants: reads only; one block in memory for each open file; other files are as they are.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Parity;

namespace SourceOS.StateStore.Parity;

/// <summary>Fills a block of a segment.</summary>
/// <param name="segment">The segment's own file.</param>
/// <param name="index">The block's number.</param>
/// <param name="block">Takes the block.</param>
/// <returns>What became of it.</returns>
internal delegate ReadStatus BlockLoader(PositionalFile segment, int index, Span<byte> block);

/// <summary>Files of which some segments are read through loaders.</summary>
/// <param name="inner">The files as they are.</param>
/// <param name="loaders">A loader for each path that has one.</param>
/// <param name="segmentFileBytes">Length that such a segment's file has to have.</param>
internal sealed class BlockwiseFiles(StoreFiles inner, IReadOnlyDictionary<string, BlockLoader> loaders, long segmentFileBytes) : StoreFiles
{
    public override ReadStatus Open(string path, out PositionalFile? file)
    {
        ReadStatus status = inner.Open(path, out file);
        if (file is not null && loaders.TryGetValue(path, out BlockLoader? loader))
        {
            file = new BlockwiseFile(file, loader, segmentFileBytes);
        }

        return status;
    }

    public override ReadStatus List(string directory, StoreEntryVisitor visit) => inner.List(directory, visit);

    private sealed class BlockwiseFile(PositionalFile inner, BlockLoader loader, long fileBytes) : PositionalFile(inner.Path)
    {
        private readonly Lock _gate = new();
        private readonly byte[] _block = new byte[ParityHeader.BlockLengthBytes];
        private int _loaded = -1;

        public override ReadStatus GetLength(out long lengthBytes)
        {
            ReadStatus status = inner.GetLength(out lengthBytes);
            lengthBytes = status == ReadStatus.Ok ? Math.Max(lengthBytes, fileBytes) : lengthBytes;
            return status;
        }

        protected override ReadStatus ReadSome(long offset, Span<byte> destination, out int countBytes)
        {
            long within = offset - LogGeometry.DataOffset;
            if (within < 0 || offset >= fileBytes)
            {
                Span<byte> part = within < 0 ? destination[..(int)Math.Min(destination.Length, -within)] : destination;
                ReadStatus read = inner.Read(offset, part, out countBytes);
                return countBytes > 0 || read == ReadStatus.EndOfFile ? ReadStatus.Ok : read;
            }

            int index = (int)(within / ParityHeader.BlockLengthBytes);
            int at = (int)(within % ParityHeader.BlockLengthBytes);
            countBytes = 0;
            lock (_gate)
            {
                if (_loaded != index)
                {
                    _loaded = -1;
                    ReadStatus status = loader(inner, index, _block);
                    if (status != ReadStatus.Ok)
                    {
                        return status;
                    }

                    _loaded = index;
                }

                countBytes = Math.Min(destination.Length, _block.Length - at);
                _block.AsSpan(at, countBytes).CopyTo(destination);
                return ReadStatus.Ok;
            }
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
