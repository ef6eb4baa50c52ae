// Why this file exists: visits every name below a root exactly once, whatever others do to the tree meanwhile. Invariants: nothing below the
// root is reached through a symbolic link; open descriptors, buffers and names in memory are bounded by the depth limit, not
// by the size of the tree; whatever cannot be visited is reported with a reason and the walk goes on.

using System.Text;
using System.Text.Unicode;

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>Limits and exceptions of a walk.</summary>
internal sealed record WalkOptions
{
    /// <summary>Deepest folder below the root that is entered.</summary>
    public int MaxDepth { get; init; } = 255;

    /// <summary>Longest path below the root, in bytes.</summary>
    public int MaxPathBytes { get; init; } = 4095;

    /// <summary>Whether folders on other file systems are entered.</summary>
    public bool CrossFileSystems { get; init; }

    /// <summary>Whether the content of `.git` is visited like any other.</summary>
    public bool IncludeVersionControl { get; init; }

    /// <summary>A folder to leave out by its identity: the store itself, which may live inside the tree.</summary>
    public (ulong Device, ulong Inode)? Excluded { get; init; }

    /// <summary>The parts of the tree that are looked at; null for all of it.</summary>
    public WalkScope? Scope { get; init; }
}

/// <summary>Walks a tree, depth first. Used by one thread.</summary>
internal sealed class TreeWalker(TreeCalls calls, WalkOptions options, IWalkSink sink)
{
    private readonly List<Level> _levels = [];
    private byte[] _path = new byte[1024];
    private ulong _rootDevice;

    // A folder that is being listed.
    private sealed class Level(DirectoryHandle handle, DirectoryCursor cursor, IgnoreRules? rules, TreeStatus status)
    {
        public DirectoryHandle Handle { get; } = handle;

        public DirectoryCursor Cursor { get; } = cursor;

        public IgnoreRules? Rules { get; } = rules;

        public TreeStatus Status { get; } = status;

        public WalkBatch? Batch { get; set; }

        /// <summary>Whether all its names are looked at, or only folders on the way to what is.</summary>
        public bool IsListed { get; init; } = true;
    }

    /// <summary>Visits everything below an open root.</summary>
    /// <param name="root">The root; the walk takes the caller's share over.</param>
    /// <param name="cancellationToken">Ends the walk at the next name.</param>
    public void Walk(DirectoryHandle root, CancellationToken cancellationToken)
    {
        try
        {
            int result = calls.StatOpen(root.Fd, out TreeStatus status);
            if (result < 0)
            {
                sink.Skip([], TreeErrno.Reason(result), hidesContent: true);
                root.Release();
                return;
            }

            _rootDevice = status.Device;
            Enter(root, null, status);
            while (_levels.Count > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Step(_levels[^1]);
            }
        }
        finally
        {
            while (_levels.Count > 0)
            {
                Level level = _levels[^1];
                level.Batch?.Dispose();
                level.Batch = null;
                Leave(level);
            }
        }
    }

    private void Step(Level level)
    {
        int result = level.Cursor.Next(out ReadOnlySpan<byte> name, out EntryKind kind);
        if (result <= 0)
        {
            if (result < 0)
            {
                sink.Skip(level.Handle.Path, TreeErrno.Reason(result), hidesContent: !TreeErrno.IsVanished(result));
            }

            Flush(level);
            Leave(level);
            return;
        }

        ReadOnlySpan<byte> path = PathOf(level, name);
        bool isEntered = options.Scope is null || options.Scope.Enters(Encoding.UTF8.GetString(path));
        if (!level.IsListed && !isEntered)
        {
            return;
        }

        if (!IsTaken(level, name, path, ref kind))
        {
            return;
        }

        bool isOpaque = kind == EntryKind.Folder && !options.IncludeVersionControl && name.SequenceEqual(".git\0"u8);
        if (kind != EntryKind.Folder || isOpaque || (!isEntered && !IsExcluded(level, name)))
        {
            Add(level, name, kind, isOpaque);
            return;
        }

        DirectoryHandle? folder = Open(level, name, path, out TreeStatus status, out bool isExcluded);
        if (isExcluded)
        {
            sink.Ignore();
            return;
        }

        // A folder that cannot be entered is still there, so it goes on like any other name.
        Add(level, name, kind, isOpaque: false);
        if (folder is not null)
        {
            Enter(folder, level.Rules, status);
        }
    }

    // Whether the name goes on to the workers; whoever does not is reported here.
    private bool IsTaken(Level level, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, ref EntryKind kind)
    {
        if (kind == EntryKind.Unknown)
        {
            int result = calls.Stat(level.Handle.Fd, name, out TreeStatus status);
            if (result < 0)
            {
                sink.Skip(path, TreeErrno.Reason(result), hidesContent: !TreeErrno.IsVanished(result));
                return false;
            }

            kind = status.Kind;
        }

        bool isFolder = kind == EntryKind.Folder;
        if ((isFolder && name.SequenceEqual(".statestore\0"u8)) || level.Rules?.IsIgnored(path, isFolder) == true)
        {
            sink.Ignore();
            return false;
        }

        string? reason =
            kind == EntryKind.Special ? SkipReason.SpecialFile
            : !Utf8.IsValid(name) ? SkipReason.NameNotUtf8
            : path.Length > options.MaxPathBytes || name.Length - 1 > WalkBatch.MaxNameBytes ? SkipReason.PathTooLong
            : null;
        if (reason is not null)
        {
            sink.Skip(path, reason, hidesContent: isFolder);
        }

        return reason is null;
    }

    // Null when the folder is not entered; unless it is excluded, the reason is reported here.
    private DirectoryHandle? Open(Level level, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, out TreeStatus status, out bool isExcluded)
    {
        status = default;
        isExcluded = false;
        if (_levels.Count > options.MaxDepth)
        {
            sink.Skip(path, SkipReason.TooDeep, hidesContent: true);
            return null;
        }

        int fd = calls.OpenFolder(level.Handle.Fd, name);
        if (fd < 0)
        {
            sink.Skip(path, TreeErrno.Reason(fd), hidesContent: !TreeErrno.IsVanished(fd));
            return null;
        }

        int result = calls.StatOpen(fd, out status);
        isExcluded = result == 0 && options.Excluded == (status.Device, status.Inode);
        string? reason = result < 0 ? TreeErrno.Reason(result) : FolderReason(status);
        if (reason is null && !isExcluded)
        {
            return new DirectoryHandle(calls, fd, path.ToArray());
        }

        calls.Close(fd);
        if (!isExcluded)
        {
            sink.Skip(path, reason!, hidesContent: true);
        }

        return null;
    }

    // A folder that is only listed is not opened, so whether it is the one to leave out is asked by name.
    private bool IsExcluded(Level level, ReadOnlySpan<byte> name) =>
        options.Excluded is { } excluded && calls.Stat(level.Handle.Fd, name, out TreeStatus status) == 0 && excluded == (status.Device, status.Inode);

    private string? FolderReason(in TreeStatus status)
    {
        if (!options.CrossFileSystems && status.Device != _rootDevice)
        {
            return SkipReason.OtherFileSystem;
        }

        foreach (Level level in _levels)
        {
            if (level.Status.Device == status.Device && level.Status.Inode == status.Inode)
            {
                return SkipReason.FolderLoop;
            }
        }

        return null;
    }

    private void Enter(DirectoryHandle handle, IgnoreRules? outer, in TreeStatus status)
    {
        IgnoreRules? rules = ReadRules(handle, outer);
        bool isListed = options.Scope is null || options.Scope.Lists(Encoding.UTF8.GetString(handle.Path));
        _levels.Add(new Level(handle, new DirectoryCursor(calls, handle.Fd), rules, status) { IsListed = isListed });
    }

    private void Leave(Level level)
    {
        _levels.RemoveAt(_levels.Count - 1);
        level.Cursor.Dispose();
        level.Handle.Release();
    }

    private IgnoreRules? ReadRules(DirectoryHandle folder, IgnoreRules? outer)
    {
        int fd = calls.OpenFile(folder.Fd, IgnoreRules.FileNameWithNul);
        if (fd < 0)
        {
            if (!TreeErrno.IsVanished(fd))
            {
                sink.Skip(IgnoreFilePath(folder), SkipReason.IgnoreFileUnreadable, hidesContent: false);
            }

            return outer;
        }

        byte[] content = new byte[IgnoreRules.MaxFileBytes + 1];
        int length = 0;
        int read = calls.StatOpen(fd, out TreeStatus status);
        if (read == 0 && status.Kind == EntryKind.File)
        {
            while (length < content.Length && (read = calls.Read(fd, content.AsSpan(length))) > 0)
            {
                length += read;
            }
        }

        calls.Close(fd);
        if (read < 0 || length > IgnoreRules.MaxFileBytes)
        {
            sink.Skip(IgnoreFilePath(folder), SkipReason.IgnoreFileUnreadable, hidesContent: false);
            return outer;
        }

        return IgnoreRules.Add(outer, content.AsSpan(0, length), folder.Path);
    }

    private static byte[] IgnoreFilePath(DirectoryHandle folder)
    {
        ReadOnlySpan<byte> name = IgnoreRules.FileNameWithNul[..^1];
        return folder.Path.Length == 0 ? name.ToArray() : [.. folder.Path, (byte)'/', .. name];
    }

    private void Add(Level level, ReadOnlySpan<byte> name, EntryKind kind, bool isOpaque)
    {
        level.Batch ??= new WalkBatch(level.Handle);
        level.Batch.Add(name, kind, isOpaque);
        if (level.Batch.IsFull)
        {
            Flush(level);
        }
    }

    private void Flush(Level level)
    {
        if (level.Batch is { } batch)
        {
            level.Batch = null;
            sink.Take(batch);
        }
    }

    private ReadOnlySpan<byte> PathOf(Level level, ReadOnlySpan<byte> nameWithNul)
    {
        ReadOnlySpan<byte> folder = level.Handle.Path;
        ReadOnlySpan<byte> name = nameWithNul[..^1];
        int prefix = folder.IsEmpty ? 0 : folder.Length + 1;
        if (_path.Length < prefix + name.Length)
        {
            Array.Resize(ref _path, Math.Max(_path.Length * 2, prefix + name.Length));
        }

        if (prefix > 0)
        {
            folder.CopyTo(_path);
            _path[prefix - 1] = (byte)'/';
        }

        name.CopyTo(_path.AsSpan(prefix));
        return _path.AsSpan(0, prefix + name.Length);
    }
}
