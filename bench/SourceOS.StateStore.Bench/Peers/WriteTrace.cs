// Why this file exists: the floor of a durable commit is its own writes without everything else: the trace of the store's commits, replayed by the same
// system calls on a file of its own. Invariants: lengths, offsets in their file, order and syncs are those that the store made; the replayed
// file was written and synced whole beforehand, as the store's segments are.

using System.Collections.Concurrent;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Bench.Peers;

/// <summary>One recorded call.</summary>
/// <param name="IsSync">A sync of the file instead of a write.</param>
/// <param name="Offset">Offset in bytes.</param>
/// <param name="LengthBytes">Length in bytes.</param>
public readonly record struct TracedCall(bool IsSync, long Offset, int LengthBytes);

/// <summary>Records writes and syncs while it is asked to.</summary>
public sealed class WriteTrace() : FileOpsDecorator(LinuxFileOps.Instance)
{
    private readonly ConcurrentQueue<TracedCall> _calls = new();

    /// <summary>Whether calls are recorded now.</summary>
    public bool IsRecording { get; set; }

    /// <inheritdoc/>
    public override nint PWrite(int fd, ReadOnlySpan<byte> buffer, long offset)
    {
        Note(new TracedCall(false, offset, buffer.Length));
        return base.PWrite(fd, buffer, offset);
    }

    /// <inheritdoc/>
    public override int FDataSync(int fd)
    {
        Note(new TracedCall(true, 0, 0));
        return base.FDataSync(fd);
    }

    /// <summary>The calls of each commit: everything up to and with its last sync.</summary>
    public IReadOnlyList<IReadOnlyList<TracedCall>> Commits()
    {
        List<IReadOnlyList<TracedCall>> commits = [];
        List<TracedCall> current = [];
        foreach (TracedCall call in _calls)
        {
            current.Add(call);
            if (call.IsSync)
            {
                commits.Add(current);
                current = [];
            }
        }

        return commits;
    }

    private void Note(TracedCall call)
    {
        if (IsRecording)
        {
            _calls.Enqueue(call);
        }
    }
}

/// <summary>Replays recorded commits.</summary>
public sealed class WriteReplay : IDisposable
{
    private readonly IReadOnlyList<IReadOnlyList<TracedCall>> _commits;
    private readonly byte[] _bytes;
    private readonly int _fd;
    private int _next;

    /// <summary>Makes the file.</summary>
    /// <param name="path">Where.</param>
    /// <param name="commits">What to replay.</param>
    public WriteReplay(string path, IReadOnlyList<IReadOnlyList<TracedCall>> commits)
    {
        ArgumentNullException.ThrowIfNull(commits);
        _commits = commits;
        _bytes = new byte[commits.SelectMany(calls => calls).Max(call => call.LengthBytes)];
        Random.Shared.NextBytes(_bytes);
        long length = commits.SelectMany(calls => calls).Max(call => call.Offset + call.LengthBytes);
        _fd = LinuxFileOps.Instance.Open(path, OpenOptions.ReadWrite | OpenOptions.Create, 0x180);
        byte[] zeroes = new byte[1 << 20];
        for (long offset = 0; offset < length; offset += zeroes.Length)
        {
            Require(LinuxFileOps.Instance.PWrite(_fd, zeroes, offset));
        }

        Require(LinuxFileOps.Instance.FSync(_fd));
    }

    /// <summary>Does the calls of one commit.</summary>
    public void Commit()
    {
        foreach (TracedCall call in _commits[_next++ % _commits.Count])
        {
            Require(call.IsSync ? LinuxFileOps.Instance.FDataSync(_fd) : LinuxFileOps.Instance.PWrite(_fd, _bytes.AsSpan(0, call.LengthBytes), call.Offset));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Require(LinuxFileOps.Instance.Close(_fd));

    private static void Require(nint result)
    {
        if (result < 0)
        {
            throw new IOException($"A replayed call failed with {result}.");
        }
    }
}
