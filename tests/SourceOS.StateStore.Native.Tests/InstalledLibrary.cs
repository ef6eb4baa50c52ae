// Why this file exists: the library is installed once, the way the documentation says, for all tests that link it. Invariants: a warning of the trimmer, the native compiler or gcc is a failure.

using System.Diagnostics;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Native.Tests;

/// <summary>What a run of a program came to.</summary>
/// <param name="ExitCode">Its exit code; above 128 for a signal.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
public sealed record ProgramRun(int ExitCode, string Output, string Errors)
{
    /// <summary>Fails unless it ended with 0; says all that it said.</summary>
    public ProgramRun Succeeded()
    {
        Assert.True(ExitCode == 0, $"exit {ExitCode}\n{Output}\n{Errors}");
        return this;
    }
}

public sealed class InstalledLibrary : IDisposable
{
    private const int InstallTimeoutMs = 9 * 60_000;
    private readonly TemporaryDirectory _directory = new();

    public InstalledLibrary()
    {
        Root = FindRoot();
        InstallLog = Run("sh", [Path.Combine(Root, "src", "SourceOS.StateStore.Native", "install.sh"), Prefix], InstallTimeoutMs).Succeeded();
    }

    public string Root { get; }

    public string Prefix => _directory.PathOf("prefix");

    public string Library => Path.Combine(Prefix, "lib", "libsourceos_statestore.so.1");

    public ProgramRun InstallLog { get; }

    /// <summary>Compiles a C program against what was installed.</summary>
    public string Compile(string name) => CompileFile(name, Path.Combine(AppContext.BaseDirectory, "programs", name + ".c"));

    /// <summary>Compiles a C program that is given as text.</summary>
    public string CompileText(string name, string text)
    {
        string source = NewPath(name) + ".c";
        File.WriteAllText(source, text);
        return CompileFile(name, source);
    }

    private string CompileFile(string name, string source)
    {
        string program = _directory.PathOf(name);
        Run("gcc", [
            "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O1", $"-I{Prefix}/include", source,
            $"-L{Prefix}/lib", "-lsourceos_statestore", "-lpthread", $"-Wl,-rpath,{Prefix}/lib", "-o", program,
        ]).Succeeded();
        return program;
    }

    public ProgramRun Run(string program, string[] arguments, int timeoutMs = 120_000)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove("SOURCEOS_STATE_STORE");
        start.Environment["SOURCEOS_STATESTORE_LIBRARY"] = Library;
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

    /// <summary>A directory of a test's own.</summary>
    public string NewPath(string name) => _directory.PathOf(name + "-" + Guid.NewGuid().ToString("N")[..8]);

    public void Dispose() => _directory.Dispose();

    private static string FindRoot()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "SourceOS.StateStore.sln")))
        {
            at = at.Parent;
        }

        return at?.FullName ?? throw new InvalidOperationException("The tests do not lie below the repository.");
    }
}
