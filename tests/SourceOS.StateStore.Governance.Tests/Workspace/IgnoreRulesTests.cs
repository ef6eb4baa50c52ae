// Why this file exists: an ignore rule that matches too much hides files from the state of record, one that matches too little floods it.

using System.Text;
using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

public sealed class IgnoreRulesTests
{
    [Theory]
    [InlineData("*.log", "a.log", false, true)]
    [InlineData("*.log", "deep/er/a.log", false, true)]
    [InlineData("*.log", "a.log.txt", false, false)]
    [InlineData("/top", "top", false, true)]
    [InlineData("/top", "in/top", false, false)]
    [InlineData("out/", "out", true, true)]
    [InlineData("out/", "out", false, false)]
    [InlineData("out/", "a/out", true, true)]
    [InlineData("a/b", "a/b", false, true)]
    [InlineData("a/b", "x/a/b", false, false)]
    [InlineData("a/*", "a/x", false, true)]
    [InlineData("a/*", "a/x/y", false, false)]
    [InlineData("**/tmp", "tmp", true, true)]
    [InlineData("**/tmp", "a/b/tmp", true, true)]
    [InlineData("a/**/z", "a/z", false, true)]
    [InlineData("a/**/z", "a/b/c/z", false, true)]
    [InlineData("a/**/z", "b/a/z", false, false)]
    [InlineData("a/**/b/**/c", "a/x/b/y/b/c", false, true)]
    [InlineData("a/**", "a/b/c", false, true)]
    [InlineData("a/**", "a", true, false)]
    [InlineData("?.txt", "a.txt", false, true)]
    [InlineData("?.txt", "ab.txt", false, false)]
    [InlineData("[a-c]x", "bx", false, true)]
    [InlineData("[a-c]x", "dx", false, false)]
    [InlineData("[!a-c]x", "dx", false, true)]
    [InlineData("[]]x", "]x", false, true)]
    [InlineData("[a-", "a", false, false)]
    [InlineData("[a-", "[a-", false, false)]
    [InlineData("\\#x", "#x", false, true)]
    [InlineData("\\!x", "!x", false, true)]
    [InlineData("#x", "#x", false, false)]
    [InlineData("x  ", "x", false, true)]
    [InlineData("x\\ ", "x ", false, true)]
    [InlineData("x\r", "x", false, true)]
    [InlineData("", "x", false, false)]
    [InlineData("/", "x", true, false)]
    [InlineData("ü*", "übung", false, true)]
    public void A_pattern_matches_what_gitignore_would(string pattern, string path, bool isFolder, bool expected)
    {
        IgnoreRules? rules = IgnoreRules.Add(null, Encoding.UTF8.GetBytes(pattern + "\n"), []);
        Assert.Equal(expected, rules?.IsIgnored(Encoding.UTF8.GetBytes(path), isFolder) == true);
    }

    [Fact]
    public void The_last_matching_line_decides_and_a_negation_takes_back_in()
    {
        IgnoreRules rules = IgnoreRules.Add(null, "*.log\n!keep.log\n"u8, [])!;
        Assert.True(rules.IsIgnored("a.log"u8, isFolder: false));
        Assert.False(rules.IsIgnored("keep.log"u8, isFolder: false));
    }

    [Fact]
    public void A_deeper_file_overrides_an_outer_one_and_its_paths_start_at_its_folder()
    {
        IgnoreRules outer = IgnoreRules.Add(null, "*.log\n/only-top\n"u8, [])!;
        IgnoreRules inner = IgnoreRules.Add(outer, "!*.log\n/here\n"u8, "sub"u8)!;
        Assert.False(inner.IsIgnored("sub/a.log"u8, isFolder: false));
        Assert.True(inner.IsIgnored("sub/here"u8, isFolder: false));
        Assert.False(inner.IsIgnored("sub/x/here"u8, isFolder: false));
        Assert.False(inner.IsIgnored("sub/only-top"u8, isFolder: false));
    }

    [Fact]
    public void A_hostile_pattern_takes_no_more_than_pattern_times_path()
    {
        string pattern = string.Concat(Enumerable.Repeat("*a", 400)) + "b";
        string name = new('a', 4000);
        IgnoreRules rules = IgnoreRules.Add(null, Encoding.UTF8.GetBytes(pattern), [])!;
        Assert.False(rules.IsIgnored(Encoding.UTF8.GetBytes(name), isFolder: false));

        string folders = string.Concat(Enumerable.Repeat("**/a/", 100)) + "b";
        string path = string.Join('/', Enumerable.Repeat("a", 1000));
        rules = IgnoreRules.Add(null, Encoding.UTF8.GetBytes(folders), [])!;
        Assert.False(rules.IsIgnored(Encoding.UTF8.GetBytes(path), isFolder: false));
    }

    [Fact]
    public void Any_bytes_are_a_pattern_and_any_bytes_a_path()
    {
        Prop.ForAll(
            ArbMap.Default.ArbFor<byte[]>(),
            ArbMap.Default.ArbFor<byte[]>(),
            static (pattern, path) =>
            {
                IgnoreRules? rules = IgnoreRules.Add(null, pattern, []);
                _ = rules?.IsIgnored(path, isFolder: true);
                return true;
            }).QuickCheckThrowOnFailure();
    }
}
