// Why this file exists: what a medium may hold at one moment, given what was written and synced before it (format-spec/README.md, media
// assumptions). Invariants: blocks are never changed in place, so images can share them; a block, a length or a name is pending from its
// change until its file or directory was synced.

namespace SourceOS.StateStore.Testing;

/// <summary>A file or a directory on the modelled disk.</summary>
internal abstract class DiskNode;

/// <summary>A file: what is durable, and each later version of each block and length that may or may not have reached the medium.</summary>
internal sealed class DiskFile : DiskNode
{
    public const int BlockBytes = 4096;

    private byte[]?[] _durable = [];
    private byte[]?[] _current = [];

    public long DurableLength { get; private set; }

    public long CurrentLength { get; private set; }

    /// <summary>For each block with unsynced changes its versions, oldest first; null is a block of zeroes.</summary>
    public SortedDictionary<int, List<byte[]?>> Versions { get; } = [];

    /// <summary>Unsynced lengths, oldest first.</summary>
    public List<long> Lengths { get; } = [];

    public static DiskFile FromContent(byte[] content)
    {
        DiskFile file = new();
        file.Write(0, content);
        file.Sync();
        return file;
    }

    public byte[]?[] CopyDurable() => (byte[]?[])_durable.Clone();

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
        {
            return;
        }

        if (offset + data.Length > CurrentLength)
        {
            SetCurrentLength(offset + data.Length);
        }

        while (!data.IsEmpty)
        {
            int block = (int)(offset / BlockBytes);
            int start = (int)(offset % BlockBytes);
            int step = Math.Min(data.Length, BlockBytes - start);
            byte[] next = _current[block] is { } before ? (byte[])before.Clone() : new byte[BlockBytes];
            data[..step].CopyTo(next.AsSpan(start));
            AddVersion(block, next);
            data = data[step..];
            offset += step;
        }
    }

    public void SetLength(long length)
    {
        if (length < CurrentLength)
        {
            int keptBytes = (int)(length % BlockBytes);
            int block = (int)(length / BlockBytes);
            if (keptBytes > 0 && _current[block] is { } boundary)
            {
                byte[] cut = (byte[])boundary.Clone();
                cut.AsSpan(keptBytes).Clear();
                AddVersion(block, cut);
                block++;
            }

            for (; block < _current.Length; block++)
            {
                if (_current[block] is not null)
                {
                    AddVersion(block, null);
                }
            }
        }

        if (length != CurrentLength)
        {
            SetCurrentLength(length);
        }
    }

    public void Sync()
    {
        Grow(ref _durable, _current.Length);
        foreach ((int block, List<byte[]?> versions) in Versions)
        {
            _durable[block] = versions[^1];
        }

        DurableLength = CurrentLength;
        Versions.Clear();
        Lengths.Clear();
    }

    private void SetCurrentLength(long length)
    {
        CurrentLength = length;
        Lengths.Add(length);
        Grow(ref _current, checked((int)((length + BlockBytes - 1) / BlockBytes)));
    }

    private void AddVersion(int block, byte[]? content)
    {
        _current[block] = content;
        if (!Versions.TryGetValue(block, out List<byte[]?>? versions))
        {
            Versions[block] = versions = [];
        }

        versions.Add(content);
    }

    private static void Grow(ref byte[]?[] blocks, int count)
    {
        if (blocks.Length < count)
        {
            Array.Resize(ref blocks, Math.Max(count, blocks.Length * 2));
        }
    }
}

/// <summary>A change of names in one directory; all its parts are kept or lost together.</summary>
/// <param name="Parts">Each name and what it means afterwards, null when it is gone.</param>
internal sealed record DirectoryChange(IReadOnlyList<(string Name, DiskNode? Target)> Parts);

/// <summary>A directory: its durable names, and the changes that may or may not have reached the medium.</summary>
internal sealed class DiskDirectory : DiskNode
{
    public Dictionary<string, DiskNode> Durable { get; } = [];

    public Dictionary<string, DiskNode> Current { get; } = [];

    public List<DirectoryChange> Pending { get; } = [];

    public void Change(params (string Name, DiskNode? Target)[] parts)
    {
        DirectoryChange change = new(parts);
        Pending.Add(change);
        Apply(Current, change);
    }

    public void Sync()
    {
        foreach (DirectoryChange change in Pending)
        {
            Apply(Durable, change);
        }

        Pending.Clear();
    }

    public static void Apply(Dictionary<string, DiskNode> names, DirectoryChange change)
    {
        foreach ((string name, DiskNode? target) in change.Parts)
        {
            if (target is null)
            {
                names.Remove(name);
            }
            else
            {
                names[name] = target;
            }
        }
    }
}

/// <summary>The modelled disk.</summary>
internal sealed class DiskModel
{
    private readonly Dictionary<int, DiskFile> _files = [];

    public DiskDirectory Root { get; } = new();

    public void AddInitialDirectory(string path)
    {
        (DiskDirectory parent, string name) = Locate(path);
        parent.Change((name, new DiskDirectory()));
        parent.Sync();
    }

    public void AddInitialFile(string path, int fileId, byte[] content)
    {
        (DiskDirectory parent, string name) = Locate(path);
        _files[fileId] = DiskFile.FromContent(content);
        parent.Change((name, _files[fileId]));
        parent.Sync();
    }

    public void Apply(TraceStep step)
    {
        switch (step)
        {
            case TraceStep.CreateFile create:
                _files[create.FileId] = new DiskFile();
                ChangeName(create.Path, _files[create.FileId]);
                break;
            case TraceStep.Write write:
                _files[write.FileId].Write(write.Offset, write.Data);
                break;
            case TraceStep.SetLength length:
                _files[length.FileId].SetLength(length.LengthBytes);
                break;
            case TraceStep.SyncFile sync:
                _files[sync.FileId].Sync();
                break;
            case TraceStep.Rename rename:
                ApplyRename(rename);
                break;
            case TraceStep.Unlink unlink:
                ChangeName(unlink.Path, null);
                break;
            case TraceStep.MakeDirectory make:
                ChangeName(make.Path, new DiskDirectory());
                break;
            case TraceStep.RemoveDirectory remove:
                ChangeName(remove.Path, null);
                break;
            case TraceStep.SyncDirectory sync:
                FindDirectory(sync.Path).Sync();
                break;
            case TraceStep.Mark:
                break;
            default:
                throw new InvalidOperationException($"Unknown step {step}.");
        }
    }

    private void ApplyRename(TraceStep.Rename rename)
    {
        (DiskDirectory from, string source) = Locate(rename.Source);
        (DiskDirectory to, string target) = Locate(rename.Target);
        DiskNode node = from.Current[source];
        if (ReferenceEquals(from, to))
        {
            from.Change((source, null), (target, node));
        }
        else
        {
            to.Change((target, node));
            from.Change((source, null));
        }
    }

    private void ChangeName(string path, DiskNode? node)
    {
        (DiskDirectory parent, string name) = Locate(path);
        parent.Change((name, node));
    }

    private (DiskDirectory Parent, string Name) Locate(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash < 0 ? (Root, path) : (FindDirectory(path[..slash]), path[(slash + 1)..]);
    }

    private DiskDirectory FindDirectory(string path)
    {
        DiskDirectory directory = Root;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            directory = (DiskDirectory)directory.Current[name];
        }

        return directory;
    }
}
