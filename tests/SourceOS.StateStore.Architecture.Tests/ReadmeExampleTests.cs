// Why this file exists: the README's example is the first code that anyone runs. It is taken from the README as it stands, compiled as a program of its
// own against the built assemblies, run, and must print what the README says. Invariants: nothing is written into the repository; both steps are bounded.

using System.Diagnostics;
using System.Text.RegularExpressions;
using SourceOS.StateStore.Architecture.Tests.Support;

namespace SourceOS.StateStore.Architecture.Tests;

public sealed partial class ReadmeExampleTests : IDisposable
{
    private const int BoundMs = 120_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("readme-example-").FullName;

    [Fact]
    public void The_example_compiles_and_prints_what_the_README_says()
    {
        string readme = Repository.Read("README.md");
        Match example = Example().Match(readme);
        Assert.True(example.Success, "README.md holds no C# block followed by what it prints.");
        File.WriteAllText(Path.Combine(_folder, "Program.cs"), example.Groups["code"].Value);
        File.WriteAllText(Path.Combine(_folder, "Example.csproj"), Project());

        (int built, string buildOutput) = Run("build", "Example.csproj", "--nologo", "-v", "q", "-o", "out");
        Assert.True(built == 0, buildOutput);
        (int ran, string printed) = Run(Path.Combine("out", "Example.dll"), Path.Combine(_folder, "store"));
        Assert.True(ran == 0, printed);
        Assert.Equal(example.Groups["printed"].Value, printed.Trim());
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // Built assemblies instead of project references: the repository's own obj folders stay untouched, and nothing is restored.
    private static string Project()
    {
        IEnumerable<string> libraries = Directory.GetFiles(AppContext.BaseDirectory, "*.dll")
            .Where(path => Path.GetFileName(path) is string name
                && (name.StartsWith("SourceOS.StateStore", StringComparison.Ordinal) || name.StartsWith("FASTER", StringComparison.Ordinal) || name == "Microsoft.Extensions.Logging.Abstractions.dll")
                && !name.EndsWith(".Tests.dll", StringComparison.Ordinal));
        string references = string.Join('\n', libraries.Select(path => $"""    <Reference Include="{Path.GetFileNameWithoutExtension(path)}" HintPath="{path}" />"""));
        return $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net{Environment.Version.Major}.{Environment.Version.Minor}</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <UseAppHost>false</UseAppHost>
                <InvariantGlobalization>true</InvariantGlobalization>
              </PropertyGroup>
              <ItemGroup>
            {references}
              </ItemGroup>
            </Project>
            """;
    }

    private (int ExitCode, string Output) Run(params string[] arguments)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal) ? Environment.ProcessPath : "dotnet", arguments)
        {
            WorkingDirectory = _folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // A test run inside a build inherits that build's settings; this program is built from nothing.
        foreach (string name in start.Environment.Keys.Where(key => key.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            start.Environment.Remove(name);
        }

        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(BoundMs))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"dotnet {arguments[0]} did not end within {BoundMs} ms.");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult() + errors.GetAwaiter().GetResult());
    }

    [GeneratedRegex("""```csharp\n(?<code>.*?)```\s+It prints `(?<printed>[^`]+)`""", RegexOptions.Singleline)]
    private static partial Regex Example();
}
