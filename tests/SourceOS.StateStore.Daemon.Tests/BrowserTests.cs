// Why this file exists: the page is for people, so a browser judges it: every width and both colour schemes, on sound, damaged, unsafe and missing stores. Invariants: nothing is installed here; where Chromium is missing that is said, and
// tests/browser/run.sh, which installs it, is the way to run this.

using System.Diagnostics;

namespace SourceOS.StateStore.Daemon.Tests;

public sealed class BrowserTests
{
    private const int TimeoutMs = 9 * 60_000;

    [Fact]
    public async Task The_page_holds_in_a_browser_at_every_width_and_in_light_and_dark()
    {
        if (!HasBrowser())
        {
            Console.WriteLine("skipped: Chromium is not installed; tests/browser/run.sh installs it and looks at the page.");
            return;
        }

        ProcessStartInfo start = new("bash", [Path.Combine(Root(), "tests", "browser", "run.sh"), "--built", Directory.GetParent(AppContext.BaseDirectory.TrimEnd('/'))!.Name]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using CancellationTokenSource bound = new(TimeoutMs);
        await process.WaitForExitAsync(bound.Token);
        string said = $"{await output}\n{await errors}";
        Assert.True(process.ExitCode == 0, said);
        Assert.Contains("== missing-phone-dark", said, StringComparison.Ordinal);
        Assert.Contains(" passed, 0 failed", said, StringComparison.Ordinal);
    }

    private static bool HasBrowser() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(static folder => folder.Length > 0 && (File.Exists(Path.Combine(folder, "chromium")) || File.Exists(Path.Combine(folder, "google-chrome"))));

    private static string Root()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "SourceOS.StateStore.sln")))
        {
            at = at.Parent;
        }

        return at?.FullName ?? throw new InvalidOperationException("The tests do not lie below the repository.");
    }
}
