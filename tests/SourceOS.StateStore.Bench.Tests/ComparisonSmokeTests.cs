// Why this file exists: a benchmark that nobody runs rots. Every comparison runs here at a tiny size: it must end, its contestants must hold the same data
// (it throws when they do not), and its report must hold them all. Nothing here looks at a time.

using System.Text.Json;
using SourceOS.StateStore.Bench.Comparisons;
using SourceOS.StateStore.Bench.Measure;

namespace SourceOS.StateStore.Bench.Tests;

public sealed class ComparisonSmokeTests
{
    private const int BoundMs = 300_000;

    public static TheoryData<string, int> Comparisons => new()
    {
        { "commit", 7 }, { "commit-new", 7 }, { "group", 3 }, { "ingest", 4 }, { "append", 3 }, { "read", 4 }, { "list", 2 }, { "scan", 2 }, { "open", 3 }, { "verify", 3 },
    };

    [Theory]
    [MemberData(nameof(Comparisons))]
    public async Task A_comparison_completes_with_contestants_that_agree(string name, int contestants)
    {
        using StringWriter output = new();
        string parent = Directory.CreateTempSubdirectory("bench-smoke-").FullName;
        try
        {
            ComparisonReport report = await CompareCommand.RunAsync(Scale.Tiny, new HashSet<string> { name }, parent, "a test", output).WaitAsync(TimeSpan.FromMilliseconds(BoundMs));
            ComparisonResult result = Assert.Single(report.Comparisons);
            Assert.Equal(contestants, result.Contestants.Count);
            Assert.All(result.Contestants, item => Assert.True(item.RoundNs.Median > 0, item.Name));
            Assert.Contains(result.Contestants, item => item.Role == Role.Subject && item.Name.StartsWith("store", StringComparison.Ordinal));
            using JsonDocument json = JsonDocument.Parse(report.ToJson());
            Assert.Equal(contestants, json.RootElement.GetProperty(nameof(ComparisonReport.Comparisons))[0].GetProperty(nameof(ComparisonResult.Contestants)).GetArrayLength());
            Assert.Contains(result.Name, report.ToMarkdown(), StringComparison.Ordinal);
            Assert.Empty(Directory.EnumerateFileSystemEntries(parent));
        }
        finally
        {
            Directory.Delete(parent, recursive: true);
        }
    }

    [Theory]
    [InlineData("compare", "--what")]
    [InlineData("compare", "--only")]
    public async Task Arguments_that_make_no_sense_are_refused(params string[] args) => Assert.Equal(2, await Program.Main(args));
}
