// Why this file exists: what is made beside the writer (parity, checkpoints) needs a thread now and then, one at a time, and must be gone when the store closes. Invariants: starting and ending are decided under the gate that the owner's own fields share, so no work is left without a
// thread and no second thread starts; stopping waits a bounded time for what is under way, then cancels.

namespace SourceOS.StateStore;

/// <summary>A thread that runs while its owner has work.</summary>
/// <param name="name">The thread's name.</param>
/// <param name="run">Does the work; ends after it called <see cref="End"/> under the gate. Must not throw.</param>
internal sealed class OnDemandThread(string name, Action run) : IDisposable
{
    private const int GraceMs = 1000;

    private readonly ManualResetEventSlim _idle = new(initialState: true);
    private readonly CancellationTokenSource _cancellation = new();
    private Thread? _thread;

    /// <summary>Guards the thread, and whatever the owner puts under it.</summary>
    internal Lock Gate { get; } = new();

    /// <summary>Cancelled when it is stopped.</summary>
    internal CancellationToken Token => _cancellation.Token;

    /// <summary>Whether it is stopped.</summary>
    internal bool IsStopped => _cancellation.IsCancellationRequested;

    /// <summary>Whether the thread runs. Under the gate.</summary>
    internal bool IsRunning => _thread is not null;

    /// <summary>Starts the thread unless it runs. Under the gate; never throws.</summary>
    /// <returns>Why it could not be started; null when it runs.</returns>
    internal string? TryStart()
    {
        if (_thread is not null)
        {
            return null;
        }

        try
        {
            _idle.Reset();
            _thread = new Thread(() => run()) { IsBackground = true, Name = name };
            _thread.Start();
            return null;
        }
        catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException)
        {
            End();
            return exception.Message;
        }
    }

    /// <summary>Says that the thread has nothing left to do. Under the gate, by the thread itself.</summary>
    internal void End()
    {
        _thread = null;
        _idle.Set();
    }

    /// <summary>Waits until nothing is left to do.</summary>
    /// <returns>Whether that is so.</returns>
    internal bool Wait(int timeoutMs) => _idle.Wait(timeoutMs);

    /// <summary>Gives what is under way a moment, cancels the rest, and waits for the thread to end. Twice is harmless.</summary>
    internal void Stop()
    {
        // A program that commits a little and closes at once would otherwise never get to any of it.
        _ = _idle.Wait(GraceMs);
        Thread? thread;
        lock (Gate)
        {
            _cancellation.Cancel();
            thread = _thread;
        }

        thread?.Join();
    }

    /// <summary>Stops it.</summary>
    public void Dispose()
    {
        Stop();
        _cancellation.Dispose();
        _idle.Dispose();
    }
}
