// Why this file exists: each page of the specification names the files that implement it; a page that names a file that is gone has rotted.

using System.Text.RegularExpressions;

namespace SourceOS.StateStore.Format.Tests;

public sealed partial class SpecPagesTests
{
    [Theory]
    [InlineData("checksums.md")]
    [InlineData("superblock.md")]
    [InlineData("segments.md")]
    [InlineData("frames.md")]
    [InlineData("events.md")]
    [InlineData("records.md")]
    [InlineData("state.md")]
    public void The_files_that_a_page_names_exist(string page)
    {
        string text = SpecPages.Read(page);
        text = text[text.IndexOf("Implemented by:", StringComparison.Ordinal)..];
        string root = Path.GetDirectoryName(SpecPages.Folder)!;
        MatchCollection paths = SourcePath().Matches(text);
        Assert.NotEmpty(paths);
        Assert.All(paths, path => Assert.True(File.Exists(Path.Combine(root, path.Value)), path.Value));
    }

    [Fact]
    public void Every_file_of_vectors_is_read_by_a_test()
    {
        string tests = File.ReadAllText(Path.Combine(Path.GetDirectoryName(SpecPages.Folder)!, "tests/SourceOS.StateStore.Format.Tests/Vectors/VectorTests.cs"));
        string[] files = Directory.GetFiles(Path.Combine(SpecPages.Folder, "vectors"), "*.hex");
        Assert.NotEmpty(files);
        Assert.All(files, file => Assert.Contains($"\"{Path.GetFileName(file)}\"", tests, StringComparison.Ordinal));
    }

    [GeneratedRegex(@"src/[A-Za-z0-9./]+\.cs")]
    private static partial Regex SourcePath();
}
