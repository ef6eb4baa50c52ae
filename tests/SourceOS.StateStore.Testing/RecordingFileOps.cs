// Why this file exists: records everything that happens to a directory, so that the crash images of each moment can be made later.
// Invariants: the order of steps is the order in which the kernel saw them (one lock); bytes are copied; what lies outside the root
// passes unrecorded; a change that the kernel refused is no step.

using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Testing;

/// <summary>A seam that records changes and syncs below a root.</summary>
public sealed class RecordingFileOps : FileOpsDecorator
{
    private readonly Lock _lock = new();
    private readonly string _root;
    private readonly CrashTrace _trace = new();
    private readonly Dictionary<string, int> _fileIds = [];
    private readonly Dictionary<int, int> _openFiles = [];

    /// <summary>Starts recording; what the root holds now counts as durable.</summary>
    public RecordingFileOps(FileOps inner, string root)
        : base(inner)
    {
        _root = System.IO.Path.GetFullPath(root);
        foreach (string directory in Directory.EnumerateDirectories(_root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            _trace.AddInitialDirectory(Relative(directory)!);
        }

        foreach (string file in Directory.EnumerateFiles(_root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string relative = Relative(file)!;
            _fileIds[relative] = _trace.AddInitialFile(relative, File.ReadAllBytes(file));
        }
    }

    /// <summary>What was recorded so far. Use it when nothing records any more.</summary>
    public CrashTrace Trace => _trace;

    /// <summary>Notes a moment, for example that a commit was acknowledged.</summary>
    public void Mark(object value)
    {
        lock (_lock)
        {
            _trace.Add(new TraceStep.Mark(value));
        }
    }

    /// <summary>Records a write that did not come through the seam, such as one of liblmdb.</summary>
    public void RecordForeignWrite(string path, long offset, ReadOnlySpan<byte> data)
    {
        lock (_lock)
        {
            _trace.Add(new TraceStep.Write(_fileIds[Relative(path)!], offset, data.ToArray()));
        }
    }

    /// <summary>Records a sync that did not come through the seam, such as one of liblmdb.</summary>
    public void RecordForeignSync(string path)
    {
        lock (_lock)
        {
            _trace.Add(new TraceStep.SyncFile(_fileIds[Relative(path)!]));
        }
    }

    /// <summary>Whether a path below the root is known as a file.</summary>
    public bool Knows(string path)
    {
        lock (_lock)
        {
            return Relative(path) is { } relative && _fileIds.ContainsKey(relative);
        }
    }

    public override int Open(string path, OpenOptions flags, int mode)
    {
        lock (_lock)
        {
            string? relative = Relative(path);
            bool isNew = flags.HasFlag(OpenOptions.Create) && !Inner.Exists(path);
            int fd = base.Open(path, flags, mode);
            if (fd < 0 || relative is null)
            {
                return fd;
            }

            if (isNew)
            {
                _fileIds[relative] = _trace.NewFileId();
                _trace.Add(new TraceStep.CreateFile(relative, _fileIds[relative]));
            }

            if (_fileIds.TryGetValue(relative, out int fileId))
            {
                _openFiles[fd] = fileId;
            }

            return fd;
        }
    }

    public override int Close(int fd)
    {
        lock (_lock)
        {
            _openFiles.Remove(fd);
            return base.Close(fd);
        }
    }

    public override nint PWrite(int fd, ReadOnlySpan<byte> buffer, long offset)
    {
        lock (_lock)
        {
            nint count = base.PWrite(fd, buffer, offset);
            if (count > 0 && _openFiles.TryGetValue(fd, out int fileId))
            {
                _trace.Add(new TraceStep.Write(fileId, offset, buffer[..(int)count].ToArray()));
            }

            return count;
        }
    }

    public override int FDataSync(int fd) => Sync(fd, base.FDataSync);

    public override int FSync(int fd) => Sync(fd, base.FSync);

    public override int FTruncate(int fd, long lengthBytes)
    {
        lock (_lock)
        {
            return Resized(fd, base.FTruncate(fd, lengthBytes));
        }
    }

    public override int Fallocate(int fd, long offset, long lengthBytes)
    {
        lock (_lock)
        {
            return Resized(fd, base.Fallocate(fd, offset, lengthBytes));
        }
    }

    public override int Rename(string source, string target)
    {
        lock (_lock)
        {
            int result = base.Rename(source, target);
            if (result == 0 && Relative(source) is { } from && Relative(target) is { } to && from != to)
            {
                _trace.Add(new TraceStep.Rename(from, to));
                MoveIds(from, to);
            }

            return result;
        }
    }

    public override int Unlink(string path)
    {
        lock (_lock)
        {
            int result = base.Unlink(path);
            if (result == 0 && Relative(path) is { } relative)
            {
                _trace.Add(new TraceStep.Unlink(relative));
                _fileIds.Remove(relative);
            }

            return result;
        }
    }

    public override int MkDir(string path, int mode)
        => Named(base.MkDir, path, mode, static relative => new TraceStep.MakeDirectory(relative));

    public override int RmDir(string path)
        => Named((name, _) => base.RmDir(name), path, 0, static relative => new TraceStep.RemoveDirectory(relative));

    public override int FSyncDirectory(string path)
        => Named((name, _) => base.FSyncDirectory(name), path, 0, static relative => new TraceStep.SyncDirectory(relative));

    private int Sync(int fd, Func<int, int> sync)
    {
        lock (_lock)
        {
            int result = sync(fd);
            if (result == 0 && _openFiles.TryGetValue(fd, out int fileId))
            {
                _trace.Add(new TraceStep.SyncFile(fileId));
            }

            return result;
        }
    }

    private int Resized(int fd, int result)
    {
        if (result == 0 && _openFiles.TryGetValue(fd, out int fileId) && Inner.FStat(fd, out FileStatus status) == 0)
        {
            _trace.Add(new TraceStep.SetLength(fileId, status.SizeBytes));
        }

        return result;
    }

    private int Named(Func<string, int, int> call, string path, int mode, Func<string, TraceStep> step)
    {
        lock (_lock)
        {
            int result = call(path, mode);
            if (result == 0 && Relative(path) is { } relative)
            {
                _trace.Add(step(relative));
            }

            return result;
        }
    }

    private void MoveIds(string from, string to)
    {
        _fileIds.Remove(to);
        foreach ((string path, int fileId) in _fileIds.ToArray())
        {
            if (path == from || path.StartsWith(from + "/", StringComparison.Ordinal))
            {
                _fileIds.Remove(path);
                _fileIds[to + path[from.Length..]] = fileId;
            }
        }
    }

    private string? Relative(string path)
    {
        string relative = System.IO.Path.GetRelativePath(_root, System.IO.Path.GetFullPath(path));
        return relative == "." ? "" : relative.StartsWith("..", StringComparison.Ordinal) ? null : relative;
    }
}
