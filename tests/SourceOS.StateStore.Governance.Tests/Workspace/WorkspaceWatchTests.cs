// Why this file exists: a watched store follows its tree: nothing missed, nothing invented, whatever the watcher says or does not say. Trees, stores and the kernel's watcher are real; where an event must be lost at an exact
// moment, the watcher is a scripted one.

using System.Threading.Channels;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace;
using SourceOS.StateStore.Governance.Workspace.Tree;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

public sealed class WorkspaceWatchTests : IDisposable
{
    private static readonly SessionIdentity Identity = new("actor:test", "device:test", "profile:test");
    private static readonly WatchOptions Fast = new() { QuietMs = 20, MaxWaitMs = 200, LockWaitMs = 20, RootWaitMs = 50, PollMs = 100 };

    private readonly TemporaryDirectory _directory = new();
    private readonly Tree _tree = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Rounds _rounds = new();
    private readonly string _storePath;
    private Task<WatchSummary>? _running;

    public WorkspaceWatchTests()
    {
        _storePath = _directory.PathOf("store");
        StateStore.Create(_storePath).Dispose();
    }

    public void Dispose()
    {
        _stop.Cancel();
        if (_running is not null)
        {
            Assert.True(((IAsyncResult)_running).AsyncWaitHandle.WaitOne(TimeSpan.FromSeconds(60)));
        }

        _stop.Dispose();
        _tree.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task What_happens_to_the_tree_is_in_the_store_soon_after()
    {
        _tree.Write("a/one", "1");
        _tree.Write("keep", "k");
        Start();
        await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);

        _tree.Write("b/c/new", "fresh");
        await SettlesAsync("a", "a/one", "b", "b/c", "b/c/new", "keep");
        string id = IdOf("b/c/new");

        File.Move(_tree.PathOf("b/c/new"), _tree.PathOf("b/moved"));
        await SettlesAsync("a", "a/one", "b", "b/c", "b/moved", "keep");
        Assert.Equal(id, IdOf("b/moved"));

        Directory.Move(_tree.PathOf("b"), _tree.PathOf("d"));
        await SettlesAsync("a", "a/one", "d", "d/c", "d/moved", "keep");
        Assert.Equal(id, IdOf("d/moved"));

        File.WriteAllText(_tree.PathOf("keep"), "another content");
        await _rounds.UntilAsync(static round => round.Report?.Files.Changed > 0);
        Assert.Equal(15, SizeOf("keep"));

        Directory.Delete(_tree.PathOf("d"), recursive: true);
        File.Delete(_tree.PathOf("keep"));
        await SettlesAsync("a", "a/one");
        WatchSummary summary = await StopAsync();
        Assert.Equal(WatchEnd.Cancelled, summary.End);
        Assert.True(summary.Rounds > 4);
        using StateStore reader = StateStore.OpenRead(_storePath);
        Assert.Equal(summary.Sequence, reader.VisibleSequence);
    }

    [Fact]
    public async Task A_burst_of_thousands_is_one_or_a_few_rounds_and_nothing_of_it_is_missing()
    {
        _tree.Write("seed", "s");
        Start(Fast with { QuietMs = 100, MaxWaitMs = 2_000 });
        await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);
        List<string> expected = ["seed"];
        for (int folder = 0; folder < 20; folder++)
        {
            expected.Add($"d{folder}");
            for (int file = 0; file < 150; file++)
            {
                _tree.Write($"d{folder}/f{file}", $"{folder} {file}");
                expected.Add($"d{folder}/f{file}");
            }
        }

        await SettlesAsync([.. expected]);
        Assert.True((await StopAsync()).Rounds < 200);
    }

    [Fact]
    public async Task Odd_names_files_and_links_pass_through_and_the_links_are_not_followed()
    {
        using Tree outside = new();
        outside.Write("secret", "never read");
        _tree.Write("plain", "p");
        Start();
        await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);
        _tree.Write("tab\tand\nline \u00e9\u4e2d\ufffd", "odd");
        _tree.WriteRaw([(byte)'x', 0xff, (byte)'y']);
        _tree.Pipe("pipe");
        _tree.Link("out", outside.Root);
        _tree.Write(".git/HEAD", "ref");
        await SettlesAsync(".git", "out", "plain", "tab\tand\nline \u00e9\u4e2d\ufffd");
        _tree.Write("last", "l");
        WatchRound last = await _rounds.UntilAsync(static round => round.Report?.Skipped.Count >= 2);
        Assert.Contains(new SkippedPath("pipe", SkipReason.SpecialFile), last.Report!.Skipped);
        Assert.Contains(new SkippedPath("x\\xffy", SkipReason.NameNotUtf8), last.Report.Skipped);
    }

    [Fact]
    public async Task Lost_events_mean_a_look_at_the_whole_tree_and_touched_ones_at_their_place_alone()
    {
        Script script = new();
        _tree.Write("a/one", "1");
        _tree.Write("b/two", "2");
        Start(source: script.Source);
        await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);

        // Nobody tells of the first change; what is looked at beside it does not find it.
        _tree.Write("a/unseen", "u");
        _tree.Write("b/seen", "s");
        script.Sink.Touched("b/seen", true);
        WatchRound touched = await _rounds.UntilAsync(static round => round.Cause == WatchCause.Events);
        Assert.False(touched.IsWholeTree);
        Assert.Equal(1, touched.Report!.Files.Added);
        Assert.Equal(["a", "a/one", "b", "b/seen", "b/two"], Paths());

        script.Sink.Lost();
        WatchRound whole = await _rounds.UntilAsync(static round => round.Cause == WatchCause.Overflow);
        Assert.True(whole.IsWholeTree);
        Assert.Equal(["a", "a/one", "a/unseen", "b", "b/seen", "b/two"], Paths());
        Assert.Equal(1, (await StopAsync()).Overflows);
    }

    [Fact]
    public async Task Time_alone_finds_what_no_event_told_and_too_many_paths_are_the_whole_tree()
    {
        Script script = new();
        _tree.Write("a", "1");
        Start(Fast with { RescanMs = 300, MaxTouched = 3 }, script.Source);
        await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);
        _tree.Write("untold", "2");
        Assert.True((await _rounds.UntilAsync(static round => round.Cause == WatchCause.Rescan && round.Report!.Files.Added == 1)).IsWholeTree);
        for (int i = 0; i < 5; i++)
        {
            script.Sink.Touched($"p{i}", true);
        }

        Assert.True((await _rounds.UntilAsync(static round => round.Cause == WatchCause.Events)).IsWholeTree);
    }

    [Fact]
    public async Task Without_a_watcher_the_tree_is_looked_at_from_time_to_time_and_that_is_said()
    {
        _tree.Write("a", "1");
        Start(source: static (_, _) => throw new IOException("The configured user limit (1) on the number of inotify instances has been reached."));
        WatchRound first = await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);
        Assert.False(first.IsWatching);
        Assert.Contains("inotify instances", first.Notice, StringComparison.Ordinal);
        _tree.Write("b", "2");
        await SettlesAsync("a", "b");
    }

    [Fact]
    public async Task A_watcher_that_breaks_later_is_replaced_by_looking()
    {
        Script script = new();
        _tree.Write("a", "1");
        Start(source: script.Source);
        Assert.True((await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start)).IsWatching);
        script.Sink.Failed("The configured user limit (8192) on the number of inotify watches has been reached");
        WatchRound told = await _rounds.UntilAsync(static round => !round.IsWatching);
        Assert.Contains("inotify watches", told.Notice, StringComparison.Ordinal);
        Assert.True(script.IsDisposed);
        _tree.Write("b", "2");
        await SettlesAsync("a", "b");
    }

    [Fact]
    public async Task A_root_that_goes_ends_the_watch_and_removes_nothing()
    {
        _tree.Write("t/a", "1");
        Start(root: "t");
        await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);
        Directory.Move(_tree.PathOf("t"), _tree.PathOf("elsewhere"));

        // What an unmounted tree leaves: an empty directory at the same path.
        Directory.CreateDirectory(_tree.PathOf("t"));
        Assert.Equal(WatchEnd.RootGone, (await _running!).End);
        Assert.Equal(["a"], Paths());
    }

    [Fact]
    public async Task A_root_that_comes_back_is_looked_at_as_a_whole()
    {
        _tree.Write("t/a", "1");
        Start(Fast with { RootWaitMs = 60_000 }, root: "t");
        await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);
        Directory.Move(_tree.PathOf("t"), _tree.PathOf("elsewhere"));
        _tree.Write("elsewhere/b", "2");
        Directory.Move(_tree.PathOf("elsewhere"), _tree.PathOf("t"));
        await SettlesAsync("a", "b");
    }

    [Fact]
    public async Task Another_writer_puts_a_round_off_and_nothing_is_lost_by_it()
    {
        _tree.Write("a", "1");
        Start();
        await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);

        // The watch lets the store go between rounds, or this would be refused.
        using (StateStore other = await OpenAsync())
        {
            _tree.Write("b", "2");
            WatchRound deferred = await _rounds.UntilAsync(static round => round.Report is null);
            Assert.Contains("Another writer", deferred.Notice, StringComparison.Ordinal);
        }

        await SettlesAsync("a", "b");
        Assert.True((await StopAsync()).Deferred > 0);
    }

    [Fact]
    public async Task A_store_that_is_locked_from_the_start_is_told_and_nothing_is_adopted()
    {
        using StateStore other = StateStore.Open(_storePath);
        Start();
        StateStoreException locked = await Assert.ThrowsAsync<StateStoreException>(() => _running!);
        Assert.Equal(StateStoreErrorCode.Locked, locked.Code);
    }

    [Fact]
    public async Task The_stores_own_writes_inside_the_tree_start_no_round()
    {
        string inside = _tree.PathOf("data/state");
        Directory.CreateDirectory(_tree.PathOf("data"));
        StateStore.Create(inside).Dispose();
        _tree.Write("a", "1");
        Start(storePath: inside);
        await _rounds.UntilAsync(static round => round.Cause == WatchCause.Start);
        _tree.Write("b", "2");
        await _rounds.UntilAsync(static round => round.Report?.Files.Added == 1);

        // The round above wrote to the store; a round because of that would come before the one for `c`.
        await Task.Delay(200);
        _tree.Write("c", "3");
        await _rounds.UntilAsync(static round => round.Report?.Files.Added == 1);
        Assert.DoesNotContain(_rounds.All.Skip(1), static round => round.Report!.Commits == 0 && round.Cause == WatchCause.Events && round.Report.Files.Seen == 0);
        Assert.True(_rounds.All.Count <= 6, string.Join(" ", _rounds.All.Select(static round => round.Cause)));
    }

    [Fact]
    public async Task A_refused_commit_ends_the_watch()
    {
        _tree.Write("a", "1");
        StateStoreOptions options = new();
        options.Gates.Add(new NoGate());
        using StateStore store = StateStore.Open(_storePath, options);
        WatchSummary summary = await WorkspaceWatch.RunAsync(store, Identity, _tree.Root, watch: Fast, cancellationToken: _stop.Token);
        Assert.Equal(WatchEnd.Refused, summary.End);
        Assert.Equal("no", summary.Refused!.Refusal!.Rule);
    }

    [Fact]
    public async Task Options_out_of_range_and_roots_that_are_none_are_refused()
    {
        using StateStore store = StateStore.Open(_storePath);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => WorkspaceWatch.RunAsync(store, Identity, _tree.Root, watch: new WatchOptions { QuietMs = 0 }));
        await Assert.ThrowsAsync<DirectoryNotFoundException>(() => WorkspaceWatch.RunAsync(store, Identity, _tree.PathOf("none")));
        _tree.Write("file", "f");
        await Assert.ThrowsAsync<StateStoreException>(() => WorkspaceWatch.RunAsync(store, Identity, _tree.PathOf("file")));
    }

    private void Start(WatchOptions? watch = null, TreeSignalSource? source = null, string root = "", string? storePath = null)
    {
        string path = storePath ?? _storePath;
        _running = Task.Run(() => WorkspaceWatch.RunAsync(
            LinuxTreeCalls.Instance, source ?? SystemTreeSignals.Start, new WatchStore(() => StateStore.Open(path), static _ => Identity, ClosesStore: true), _tree.PathOf(root), new AdoptOptions { Workers = 2 }, watch ?? Fast, _rounds, null, _stop.Token));
    }

    private async Task<WatchSummary> StopAsync()
    {
        await _stop.CancelAsync();
        return await _running!;
    }

    private async Task<StateStore> OpenAsync()
    {
        while (true)
        {
            try
            {
                return StateStore.Open(_storePath);
            }
            catch (StateStoreException exception) when (exception.Code == StateStoreErrorCode.Locked)
            {
                await Task.Delay(5);
            }
        }
    }

    // Waits for rounds until the store says what the tree says.
    private async Task SettlesAsync(params string[] expected)
    {
        string[] sorted = [.. expected.Order(StringComparer.Ordinal)];
        while (!Paths().SequenceEqual(sorted))
        {
            if (_running!.IsCompleted)
            {
                Assert.Equal(sorted, Paths());
                await _running;
            }

            await _rounds.NextAsync(() => $"expected {string.Join(" ", sorted.Take(20))}, the store has {string.Join(" ", Paths().Take(20))}");
        }
    }

    private List<string> Paths()
    {
        using StateStore reader = StateStore.OpenRead(_storePath);
        using ReadSnapshot snapshot = reader.OpenSnapshot();
        return [.. snapshot.Range(RecordKind.Object).ToList().Select(static record => record.Text("path")).OfType<string>().Where(static path => path.Length > 0).Order(StringComparer.Ordinal)];
    }

    private StoredRecord Find(string path)
    {
        using StateStore reader = StateStore.OpenRead(_storePath);
        using ReadSnapshot snapshot = reader.OpenSnapshot();
        return Assert.Single(snapshot.Range(RecordKind.Object).ToList(), record => record.Text("path") == path);
    }

    private string IdOf(string path) => Find(path).Id;

    private long SizeOf(string path) => RecordBodyView.TryRead(Find(path).Body.Span, out RecordBodyView body, out _) && body.TryGetInteger(ObjectFields.SizeBytes, out long size) ? size : -1;

    private sealed class NoGate : ICommitGate
    {
        public GateDecision Evaluate(ProposedCommit commit, IStateView state) => GateDecision.Deny(new CommitRefusal("no", "No.", "None."));
    }

    // A watcher that says what the test says.
    private sealed class Script : IDisposable
    {
        public ITreeSignalSink Sink { get; private set; } = null!;

        public bool IsDisposed { get; private set; }

        public IDisposable Source(string root, ITreeSignalSink sink)
        {
            Sink = sink;
            return this;
        }

        public void Dispose() => IsDisposed = true;
    }

    private sealed class Rounds : IProgress<WatchRound>
    {
        private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
        private readonly Channel<WatchRound> _channel = Channel.CreateUnbounded<WatchRound>();
        private readonly List<WatchRound> _all = [];

        public IReadOnlyList<WatchRound> All
        {
            get
            {
                lock (_all)
                {
                    return [.. _all];
                }
            }
        }

        public void Report(WatchRound value)
        {
            lock (_all)
            {
                _all.Add(value);
            }

            _channel.Writer.TryWrite(value);
        }

        public async Task<WatchRound> NextAsync(Func<string>? what = null)
        {
            using CancellationTokenSource limit = new(Limit);
            try
            {
                return await _channel.Reader.ReadAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"No round came: {what?.Invoke()}");
            }
        }

        public async Task<WatchRound> UntilAsync(Func<WatchRound, bool> isWanted)
        {
            while (true)
            {
                WatchRound round = await NextAsync();
                if (isWanted(round))
                {
                    return round;
                }
            }
        }
    }
}
