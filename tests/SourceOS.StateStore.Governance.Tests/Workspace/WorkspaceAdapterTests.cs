// Why this file exists: an adoption is trusted to say what changed: nothing missed, nothing invented, and every object the same one after a
// rename. Each test runs the adapter on a real tree against a real store.

using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace;
using SourceOS.StateStore.Governance.Workspace.Tree;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

public sealed class WorkspaceAdapterTests : IDisposable
{
    private static readonly SessionIdentity Identity = new("actor:test", "device:test", "profile:test");

    private readonly TemporaryDirectory _directory = new();
    private readonly Tree _tree = new();
    private readonly StateStore _store;
    private readonly List<ICommitGate> _gates = [];

    public WorkspaceAdapterTests()
    {
        StateStoreOptions options = new();
        options.Gates.Add(new SwitchedGate(_gates));
        _store = StateStore.Create(_directory.PathOf("store"), options);
    }

    public void Dispose()
    {
        _store.Dispose();
        _tree.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_first_run_records_files_folders_and_links()
    {
        _tree.Write("a/file.txt", "hello");
        _tree.Link("a/link", "../elsewhere");
        AdoptReport report = await Adopt();

        Assert.Equal(new AdoptCounts(1, 1, 0, 0, 0, 0, 0), report.Files);
        Assert.Equal(new AdoptCounts(1, 1, 0, 0, 0, 0, 0), report.Folders);
        Assert.Equal(new AdoptCounts(1, 1, 0, 0, 0, 0, 0), report.Links);
        Assert.Equal(5, report.Bytes);
        Assert.Empty(report.Skipped);

        StoredRecord file = Single("a/file.txt");
        Assert.StartsWith("file:" + report.WorkspaceId + ":", file.Id, StringComparison.Ordinal);
        Assert.Equal("file", file.Text("object_type"));
        Assert.Equal("actor:test", file.Text("last_modified_by_actor"));
        Assert.Equal("device:test", file.Text("owning_device"));
        Assert.Equal("profile:test", file.Text("profile_id"));
        Assert.Equal("local_only", file.Text("sync_visibility"));
        Assert.Equal("confidential", file.Text("privacy_class"));
        Read(file, static body =>
        {
            Assert.True(body.TryGetSha256(ObjectFields.ContentHash, out Hash256 hash));
            Assert.Equal(SHA256.HashData("hello"u8), hash.Bytes.ToArray());
            Assert.True(body.TryGetInteger(ObjectFields.SizeBytes, out long size) && size == 5);
        });
        Assert.Equal("../elsewhere", Single("a/link").Text("link_target"));
        Assert.Equal("folder", Single("a").Text("object_type"));

        using ReadSnapshot snapshot = _store.OpenSnapshot();
        StoredRecord workspace = snapshot.Get(RecordKind.Object, report.WorkspaceId)!;
        Assert.Equal("workspace", workspace.Text("object_type"));
        Assert.Equal(Path.GetFileName(_tree.Root), workspace.Text("title"));
    }

    [Fact]
    public async Task A_second_run_writes_nothing_and_reads_no_file()
    {
        for (int i = 0; i < 200; i++)
        {
            _tree.Write($"d{i % 7}/f{i}", $"content {i}");
        }

        await Adopt();
        ulong before = _store.VisibleSequence;
        FaultingTreeCalls calls = new();
        AdoptReport report = await Adopt(calls: calls);
        Assert.Equal(new AdoptCounts(200, 0, 0, 0, 0, 200, 0), report.Files);
        Assert.Equal(new AdoptCounts(7, 0, 0, 0, 0, 7, 0), report.Folders);
        Assert.Empty(calls.Opened);
        Assert.Equal(0, report.Bytes);
        Assert.Equal(0, report.Commits);
        Assert.Equal(before, _store.VisibleSequence);
        Assert.Equal(before, report.Sequence);
        Assert.Equal(0, calls.OpenCount);
    }

    [Fact]
    public async Task A_second_run_finds_exactly_what_changed()
    {
        _tree.Write("same", "1");
        _tree.Write("edited", "2");
        _tree.Write("removed", "3");
        _tree.Write("folder/inside", "4");
        _tree.Link("link", "a");
        await Adopt();

        _tree.Write("edited", "two", ageSeconds: 1);
        File.Delete(_tree.PathOf("removed"));
        Directory.Delete(_tree.PathOf("folder"), recursive: true);
        File.Delete(_tree.PathOf("link"));
        _tree.Link("link", "b");
        _tree.Write("new", "5");
        AdoptReport report = await Adopt();

        Assert.Equal(new AdoptCounts(3, 1, 1, 2, 0, 1, 0), report.Files);
        Assert.Equal(new AdoptCounts(0, 0, 0, 1, 0, 0, 0), report.Folders);
        Assert.Equal(new AdoptCounts(1, 0, 1, 0, 0, 0, 0), report.Links);
        Assert.Equal("b", Single("link").Text("link_target"));
        Assert.Empty(At("removed"));
        Assert.Empty(At("folder/inside"));
    }

    [Fact]
    public async Task A_renamed_file_keeps_its_object_and_the_event_says_from_where()
    {
        _tree.Write("old/name.txt", "the content");
        _tree.Write("other", "something else");
        await Adopt();
        StoredRecord before = Single("old/name.txt");

        Directory.CreateDirectory(_tree.PathOf("new"));
        File.Move(_tree.PathOf("old/name.txt"), _tree.PathOf("new/place.txt"));
        AdoptReport report = await Adopt();
        Assert.Equal(new AdoptCounts(2, 0, 0, 0, 1, 1, 0), report.Files);
        StoredRecord after = Single("new/place.txt");
        Assert.Equal(before.Id, after.Id);
        Assert.Empty(At("old/name.txt"));
        using (ReadSnapshot snapshot = _store.OpenSnapshot())
        {
            Assert.Contains("old/name.txt", Encoding.UTF8.GetString(snapshot.ReadEvent(after.Sequence)!.DataJson.Span), StringComparison.Ordinal);
        }

        // It stays known at its new path, and moves on and back.
        Assert.Equal(new AdoptCounts(2, 0, 0, 0, 0, 2, 0), (await Adopt()).Files);
        File.Move(_tree.PathOf("new/place.txt"), _tree.PathOf("old/name.txt"));
        Assert.Equal(1, (await Adopt()).Files.Renamed);
        Assert.Equal(before.Id, Single("old/name.txt").Id);
        Assert.Equal(new AdoptCounts(2, 0, 0, 0, 0, 2, 0), (await Adopt()).Files);
    }

    [Fact]
    public async Task A_new_file_at_the_old_path_of_a_renamed_one_is_another_object()
    {
        _tree.Write("p", "first content");
        await Adopt();
        string first = Single("p").Id;
        File.Move(_tree.PathOf("p"), _tree.PathOf("q"));
        await Adopt();

        _tree.Write("p", "second content");
        AdoptReport report = await Adopt();
        Assert.Equal(new AdoptCounts(2, 1, 0, 0, 0, 1, 0), report.Files);
        Assert.Equal(first, Single("q").Id);
        Assert.NotEqual(first, Single("p").Id);
        Assert.Equal(new AdoptCounts(2, 0, 0, 0, 0, 2, 0), (await Adopt()).Files);
    }

    [Fact]
    public async Task A_copy_is_not_a_rename_and_one_vanished_file_is_one_new_one_only()
    {
        _tree.Write("a", "shared");
        await Adopt();
        _tree.Write("copy", "shared");
        Assert.Equal(new AdoptCounts(2, 1, 0, 0, 0, 1, 0), (await Adopt()).Files);

        File.Delete(_tree.PathOf("a"));
        File.Delete(_tree.PathOf("copy"));
        _tree.Write("x", "shared");
        _tree.Write("y", "shared");
        _tree.Write("z", "shared");
        Assert.Equal(new AdoptCounts(3, 1, 0, 0, 2, 0, 0), (await Adopt()).Files);
    }

    [Fact]
    public async Task Empty_files_are_renamed_only_when_their_times_agree()
    {
        _tree.Write("empty", "");
        await Adopt();
        File.Delete(_tree.PathOf("empty"));
        _tree.Write("unrelated", "", ageSeconds: 60);
        Assert.Equal(new AdoptCounts(1, 1, 0, 1, 0, 0, 0), (await Adopt()).Files);
    }

    [Fact]
    public async Task A_file_that_comes_back_revives_its_object()
    {
        _tree.Write("f", "1");
        await Adopt();
        string id = Single("f").Id;
        File.Delete(_tree.PathOf("f"));
        await Adopt();
        _tree.Write("f", "2");
        Assert.Equal(1, (await Adopt()).Files.Added);
        Assert.Equal(id, Single("f").Id);
        Assert.Equal(new AdoptCounts(1, 0, 0, 0, 0, 1, 0), (await Adopt()).Files);
    }

    [Fact]
    public async Task A_path_that_becomes_another_kind_of_thing_is_another_object()
    {
        _tree.Write("thing", "1");
        await Adopt();
        File.Delete(_tree.PathOf("thing"));
        _tree.Link("thing", "target");
        AdoptReport report = await Adopt();
        Assert.Equal(1, report.Files.Removed);
        Assert.Equal(1, report.Links.Added);
        Assert.Equal("link", Single("thing").Text("object_type"));
    }

    [Fact]
    public async Task Odd_files_are_skipped_with_a_reason_and_the_rest_is_adopted()
    {
        _tree.Write("fine", "x");
        _tree.Pipe("pipe");
        _tree.WriteRaw([(byte)'x', 0xFE]);
        using (FileStream huge = File.Create(_tree.PathOf("huge")))
        {
            huge.SetLength(1000);
        }

        _tree.Write("secret", "x");
        _tree.Write("flaky", "x");
        _tree.Write("gone", "x");
        FaultingTreeCalls calls = new();
        calls.Errors.Add(("open", "secret"), 13);
        calls.Errors.Add(("read", "flaky"), 5);
        calls.Errors.Add(("stat", "gone"), 2);
        AdoptReport report = await Adopt(new AdoptOptions { MaxFileBytes = 999 }, calls);
        Assert.Equal(new AdoptCounts(7, 1, 0, 0, 0, 0, 6), report.Files);
        Assert.Equal(
            ["flaky io_error", "gone vanished", "huge too_large", "pipe special_file", "secret unreadable", @"x\xfe name_not_utf8"],
            report.Skipped.Select(skipped => $"{skipped.Path} {skipped.Reason}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_cannot_be_seen_is_not_taken_for_removed()
    {
        _tree.Write("denied/a", "1");
        _tree.Write("denied/deep/b", "2");
        _tree.Write("secret", "3");
        _tree.Write("blocked", "4");
        _tree.Write("gone", "5");
        await Adopt();

        _tree.Write("secret", "33", ageSeconds: 1);
        File.Delete(_tree.PathOf("gone"));
        FaultingTreeCalls calls = new();
        calls.Errors.Add(("folder", "denied"), 13);
        calls.Errors.Add(("open", "secret"), 13);
        calls.Errors.Add(("stat", "blocked"), 13);
        AdoptReport report = await Adopt(calls: calls);
        Assert.Equal(1, report.Files.Removed);
        Assert.Single(At("denied/deep/b"));
        Assert.Single(At("secret"));
        Assert.Single(At("blocked"));

        // A root that cannot be listed says nothing about anything.
        calls = new();
        calls.Errors.Add(("list", ""), 5);
        report = await Adopt(calls: calls);
        Assert.True(report.RemovalSuspended);
        Assert.Equal(0, report.Files.Removed);
    }

    [Fact]
    public async Task Ignored_files_leave_the_state_of_record()
    {
        _tree.Write("keep", "1");
        _tree.Write("drop.tmp", "2");
        await Adopt();
        _tree.Write(".statestoreignore", "*.tmp\n");
        AdoptReport report = await Adopt();
        Assert.Equal(1, report.Ignored);
        Assert.Equal(1, report.Files.Removed);
        Assert.Empty(At("drop.tmp"));
    }

    [Fact]
    public async Task The_store_inside_the_tree_and_git_content_are_left_out()
    {
        StateStore inside = StateStore.Create(_tree.PathOf("data"));
        using (inside)
        {
            _tree.Write("repo/.git/HEAD", "x");
            _tree.Write("repo/file", "x");
            AdoptReport report = await WorkspaceAdapter.AdoptAsync(inside, Identity, _tree.Root);
            Assert.Equal(1, report.Files.Added);
            Assert.Equal(2, report.Folders.Added);
            using ReadSnapshot snapshot = inside.OpenSnapshot();
            StoredRecord git = Assert.Single(All(snapshot), record => record.Text("path") == "repo/.git");
            Read(git, static body =>
            {
                Assert.True(body.TryGetJson(ObjectFields.Attributes, out ReadOnlySpan<byte> json));
                Assert.Contains("version_control", Encoding.UTF8.GetString(json), StringComparison.Ordinal);
            });
            AdoptReport with = await WorkspaceAdapter.AdoptAsync(inside, Identity, _tree.Root, new AdoptOptions { IncludeVersionControl = true });
            Assert.Equal(1, with.Files.Added);
        }
    }

    [Fact]
    public async Task A_file_changed_in_the_moment_it_was_adopted_is_read_again()
    {
        _tree.Write("f", "aaaa");
        DateTime time = File.GetLastWriteTimeUtc(_tree.PathOf("f"));
        await Adopt(clock: new FixedClock(new DateTimeOffset(time).AddMilliseconds(5)));
        _tree.Write("f", "bbbb");

        // Same size and same time: only reading can tell, and the first sight was too close to the change to trust the time.
        AdoptReport report = await Adopt();
        Assert.Equal(1, report.Files.Changed);
    }

    [Fact]
    public async Task Rehash_reads_everything_and_finds_what_times_hide()
    {
        _tree.Write("f", "aaaa");
        _tree.Write("g", "same");
        await Adopt();
        _tree.Write("f", "bbbb");
        Assert.Equal(0, (await Adopt()).Files.Changed);
        AdoptReport report = await Adopt(new AdoptOptions { Rehash = true });
        Assert.Equal(new AdoptCounts(2, 0, 1, 0, 0, 1, 0), report.Files);
        Assert.Equal(8, report.Bytes);
    }

    [Fact]
    public async Task A_changed_mode_or_time_is_a_change()
    {
        _tree.Write("mode", "1");
        _tree.Write("time", "2");
        await Adopt();
        _tree.SetMode("mode", 0x100);
        _tree.Write("time", "2", ageSeconds: 5);
        AdoptReport report = await Adopt();
        Assert.Equal(2, report.Files.Changed);
        Read(Single("mode"), static body => Assert.True(body.TryGetInteger(ObjectFields.Mode, out long mode) && mode == 0x100));
    }

    [Fact]
    public async Task Fields_that_others_set_survive_a_change()
    {
        _tree.Write("f", "1");
        await Adopt();
        StoredRecord record = Single("f");
        RecordBodyBuilder builder = new();
        Read(record, body => builder.CopyFrom(body));
        builder.SetText(ObjectFields.PrivacyClass, "secret"u8);
        builder.AddExtension("urn:x"u8, "colour"u8, "\"blue\""u8);
        await _store.OpenSession(Identity).CommitAsync(new CommitBatch().Put(RecordKind.Object, record.Id, builder.Build()));
        _tree.Write("f", "22", ageSeconds: 1);
        Assert.Equal(1, (await Adopt()).Files.Changed);
        StoredRecord after = Single("f");
        Assert.Equal("secret", after.Text("privacy_class"));
        Read(after, static body => Assert.Equal(1, body.Extensions.Count));
    }

    [Fact]
    public async Task Two_trees_of_one_name_are_two_workspaces_and_a_workspace_does_not_move_to_another_tree()
    {
        _tree.Write("a/src/f", "1");
        _tree.Write("b/src/g", "2");
        AdoptReport a = await Adopt(path: _tree.PathOf("a/src"));
        AdoptReport b = await Adopt(path: _tree.PathOf("b/src"));
        Assert.Equal("workspace:src", a.WorkspaceId);
        Assert.NotEqual(a.WorkspaceId, b.WorkspaceId);
        Assert.Equal(b.WorkspaceId, (await Adopt(path: _tree.PathOf("b/src/"))).WorkspaceId);
        Assert.Single(At("f"));
        Assert.Single(At("g"));

        StateStoreException refused = await Assert.ThrowsAsync<StateStoreException>(
            () => Adopt(new AdoptOptions { WorkspaceId = a.WorkspaceId }, path: _tree.PathOf("b/src")));
        Assert.Equal(StateStoreErrorCode.InvalidInput, refused.Code);

        // A tree that moved is the same workspace when the caller says so.
        Directory.Move(_tree.PathOf("a/src"), _tree.PathOf("a/moved"));
        AdoptReport moved = await Adopt(new AdoptOptions { WorkspaceId = a.WorkspaceId }, path: _tree.PathOf("a/moved"));
        Assert.Equal(new AdoptCounts(1, 0, 0, 0, 0, 1, 0), moved.Files);
    }

    [Fact]
    public async Task A_workspace_name_of_any_length_works()
    {
        _tree.Write("f", "1");
        string id = "workspace:" + new string('w', 245);
        AdoptReport report = await Adopt(new AdoptOptions { WorkspaceId = id });
        Assert.Equal(id, report.WorkspaceId);
        Assert.Equal(1, (await Adopt(new AdoptOptions { WorkspaceId = id })).Files.Unchanged);
        await Assert.ThrowsAsync<ArgumentException>(() => Adopt(new AdoptOptions { WorkspaceId = id + "w" }));
    }

    [Fact]
    public async Task A_refused_commit_ends_the_run_with_the_refusal()
    {
        for (int i = 0; i < 500; i++)
        {
            _tree.Write($"f{i}", "x");
        }

        _gates.Add(new DenyAll());
        AdoptReport report = await Adopt(new AdoptOptions { BatchObjects = 10 });
        Assert.Equal(CommitStatus.Denied, report.RefusalStatus);
        Assert.Equal("test.deny", report.Refusal!.Rule);
        Assert.Equal(0, report.Commits);
    }

    [Fact]
    public async Task Many_small_commits_hold_everything_and_progress_reaches_the_end()
    {
        for (int i = 0; i < 300; i++)
        {
            _tree.Write($"d{i % 11}/f{i}", $"{i}");
        }

        Progress progress = new();
        AdoptReport report = await Adopt(new AdoptOptions { BatchObjects = 7, Workers = 4, EstimateTotal = true }, progress: progress);
        Assert.Equal(300, report.Files.Added);
        Assert.True(report.Commits >= 300 / 7);
        Assert.Equal(300, progress.Last.Files);
        Assert.Equal(300, progress.Last.Expected);
        Assert.Equal(300 + 11 + 1, progress.Last.Objects);
        using ReadSnapshot snapshot = _store.OpenSnapshot();
        Assert.Equal(300 + 11 + 1, All(snapshot).Count);
    }

    [Fact]
    public async Task Cancelling_keeps_what_was_committed_and_the_next_run_goes_on()
    {
        for (int i = 0; i < 400; i++)
        {
            _tree.Write($"f{i}", $"{i}");
        }

        using CancellationTokenSource cancel = new();
        FaultingTreeCalls calls = new() { BeforeRead = read => CancelAt(cancel, read) };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Adopt(new AdoptOptions { BatchObjects = 10 }, calls, cancel: cancel.Token));
        Assert.Equal(0, calls.OpenCount);
        AdoptReport report = await Adopt();
        Assert.Equal(400, report.Files.Added + report.Files.Unchanged);
        Assert.Equal(0, report.Files.Removed);

        static void CancelAt(CancellationTokenSource cancel, int read)
        {
            if (read == 200)
            {
                cancel.Cancel();
            }
        }
    }

    [Fact]
    public async Task A_path_that_is_no_directory_is_refused()
    {
        _tree.Write("f", "x");
        await Assert.ThrowsAsync<DirectoryNotFoundException>(() => Adopt(path: _tree.PathOf("nothing")));
        StateStoreException refused = await Assert.ThrowsAsync<StateStoreException>(() => Adopt(path: _tree.PathOf("f")));
        Assert.Equal(StateStoreErrorCode.InvalidInput, refused.Code);
        await Assert.ThrowsAsync<ArgumentException>(() => Adopt(path: "a\0b"));
    }

    private Task<AdoptReport> Adopt(
        AdoptOptions? options = null,
        FaultingTreeCalls? calls = null,
        string? path = null,
        TimeProvider? clock = null,
        IProgress<AdoptProgress>? progress = null,
        CancellationToken cancel = default) =>
        WorkspaceAdapter.AdoptAsync(
            (TreeCalls?)calls ?? LinuxTreeCalls.Instance, _store, Identity, path ?? _tree.Root, options ?? new AdoptOptions(), clock ?? TimeProvider.System, progress, cancel);

    private StoredRecord Single(string path) => Assert.Single(At(path));

    private List<StoredRecord> At(string path)
    {
        using ReadSnapshot snapshot = _store.OpenSnapshot();
        return All(snapshot).FindAll(record => record.Text("path") == path);
    }

    private static List<StoredRecord> All(ReadSnapshot snapshot)
    {
        List<StoredRecord> all = [];
        foreach (RecordView record in snapshot.Range(RecordKind.Object))
        {
            all.Add(record.ToStored());
        }

        return all;
    }

    private delegate void BodyReader(RecordBodyView body);

    private static void Read(StoredRecord record, BodyReader read)
    {
        Assert.True(RecordBodyView.TryRead(record.Body.Span, out RecordBodyView body, out _));
        read(body);
    }

    private sealed class Progress : IProgress<AdoptProgress>
    {
        public AdoptProgress Last { get; private set; }

        public void Report(AdoptProgress value) => Last = value;
    }

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }

    private sealed class SwitchedGate(List<ICommitGate> gates) : ICommitGate
    {
        public GateDecision Evaluate(ProposedCommit commit, IStateView state) => gates.Count == 0 ? GateDecision.Allow : gates[0].Evaluate(commit, state);
    }

    private sealed class DenyAll : ICommitGate
    {
        public GateDecision Evaluate(ProposedCommit commit, IStateView state) =>
            GateDecision.Deny(new CommitRefusal("test.deny", "Everything is denied.", "Nothing helps."));
    }
}
