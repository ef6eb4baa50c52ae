// Why this file exists: a minute of fuzzing in every run, as a process of its own: what kills a process or never ends is a finding too. Invariants: the canary must be found; every target must have been tried; the time is a budget
// and not an assertion.

using System.Diagnostics;
using System.Globalization;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed class FuzzTests(ITestOutputHelper output)
{
    private const int Seconds = 60;

    [Fact]
    public void No_decoder_falls_over_whatever_it_is_given()
    {
        int seconds = Campaign.Size(Seconds);
        using TestFolder failures = new();
        (int exit, string[] lines) = Run(TimeSpan.FromSeconds(seconds) + TimeSpan.FromMinutes(5), "--seconds", seconds.ToString(CultureInfo.InvariantCulture), "--seed", Campaign.Seed.ToString(CultureInfo.InvariantCulture), "--failures", failures.Path);
        Campaign campaign = new("fuzz", output);
        foreach (string line in lines)
        {
            campaign.Note(line);
        }

        Assert.True(exit == 0, $"exit {exit}\n{string.Join('\n', lines)}");
        Assert.Contains(lines, static line => line.StartsWith("canary: found", StringComparison.Ordinal));
        Assert.True(lines.Count(static line => line.Contains(" tried, ", StringComparison.Ordinal)) >= 20, "A target is missing.");
    }

    [Fact]
    public void A_wrong_command_line_and_an_unknown_target_are_told()
    {
        Assert.Equal(2, Run(TimeSpan.FromMinutes(1), "--nonsense").Exit);
        Assert.Equal(2, Run(TimeSpan.FromMinutes(1), "--target", "nothing").Exit);
    }

    private static (int Exit, string[] Lines) Run(TimeSpan bound, params string[] args)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "SourceOS.StateStore.Fuzz")) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string arg in args)
        {
            start.ArgumentList.Add(arg);
        }

        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        Task<string> text = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(bound))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail("The fuzz program did not end.");
        }

        return (process.ExitCode, (text.GetAwaiter().GetResult() + error.GetAwaiter().GetResult()).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    // Failing inputs outlive the test when there are any, because they are what a person needs.
    private sealed class TestFolder : IDisposable
    {
        internal string Path { get; } = Directory.CreateTempSubdirectory("statestore-fuzz-").FullName;

        public void Dispose()
        {
            if (Directory.GetFileSystemEntries(Path).All(static entry => System.IO.Path.GetFileName(entry) == "canary"))
            {
                Directory.Delete(Path, recursive: true);
            }
        }
    }
}
