// Why this file exists: every call of the store can be made to fail, to be cut short or to be interrupted, exactly where a test wants it.
// Invariants: rules are tried in the order they were added and the first that applies wins; a call that a rule fails does not reach the kernel,
// except Close, which always closes; counting includes failed calls.

using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Testing;

/// <summary>A seam that injects faults by rule and counts calls.</summary>
public sealed class FaultingFileOps(FileOps inner) : FileOpsDecorator(inner)
{
    private readonly Lock _lock = new();
    private readonly List<FaultRule> _rules = [];
    private readonly Dictionary<FileCallKinds, long> _counts = [];
    private long _calls;

    /// <summary>Called before each call, also one that will fail; may block or throw.</summary>
    public Action<FileCall>? Before { get; set; }

    /// <summary>Number of calls so far.</summary>
    public long Calls
    {
        get
        {
            lock (_lock)
            {
                return _calls;
            }
        }
    }

    /// <summary>Adds a rule.</summary>
    public FaultRule Add(FaultRule rule)
    {
        lock (_lock)
        {
            _rules.Add(rule);
        }

        return rule;
    }

    /// <summary>Fails the n-th matching call, and the following ones too when told.</summary>
    public FaultRule Fail(FileCallKinds kinds, int errorNumber, string pathPattern = "*", int nth = 1, int times = 1)
        => Add(new FaultRule { Kinds = kinds, ErrorNumber = errorNumber, PathPattern = pathPattern, Nth = nth, Times = times });

    /// <summary>Cuts matching transfers to a few bytes.</summary>
    public FaultRule Shorten(FileCallKinds kinds, int partBytes, string pathPattern = "*", int nth = 1, int times = FaultRule.Forever)
        => Add(new FaultRule { Kinds = kinds, Action = FaultAction.Shorten, PartBytes = partBytes, PathPattern = pathPattern, Nth = nth, Times = times });

    /// <summary>Removes every rule.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _rules.Clear();
        }
    }

    /// <summary>How many calls of these kinds were made.</summary>
    public long Count(FileCallKinds kinds)
    {
        lock (_lock)
        {
            return _counts.Where(pair => (pair.Key & kinds) != 0).Sum(pair => pair.Value);
        }
    }

    public override int Open(string path, OpenOptions flags, int mode)
        => Judge(FileCallKinds.Open, path) is { } rule ? -rule.ErrorNumber : base.Open(path, flags, mode);

    public override int Close(int fd)
    {
        FaultRule? rule = Judge(FileCallKinds.Close, PathOf(fd));
        int result = base.Close(fd);
        return rule is null ? result : -rule.ErrorNumber;
    }

    public override nint PRead(int fd, Span<byte> buffer, long offset)
    {
        FaultRule? rule = Judge(FileCallKinds.PRead, PathOf(fd), offset, buffer.Length);
        return rule switch
        {
            null => base.PRead(fd, buffer, offset),
            { Action: FaultAction.Shorten } => base.PRead(fd, buffer[..Math.Min(buffer.Length, rule.PartBytes)], offset),
            _ => -rule.ErrorNumber,
        };
    }

    public override nint PWrite(int fd, ReadOnlySpan<byte> buffer, long offset)
    {
        FaultRule? rule = Judge(FileCallKinds.PWrite, PathOf(fd), offset, buffer.Length);
        switch (rule?.Action)
        {
            case null:
                return base.PWrite(fd, buffer, offset);
            case FaultAction.Shorten:
                return base.PWrite(fd, buffer[..Math.Min(buffer.Length, rule.PartBytes)], offset);
            case FaultAction.FailAfterPart:
                _ = base.PWrite(fd, buffer[..Math.Min(buffer.Length, rule.PartBytes)], offset);
                return -rule.ErrorNumber;
            default:
                return -rule!.ErrorNumber;
        }
    }

    public override int FDataSync(int fd)
        => Judge(FileCallKinds.FDataSync, PathOf(fd)) is { } rule ? -rule.ErrorNumber : base.FDataSync(fd);

    public override int FSync(int fd)
        => Judge(FileCallKinds.FSync, PathOf(fd)) is { } rule ? -rule.ErrorNumber : base.FSync(fd);

    public override int FTruncate(int fd, long lengthBytes)
        => Judge(FileCallKinds.FTruncate, PathOf(fd), -1, lengthBytes) is { } rule ? -rule.ErrorNumber : base.FTruncate(fd, lengthBytes);

    public override int Fallocate(int fd, long offset, long lengthBytes)
        => Judge(FileCallKinds.Fallocate, PathOf(fd), offset, lengthBytes) is { } rule ? -rule.ErrorNumber : base.Fallocate(fd, offset, lengthBytes);

    public override int FStat(int fd, out FileStatus status)
    {
        if (Judge(FileCallKinds.FStat, PathOf(fd)) is { } rule)
        {
            status = default;
            return -rule.ErrorNumber;
        }

        return base.FStat(fd, out status);
    }

    public override int Stat(string path, out FileStatus status)
    {
        if (Judge(FileCallKinds.Stat, path) is { } rule)
        {
            status = default;
            return -rule.ErrorNumber;
        }

        return base.Stat(path, out status);
    }

    public override int Rename(string source, string target)
        => Judge(FileCallKinds.Rename, source, target: target) is { } rule ? -rule.ErrorNumber : base.Rename(source, target);

    public override int Unlink(string path)
        => Judge(FileCallKinds.Unlink, path) is { } rule ? -rule.ErrorNumber : base.Unlink(path);

    public override int MkDir(string path, int mode)
        => Judge(FileCallKinds.MkDir, path) is { } rule ? -rule.ErrorNumber : base.MkDir(path, mode);

    public override int RmDir(string path)
        => Judge(FileCallKinds.RmDir, path) is { } rule ? -rule.ErrorNumber : base.RmDir(path);

    public override int List(string path, ICollection<DirectoryEntry> entries)
        => Judge(FileCallKinds.List, path) is { } rule ? -rule.ErrorNumber : base.List(path, entries);

    public override int FLock(int fd, FileLockKind kind)
        => Judge(FileCallKinds.FLock, PathOf(fd)) is { } rule ? -rule.ErrorNumber : base.FLock(fd, kind);

    public override int FSyncDirectory(string path)
        => Judge(FileCallKinds.FSyncDirectory, path) is { } rule ? -rule.ErrorNumber : base.FSyncDirectory(path);

    public override int StatFileSystem(string path, out FileSystemSpace space)
    {
        if (Judge(FileCallKinds.StatFileSystem, path) is { } rule)
        {
            space = default;
            return -rule.ErrorNumber;
        }

        return base.StatFileSystem(path, out space);
    }

    private FaultRule? Judge(FileCallKinds kind, string path, long offset = -1, long lengthBytes = 0, string? target = null)
    {
        FileCall call;
        FaultRule? found = null;
        lock (_lock)
        {
            call = new FileCall(kind, path, offset, lengthBytes, target, ++_calls);
            _counts[kind] = _counts.GetValueOrDefault(kind) + 1;
            foreach (FaultRule rule in _rules)
            {
                if (rule.Applies(call))
                {
                    found ??= rule;
                }
            }
        }

        Before?.Invoke(call);
        bool isTransfer = kind is FileCallKinds.PRead or FileCallKinds.PWrite;
        return found is { Action: FaultAction.Shorten } && !isTransfer ? null : found;
    }
}
