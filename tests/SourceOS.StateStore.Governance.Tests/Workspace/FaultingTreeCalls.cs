// Why this file exists: makes names refuse, vanish or change at an exact moment, which no real tree does on request (and a privileged test
// run can read everything). Invariants: calls that no rule names reach the kernel unchanged.

using System.Text;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

internal sealed class FaultingTreeCalls : TreeCalls
{
    private readonly LinuxTreeCalls _real = LinuxTreeCalls.Instance;
    private readonly Lock _lock = new();
    private readonly HashSet<int> _open = [];

    /// <summary>Errors by operation and name, for example ("open", "secret").</summary>
    public Dictionary<(string Operation, string Name), int> Errors { get; } = [];

    /// <summary>Called before each read with the number of reads so far.</summary>
    public Action<int>? BeforeRead { get; set; }

    /// <summary>Called before a file is opened, with its name.</summary>
    public Action<string>? BeforeOpenFile { get; set; }

    /// <summary>Names that were opened for reading their content.</summary>
    public List<string> Opened { get; } = [];

    /// <summary>The directory says nothing about kinds.</summary>
    public bool HidesKinds { get; set; }

    /// <summary>Another device number for folders of this name.</summary>
    public string? ForeignFolder { get; set; }

    /// <summary>Descriptors that were opened and not closed.</summary>
    public int OpenCount
    {
        get
        {
            lock (_lock)
            {
                return _open.Count;
            }
        }
    }

    private int _reads;
    private readonly Dictionary<int, string> _names = [];

    public override int OpenRoot(string path) => Track(_real.OpenRoot(path), "");

    public override int OpenFolder(int parent, ReadOnlySpan<byte> nameWithNul)
    {
        string name = Name(nameWithNul);
        return Errors.TryGetValue(("folder", name), out int error) ? -error : Track(_real.OpenFolder(parent, nameWithNul), name);
    }

    public override int OpenFile(int parent, ReadOnlySpan<byte> nameWithNul)
    {
        string name = Name(nameWithNul);
        BeforeOpenFile?.Invoke(name);
        if (Errors.TryGetValue(("open", name), out int error))
        {
            return -error;
        }

        if (name != ".statestoreignore")
        {
            lock (_lock)
            {
                Opened.Add(name);
            }
        }

        return Track(_real.OpenFile(parent, nameWithNul), name);
    }

    public override int List(int fd, Span<byte> buffer)
    {
        string name;
        lock (_lock)
        {
            name = _names.GetValueOrDefault(fd, "");
        }

        if (Errors.TryGetValue(("list", name), out int error))
        {
            return -error;
        }

        int length = _real.List(fd, buffer);
        for (int at = 0; HidesKinds && at < length; at += buffer[at + 16] | (buffer[at + 17] << 8))
        {
            buffer[at + 18] = 0;
        }

        return length;
    }

    public override int Stat(int parent, ReadOnlySpan<byte> nameWithNul, out TreeStatus status)
    {
        if (Errors.TryGetValue(("stat", Name(nameWithNul)), out int error))
        {
            status = default;
            return -error;
        }

        return _real.Stat(parent, nameWithNul, out status);
    }

    public override int StatOpen(int fd, out TreeStatus status)
    {
        int result = _real.StatOpen(fd, out status);
        lock (_lock)
        {
            if (ForeignFolder is not null && _names.GetValueOrDefault(fd) == ForeignFolder)
            {
                status = status with { Device = status.Device + 1 };
            }
        }

        return result;
    }

    public override int ReadLink(int parent, ReadOnlySpan<byte> nameWithNul, Span<byte> buffer) => _real.ReadLink(parent, nameWithNul, buffer);

    public override int Read(int fd, Span<byte> buffer)
    {
        string name;
        lock (_lock)
        {
            name = _names.GetValueOrDefault(fd, "");
        }

        if (name != ".statestoreignore")
        {
            BeforeRead?.Invoke(Interlocked.Increment(ref _reads));
        }

        return Errors.TryGetValue(("read", name), out int error) ? -error : _real.Read(fd, buffer);
    }

    public override void AdviseSequential(int fd) => _real.AdviseSequential(fd);

    public override void Close(int fd)
    {
        lock (_lock)
        {
            Assert.True(_open.Remove(fd), "A descriptor is closed that is not open.");
            _names.Remove(fd);
        }

        _real.Close(fd);
    }

    private int Track(int fd, string name)
    {
        if (fd >= 0)
        {
            lock (_lock)
            {
                _open.Add(fd);
                _names[fd] = name;
            }
        }

        return fd;
    }

    private static string Name(ReadOnlySpan<byte> nameWithNul) => Encoding.UTF8.GetString(nameWithNul[..^1]);
}
