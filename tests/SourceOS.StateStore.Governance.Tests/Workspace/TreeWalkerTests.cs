// Why this file exists: the walk must meet every name once, whatever the tree looks like and whatever fails, and leave no descriptor open.

using System.Text;
using SourceOS.StateStore.Governance.Workspace;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

public sealed class TreeWalkerTests
{
    private const int EIO = 5;
    private const int EACCES = 13;
    private const int ENOENT = 2;

    [Fact]
    public void Every_name_is_met_once_with_its_kind()
    {
        using Tree tree = new();
        for (int i = 0; i < 300; i++)
        {
            tree.Write($"many/f{i}", "x");
        }

        tree.Write("a/b/c/deep", "x");
        tree.Link("a/link", "../nowhere");
        Found found = Walk(tree);
        Assert.Equal(300 + 1, found.Names.Count(name => name.Value == EntryKind.File));
        Assert.Equal(EntryKind.File, found.Names["a/b/c/deep"]);
        Assert.Equal(EntryKind.Link, found.Names["a/link"]);
        Assert.Equal(4, found.Names.Count(name => name.Value == EntryKind.Folder));
        Assert.Empty(found.Skipped);
    }

    [Fact]
    public void A_directory_that_tells_no_kinds_is_walked_all_the_same()
    {
        using Tree tree = new();
        tree.Write("a/file", "x");
        tree.Link("a/link", "file");
        Found found = Walk(tree, new FaultingTreeCalls { HidesKinds = true });
        Assert.Equal(["a", "a/file", "a/link"], found.Names.Keys.Order());
        Assert.Equal(EntryKind.Link, found.Names["a/link"]);
    }

    [Fact]
    public void A_link_to_a_directory_is_not_entered()
    {
        using Tree tree = new();
        tree.Write("real/inside", "x");
        tree.Link("alias", "real");
        tree.Link("up", "..");
        tree.Link("self", ".");
        Found found = Walk(tree);
        Assert.Equal(["alias", "real", "real/inside", "self", "up"], found.Names.Keys.Order());
    }

    [Fact]
    public void A_directory_swapped_for_a_link_between_listing_and_opening_counts_as_vanished()
    {
        using Tree tree = new();
        tree.Write("real/inside", "x");
        tree.Write("victim/inside", "x");
        FaultingTreeCalls calls = new();
        bool isSwapped = false;
        calls.BeforeOpenFile = _ =>
        {
            // The root's ignore file is looked for after the root was opened and before anything in it is.
            if (!isSwapped)
            {
                isSwapped = true;
                Directory.Delete(tree.PathOf("victim"), recursive: true);
                tree.Link("victim", "real");
            }
        };
        calls.HidesKinds = false;
        Found found = Walk(tree, calls);
        Assert.DoesNotContain("victim/inside", found.Names.Keys);
    }

    [Fact]
    public void Odd_names_are_skipped_with_their_reason()
    {
        using Tree tree = new();
        tree.Pipe("pipe");
        tree.WriteRaw([(byte)'b', 0xFF, (byte)'d']);
        tree.Write("line\nbreak", "x");
        Found found = Walk(tree);
        Assert.Contains(("pipe", SkipReason.SpecialFile), found.Skipped);
        Assert.Contains((@"b\xffd", SkipReason.NameNotUtf8), found.Skipped);
        Assert.Equal(["line\nbreak"], found.Names.Keys);
    }

    [Fact]
    public void The_store_and_version_control_content_and_ignored_names_are_left_out()
    {
        using Tree tree = new();
        tree.Write("repo/.git/objects/x", "x");
        tree.Write("repo/code", "x");
        tree.Write(".statestore/STORE", "x");
        tree.Write("elsewhere/data", "x");
        tree.Write("out/built", "x");
        tree.Write(".statestoreignore", "out/\n");
        FaultingTreeCalls calls = new();
        int store = calls.OpenRoot(tree.PathOf("elsewhere"));
        Assert.Equal(0, calls.StatOpen(store, out TreeStatus status));
        calls.Close(store);

        Found found = Walk(tree, calls, new WalkOptions { Excluded = (status.Device, status.Inode) });
        Assert.Equal([".statestoreignore", "repo", "repo/.git", "repo/code"], found.Names.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["repo/.git"], found.Opaque);
        Assert.Equal(3, found.Ignored);
    }

    [Fact]
    public void What_cannot_be_opened_or_listed_is_reported_and_the_walk_goes_on()
    {
        using Tree tree = new();
        tree.Write("denied/x", "x");
        tree.Write("gone/x", "x");
        tree.Write("broken/x", "x");
        tree.Write("fine/x", "x");
        FaultingTreeCalls calls = new();
        calls.Errors.Add(("folder", "denied"), EACCES);
        calls.Errors.Add(("folder", "gone"), ENOENT);
        calls.Errors.Add(("list", "broken"), EIO);
        Found found = Walk(tree, calls);
        Assert.Contains(("denied", SkipReason.Unreadable), found.Skipped);
        Assert.Contains(("gone", SkipReason.Vanished), found.Skipped);
        Assert.Contains(("broken", SkipReason.InputOutput), found.Skipped);
        Assert.Equal(["broken", "denied"], found.Hidden.Order());
        Assert.Contains("fine/x", found.Names.Keys);
    }

    [Fact]
    public void A_folder_on_another_file_system_is_entered_only_when_asked()
    {
        using Tree tree = new();
        tree.Write("mount/x", "x");
        Found found = Walk(tree, new FaultingTreeCalls { ForeignFolder = "mount" });
        Assert.Contains(("mount", SkipReason.OtherFileSystem), found.Skipped);
        found = Walk(tree, new FaultingTreeCalls { ForeignFolder = "mount" }, new WalkOptions { CrossFileSystems = true });
        Assert.Contains("mount/x", found.Names.Keys);
    }

    [Fact]
    public void Depth_and_path_length_are_bounded()
    {
        using Tree tree = new();
        tree.Write("1/2/3/4/x", "x");
        Found found = Walk(tree, options: new WalkOptions { MaxDepth = 2, MaxPathBytes = 4095 });
        Assert.Contains(("1/2/3", SkipReason.TooDeep), found.Skipped);
        found = Walk(tree, options: new WalkOptions { MaxPathBytes = 5 });
        Assert.Contains(("1/2/3/4", SkipReason.PathTooLong), found.Skipped);
        Assert.Equal(["1", "1/2", "1/2/3"], found.Names.Keys.Order());
    }

    [Fact]
    public void An_unreadable_or_oversized_ignore_file_is_reported()
    {
        using Tree tree = new();
        tree.Write("a/.statestoreignore", new string('x', IgnoreRules.MaxFileBytes + 1));
        tree.Write("a/x", "x");
        Found found = Walk(tree);
        Assert.Contains(("a/.statestoreignore", SkipReason.IgnoreFileUnreadable), found.Skipped);
        Assert.Contains("a/x", found.Names.Keys);
    }

    [Fact]
    public void A_cancelled_walk_closes_everything()
    {
        using Tree tree = new();
        tree.Write("a/b/c/x", "x");
        FaultingTreeCalls calls = new();
        using CancellationTokenSource cancel = new();
        calls.BeforeOpenFile = _ => cancel.Cancel();
        Assert.Throws<OperationCanceledException>(() => Walk(tree, calls, cancel: cancel.Token));
        Assert.Equal(0, calls.OpenCount);
    }

    private static Found Walk(Tree tree, FaultingTreeCalls? calls = null, WalkOptions? options = null, CancellationToken cancel = default)
    {
        calls ??= new FaultingTreeCalls();
        Found found = new();
        DirectoryHandle root = new(calls, calls.OpenRoot(tree.Root), []);
        new TreeWalker(calls, options ?? new WalkOptions(), found).Walk(root, cancel);
        Assert.Equal(0, calls.OpenCount);
        return found;
    }

    private sealed class Found : IWalkSink
    {
        public Dictionary<string, EntryKind> Names { get; } = new(StringComparer.Ordinal);

        public List<(string Path, string Reason)> Skipped { get; } = [];

        public List<string> Hidden { get; } = [];

        public List<string> Opaque { get; } = [];

        public int Ignored { get; private set; }

        public void Take(WalkBatch batch)
        {
            for (int i = 0; i < batch.Count; i++)
            {
                string folder = Encoding.UTF8.GetString(batch.Directory.Path);
                string name = Encoding.UTF8.GetString(batch.Name(i)[..^1]);
                string path = folder.Length == 0 ? name : folder + "/" + name;
                Names.Add(path, batch.Kind(i));
                if (batch.IsOpaque(i))
                {
                    Opaque.Add(path);
                }
            }

            batch.Dispose();
        }

        public void Skip(ReadOnlySpan<byte> path, string reason, bool hidesContent)
        {
            Skipped.Add((PathText.Render(path), reason));
            if (hidesContent)
            {
                Hidden.Add(PathText.Render(path));
            }
        }

        public void Ignore() => Ignored++;
    }
}
