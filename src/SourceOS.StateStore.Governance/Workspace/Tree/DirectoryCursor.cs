// Why this file exists: a directory of a million names is read in blocks, so that memory does not grow with it. Invariants: a name
// span is valid until the next call; "." and ".." never appear; a record that contradicts its own length ends the listing with EIO.

using System.Buffers;
using System.Buffers.Binary;

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>Reads the names of one open directory. Used by one thread.</summary>
internal sealed class DirectoryCursor(TreeCalls calls, int fd) : IDisposable
{
    private const int BufferBytes = 32 * 1024;
    private const int NameOffset = 19;

    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
    private int _offset;
    private int _length;

    /// <summary>Moves to the next name.</summary>
    /// <param name="nameWithNul">The name, with the NUL that ends it.</param>
    /// <param name="kind">What the directory says it is.</param>
    /// <returns>1 for a name, 0 at the end, or a negative error number.</returns>
    public int Next(out ReadOnlySpan<byte> nameWithNul, out EntryKind kind)
    {
        while (true)
        {
            if (_offset >= _length)
            {
                int read = calls.List(fd, _buffer.AsSpan(0, BufferBytes));
                if (read <= 0)
                {
                    nameWithNul = default;
                    kind = EntryKind.Unknown;
                    return read;
                }

                _offset = 0;
                _length = read;
            }

            ReadOnlySpan<byte> rest = _buffer.AsSpan(_offset, _length - _offset);
            int recordLength = rest.Length > NameOffset ? BinaryPrimitives.ReadUInt16LittleEndian(rest[16..]) : 0;
            int nul = recordLength > NameOffset && recordLength <= rest.Length ? rest[NameOffset..recordLength].IndexOf((byte)0) : -1;
            if (nul <= 0)
            {
                nameWithNul = default;
                kind = EntryKind.Unknown;
                return -TreeErrno.EIO;
            }

            _offset += recordLength;
            nameWithNul = rest.Slice(NameOffset, nul + 1);
            kind = rest[18] switch
            {
                0 => EntryKind.Unknown,
                4 => EntryKind.Folder,
                8 => EntryKind.File,
                10 => EntryKind.Link,
                _ => EntryKind.Special,
            };
            if (!nameWithNul.SequenceEqual(".\0"u8) && !nameWithNul.SequenceEqual("..\0"u8))
            {
                return 1;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);
}
