// Why this file exists: the commit protocol holds in every history that a small log can have, and the model that says so is the pages' protocol.
// Invariants: each canary must be caught, else the run proves nothing; the model's rows are those of the recovery table.

using System.Diagnostics;
using System.Text.RegularExpressions;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed partial class ProtocolModelTests
{
    private static readonly string s_spec = Path.Combine(Root(), "format-spec");

    [Fact]
    public void Every_history_of_the_model_holds_and_every_canary_is_caught()
    {
        ProcessStartInfo start = new("bash") { RedirectStandardOutput = true };
        start.ArgumentList.Add(Path.Combine(s_spec, "model", "check.sh"));
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(10)), "The checker did not end.");
        Assert.True(process.ExitCode == 0, output);
        Match tally = TallyPattern().Match(output);
        Assert.True(tally.Success && tally.Groups[1].Value == tally.Groups[2].Value && int.Parse(tally.Groups[1].ValueSpan, provider: null) >= 7, output);
        Console.WriteLine($"protocol model: {tally.Value}");
    }

    [Fact]
    public void The_models_rows_are_the_recovery_tables()
    {
        string model = File.ReadAllText(Path.Combine(s_spec, "model", "commit.pml"));
        string[] rows = [.. ModelRowsPattern().Match(model).Groups[1].Value.Split(',', StringSplitOptions.TrimEntries).Select(static row => row.Replace('_', '-'))];
        string[] table = [.. TableRowPattern().Matches(File.ReadAllText(Path.Combine(s_spec, "recovery.md"))).Select(static row => row.Groups[1].Value)];
        Assert.NotEmpty(table);
        Assert.Equal(table.Order(StringComparer.Ordinal), rows.Order(StringComparer.Ordinal));
    }

    private static string Root()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "SourceOS.StateStore.sln")))
        {
            directory = directory.Parent;
        }

        return directory.FullName;
    }

    [GeneratedRegex(@"(\d+) tried, (\d+) held")]
    private static partial Regex TallyPattern();

    [GeneratedRegex(@"mtype = \{([^}]*)\}")]
    private static partial Regex ModelRowsPattern();

    [GeneratedRegex(@"^\| \d+ \| `([a-z-]+)` \|", RegexOptions.Multiline)]
    private static partial Regex TableRowPattern();
}
