// Why this file exists: pages of a log are checked on all cores but must be linked in order. Invariants: results are consumed in order, on
// the calling thread; no more than the window are held at once; the first exception ends all workers and is thrown to the caller.

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Makes results in parallel and consumes them in order.</summary>
internal static class OrderedWork
{
    /// <summary>Runs.</summary>
    /// <param name="items">What to work on, in order; enumerated by one worker at a time.</param>
    /// <param name="workers">How many threads work.</param>
    /// <param name="window">How many results may wait, at least the number of workers.</param>
    /// <param name="createWorker">Makes one worker's function; called once on each thread.</param>
    /// <param name="consume">Receives results in order, on the calling thread.</param>
    /// <param name="cancellation">Ends the work early.</param>
    public static void Run<TItem, TResult>(
        IEnumerable<TItem> items,
        int workers,
        int window,
        Func<Func<TItem, TResult>> createWorker,
        Action<TResult> consume,
        CancellationToken cancellation)
    {
        if (workers == 1)
        {
            RunInline(items, createWorker(), consume, cancellation);
            return;
        }

        using State<TItem, TResult> state = new(items, Math.Max(window, workers), cancellation);
        Task[] tasks = new Task[workers];
        for (int i = 0; i < workers; i++)
        {
            tasks[i] = Task.Factory.StartNew(() => state.Work(createWorker), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        try
        {
            state.Consume(consume);
        }
        finally
        {
            state.Stop();
            Task.WaitAll(tasks, CancellationToken.None);
        }

        state.ThrowIfFailed();
    }

    private static void RunInline<TItem, TResult>(IEnumerable<TItem> items, Func<TItem, TResult> work, Action<TResult> consume, CancellationToken cancellation)
    {
        foreach (TItem item in items)
        {
            cancellation.ThrowIfCancellationRequested();
            consume(work(item));
        }
    }

    private sealed class State<TItem, TResult>(IEnumerable<TItem> items, int window, CancellationToken cancellation) : IDisposable
    {
        private readonly Lock _itemGate = new();
        private readonly object _resultGate = new();
        private readonly IEnumerator<TItem> _items = items.GetEnumerator();
        private readonly (bool IsReady, TResult? Result)[] _ring = new (bool, TResult?)[window];
        private long _taken;
        private long _consumed;
        private long _count = long.MaxValue;
        private Exception? _failure;
        private bool _isStopped;

        public void Work(Func<Func<TItem, TResult>> createWorker)
        {
            try
            {
                Func<TItem, TResult> work = createWorker();
                while (TryTake(out long index, out TItem? item))
                {
                    TResult result = work(item!);
                    lock (_resultGate)
                    {
                        _ring[index % _ring.Length] = (true, result);
                        Monitor.PulseAll(_resultGate);
                    }
                }
            }
            catch (Exception exception)
            {
                // The consumer throws it on the calling thread.
                Fail(exception);
            }
        }

        public void Consume(Action<TResult> consume)
        {
            while (true)
            {
                TResult? result;
                lock (_resultGate)
                {
                    while (!_ring[_consumed % _ring.Length].IsReady && _consumed < _count && _failure is null)
                    {
                        Monitor.Wait(_resultGate);
                    }

                    if (_failure is not null || _consumed >= _count)
                    {
                        return;
                    }

                    result = _ring[_consumed % _ring.Length].Result;
                }

                consume(result!);
                lock (_resultGate)
                {
                    _ring[_consumed % _ring.Length] = default;
                    _consumed++;
                    Monitor.PulseAll(_resultGate);
                }
            }
        }

        public void Stop()
        {
            lock (_resultGate)
            {
                _isStopped = true;
                Monitor.PulseAll(_resultGate);
            }
        }

        public void ThrowIfFailed()
        {
            cancellation.ThrowIfCancellationRequested();
            if (_failure is not null)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_failure);
            }
        }

        public void Dispose() => _items.Dispose();

        private bool TryTake(out long index, out TItem? item)
        {
            lock (_itemGate)
            {
                index = _taken;
                item = default;
                lock (_resultGate)
                {
                    while (_taken - _consumed >= _ring.Length && !_isStopped)
                    {
                        Monitor.Wait(_resultGate);
                    }

                    cancellation.ThrowIfCancellationRequested();
                    if (_isStopped || _taken >= _count)
                    {
                        return false;
                    }
                }

                if (!_items.MoveNext())
                {
                    lock (_resultGate)
                    {
                        _count = _taken;
                        Monitor.PulseAll(_resultGate);
                    }

                    return false;
                }

                item = _items.Current;
                _taken++;
                return true;
            }
        }

        private void Fail(Exception exception)
        {
            lock (_resultGate)
            {
                _failure ??= exception;
                _isStopped = true;
                Monitor.PulseAll(_resultGate);
            }
        }
    }
}
