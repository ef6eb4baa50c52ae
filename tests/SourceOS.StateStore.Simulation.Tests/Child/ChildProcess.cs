// Why this file exists: the parent's side of a child: starting it, hearing it, killing it. Invariants: every line that the child wrote before it died is
// heard; a child never outlives its test.

using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>A process of this test assembly in a child's role.</summary>
internal sealed class ChildProcess : IDisposable
{
    private const int EndsWithinMs = 60_000;
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly Task _listening;
    private readonly TaskCompletionSource _works = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChildProcess(Process process)
    {
        _process = process;
        _listening = Task.Run(Listen);
    }

    /// <summary>Completes when the child said that it works, or ended.</summary>
    internal Task Works => _works.Task;

    /// <summary>Starts a child.</summary>
    /// <param name="wrapper">A program with its arguments to run it under; none for itself.</param>
    /// <param name="arguments">Its role and what it works on.</param>
    internal static ChildProcess Start(IReadOnlyList<string> wrapper, params string[] arguments)
    {
        string host = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));
        List<string> command = [.. wrapper, host, typeof(ChildProcess).Assembly.Location, .. arguments];
        ProcessStartInfo start = new(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["DOTNET_TieredPGO"] = "0";
        start.Environment["DOTNET_TieredCompilation"] = "1";
        start.Environment["DOTNET_gcConcurrent"] = "0";
        return new ChildProcess(Process.Start(start) ?? throw new InvalidOperationException("The child did not start."));
    }

    internal static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Kills it with SIGKILL and answers every line that it had written.</summary>
    internal async Task<IReadOnlyList<string>> KillAsync()
    {
        _process.Kill();
        await EndAsync();
        return _lines;
    }

    /// <summary>Waits for its end and answers its lines.</summary>
    internal async Task<IReadOnlyList<string>> EndAsync()
    {
        using CancellationTokenSource limit = new(EndsWithinMs);
        await _process.WaitForExitAsync(limit.Token);
        await _listening;
        return _lines;
    }

    internal int ExitCode => _process.ExitCode;

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private void Listen()
    {
        Task<string> errors = _process.StandardError.ReadToEndAsync();
        string text = "";
        char[] buffer = new char[4096];
        int count;
        while ((count = _process.StandardOutput.Read(buffer, 0, buffer.Length)) > 0)
        {
            text += new string(buffer, 0, count);
            int end;
            while ((end = text.IndexOf('\n', StringComparison.Ordinal)) >= 0)
            {
                _lines.Add(text[..end]);
                if (text.StartsWith(CommittingChild.Acknowledged, StringComparison.Ordinal))
                {
                    _works.TrySetResult();
                }

                text = text[(end + 1)..];
            }
        }

        if (errors.GetAwaiter().GetResult() is { Length: > 0 } error)
        {
            _lines.Add("stderr " + error.ReplaceLineEndings(" "));
        }

        _works.TrySetResult();
    }
}
