// Why this file exists: names travel from the walker to the workers in packets, so that the cost of a queue is shared by many
// small files. Invariants: a batch holds names of one directory and one share of its handle; it is used by one thread at a time and
// given back exactly once.

using System.Buffers;

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>Up to <see cref="Capacity"/> names of one directory.</summary>
internal sealed class WalkBatch : IDisposable
{
    /// <summary>Most names in a batch.</summary>
    public const int Capacity = 64;

    // Linux names have at most 255 bytes; some file systems give more, and those names are skipped before they come here.
    private const int NameBytes = 256;

    private readonly byte[] _names = ArrayPool<byte>.Shared.Rent(Capacity * NameBytes);
    private readonly (int Offset, int Length, EntryKind Kind, bool IsOpaque)[] _entries = new (int, int, EntryKind, bool)[Capacity];
    private int _used;

    /// <summary>Makes an empty batch that holds its own share of the directory.</summary>
    public WalkBatch(DirectoryHandle directory)
    {
        Directory = directory.Share();
    }

    /// <summary>The directory.</summary>
    public DirectoryHandle Directory { get; }

    /// <summary>How many names it holds.</summary>
    public int Count { get; private set; }

    /// <summary>Whether another name fits.</summary>
    public bool IsFull => Count == Capacity;

    /// <summary>Longest name that fits, without its NUL.</summary>
    public static int MaxNameBytes => NameBytes - 1;

    /// <summary>A name with its NUL.</summary>
    public ReadOnlySpan<byte> Name(int index) => _names.AsSpan(_entries[index].Offset, _entries[index].Length);

    /// <summary>What the directory said the name is.</summary>
    public EntryKind Kind(int index) => _entries[index].Kind;

    /// <summary>Whether it is a folder whose content is left out on purpose.</summary>
    public bool IsOpaque(int index) => _entries[index].IsOpaque;

    /// <summary>Adds a name.</summary>
    public void Add(ReadOnlySpan<byte> nameWithNul, EntryKind kind, bool isOpaque)
    {
        nameWithNul.CopyTo(_names.AsSpan(_used));
        _entries[Count++] = (_used, nameWithNul.Length, kind, isOpaque);
        _used += nameWithNul.Length;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Directory.Release();
        ArrayPool<byte>.Shared.Return(_names);
    }
}
