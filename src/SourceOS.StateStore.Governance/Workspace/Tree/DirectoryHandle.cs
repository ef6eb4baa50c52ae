// Why this file exists: files of a directory are opened relative to it by other threads after the walk has moved on, so the
// descriptor lives exactly as long as someone needs it. Invariants: the count starts at one for the walker; the descriptor
// is closed once, when the count reaches zero; nobody takes a share of a handle that is gone.

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>An open directory shared by the walker and the workers. Thread-safe.</summary>
internal sealed class DirectoryHandle(TreeCalls calls, int fd, byte[] path)
{
    private int _shares = 1;

    /// <summary>The descriptor; valid while a share is held.</summary>
    public int Fd { get; } = fd;

    /// <summary>The path below the root as UTF-8, empty for the root itself, never with a slash at either end.</summary>
    public byte[] Path { get; } = path;

    /// <summary>Takes a share.</summary>
    public DirectoryHandle Share()
    {
        Interlocked.Increment(ref _shares);
        return this;
    }

    /// <summary>Gives a share back.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _shares) == 0)
        {
            calls.Close(Fd);
        }
    }
}
