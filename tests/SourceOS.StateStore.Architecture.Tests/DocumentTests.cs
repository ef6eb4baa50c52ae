// Why this file exists: documents that name files, dependencies and outputs stay true only when something checks them.

using System.Text.RegularExpressions;
using System.Xml.Linq;
using SourceOS.StateStore.Architecture.Tests.Support;

namespace SourceOS.StateStore.Architecture.Tests;

public sealed partial class DocumentTests
{
    [Fact]
    public void Every_format_page_names_source_files_that_exist()
    {
        List<string> pages = [.. Repository.Files.Where(path => IsFormatPage(path))];
        Assert.True(pages.Count >= 9, "The format pages were not found.");
        List<string> faults = [];
        foreach (string page in pages)
        {
            Match line = ImplementedBy().Match(Repository.Read(page));
            List<string> files = [.. Quoted().Matches(line.Groups[1].Value).Select(match => match.Groups[1].Value)];
            if (files.Count == 0)
            {
                faults.Add($"{page} does not say which files implement it");
            }

            faults.AddRange(files.Where(file => !Repository.Exists(file)).Select(file => $"{page} names {file}, which is not there"));
        }

        Rule.Holds(faults);
    }

    [Fact]
    public void The_format_index_lists_every_page_and_no_other()
    {
        HashSet<string> listed = [.. Link().Matches(Repository.Read("format-spec/README.md")).Select(match => "format-spec/" + match.Groups[1].Value)];
        HashSet<string> there = [.. Repository.Files.Where(path => IsFormatPage(path))];
        Assert.Equal(there.Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_dependency_has_its_reason()
    {
        string reasons = Repository.Read("docs/decisions/0002-dependencies.md");
        IEnumerable<string> packages = XDocument.Parse(Repository.Read("Directory.Packages.props")).Descendants("PackageVersion").Select(item => item.Attribute("Include")!.Value);
        Rule.Holds(packages.Where(package => !reasons.Contains(package, StringComparison.Ordinal)));
    }

    [Fact]
    public void Files_that_the_README_names_exist()
    {
        IEnumerable<string> named = NamedFile().Matches(Repository.Read("README.md")).Select(match => match.Groups[1].Value);
        Rule.Holds(named.Where(path => !Repository.Files.Any(file => file == path || file.EndsWith("/" + path, StringComparison.Ordinal) || file.EndsWith("." + path, StringComparison.Ordinal))));
    }

    [Fact]
    public void Tests_that_the_reliability_page_names_exist()
    {
        List<(string Class, string Method)> named = [.. NamedTest().Matches(Repository.Read("docs/reliability.md")).Select(match => (match.Groups[1].Value, match.Groups[2].Value))];
        Assert.True(named.Count > 40, "The page names too few tests to be read rightly.");
        List<string> files = [.. Repository.CSharp("tests")];
        Rule.Holds(named
            .Where(test => !files.Any(file => file.EndsWith($"/{test.Class}.cs", StringComparison.Ordinal) && Repository.Read(file).Contains($" {test.Method}(", StringComparison.Ordinal)))
            .Select(test => $"docs/reliability.md names {test.Class}.{test.Method}, which is not there"));
    }

    [Fact]
    public void No_file_carries_traces_of_a_workplace()
    {
        // Put together from halves, so that this file does not carry what it looks for.
        string[] traces = ["/wo" + "rk/", "far" + "m-", "anth" + "ropic", "clau" + "de"];
        Rule.Holds(Repository.TextFiles
            .SelectMany(path => traces.Where(trace => Repository.Read(path).Contains(trace, StringComparison.OrdinalIgnoreCase)).Select(trace => $"{path}: {trace}")));
    }

    private static bool IsFormatPage(string path) =>
        Path.GetDirectoryName(path) == "format-spec" && path.EndsWith(".md", StringComparison.Ordinal) && path != "format-spec/README.md";

    [GeneratedRegex(@"^Implemented by: (.+)$", RegexOptions.Multiline)]
    private static partial Regex ImplementedBy();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex("`([A-Z][A-Za-z0-9]+)\\.([A-Z][A-Za-z0-9]*_[A-Za-z0-9_]+)`")]
    private static partial Regex NamedTest();

    [GeneratedRegex(@"\]\(([a-z0-9-]+\.md)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`([A-Za-z0-9./-]+/[A-Za-z0-9.-]+\.(?:cs|md|sh))`")]
    private static partial Regex NamedFile();
}
