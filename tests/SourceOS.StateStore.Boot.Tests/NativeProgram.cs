// Why this file exists: the native program is published once for all tests that run it, as anyone would publish it. Invariants: a warning of the trimmer or the native compiler is a failure.

using System.Diagnostics;

namespace SourceOS.StateStore.Boot.Tests;

/// <summary>What a run of the program came to.</summary>
/// <param name="ExitCode">Its exit code; above 128 for a signal.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
public sealed record ProgramRun(int ExitCode, string Output, string Errors);

public sealed class NativeProgram : IDisposable
{
    private const int PublishTimeoutMs = 9 * 60_000;
    private readonly Testing.TemporaryDirectory _directory = new();

    public NativeProgram()
    {
        string project = System.IO.Path.Combine(Repository.Root, "src", "SourceOS.StateStore.Boot", "SourceOS.StateStore.Boot.csproj");
        PublishLog = Start("dotnet", ["publish", project, "-c", "Release", "-o", _directory.Path, "--nologo", "-v", "m"], PublishTimeoutMs);
        Path = _directory.PathOf("statestore-bootcheck");
    }

    public string Path { get; }

    public ProgramRun PublishLog { get; }

    public ProgramRun Run(params string[] arguments) => Start(Path, arguments, 60_000);

    public static ProgramRun Start(string program, string[] arguments, int timeoutMs)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove("SOURCEOS_STATE_STORE");
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(timeoutMs))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} did not end in {timeoutMs} ms.");
        }

        return new ProgramRun(process.ExitCode, output.GetAwaiter().GetResult(), errors.GetAwaiter().GetResult());
    }

    public void Dispose() => _directory.Dispose();
}
