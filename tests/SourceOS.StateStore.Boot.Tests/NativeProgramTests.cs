// Why this file exists: what an initramfs relies on: the program is small, needs libc alone, and ends with 0, 10 or 20 whatever it is given.

using System.Text.Json;

namespace SourceOS.StateStore.Boot.Tests;

[Collection(NativeProgramCollection.Name)]
public sealed class NativeProgramTests(SampleStore sample, NativeProgram program) : IClassFixture<SampleStore>
{
    private const long MaxProgramBytes = 4L << 20;

    [Fact]
    public void It_publishes_without_a_warning_and_stays_small()
    {
        Assert.True(program.PublishLog.ExitCode == 0, program.PublishLog.Output + program.PublishLog.Errors);
        Assert.DoesNotContain("warning", program.PublishLog.Output, StringComparison.OrdinalIgnoreCase);
        Assert.InRange(new FileInfo(program.Path).Length, 1, MaxProgramBytes);
    }

    [Fact]
    public void It_needs_libc_alone()
    {
        ProgramRun run = NativeProgram.Start("ldd", [program.Path], 60_000);
        string[] libraries = [.. run.Output.Split('\n').Select(static line => line.Trim().Split(' ')[0]).Where(static name => name.Length > 0)];
        Assert.All(libraries, static name => Assert.True(
            name.StartsWith("linux-vdso", StringComparison.Ordinal) || name.StartsWith("libc.so", StringComparison.Ordinal) || name.StartsWith("libm.so", StringComparison.Ordinal) || name.Contains("ld-linux", StringComparison.Ordinal), name));
    }

    [Fact]
    public void It_says_what_the_library_says()
    {
        ProgramRun run = program.Run("--store", sample.Closed, "--json", "--budget-ms", "60000");
        Assert.Equal(0, run.ExitCode);
        using JsonDocument answer = JsonDocument.Parse(run.Output);
        Readers.Boot.BootVerdict known = Readers.Boot.BootCheck.Run(new Readers.Boot.BootCheckOptions { StorePath = sample.Closed, BudgetMs = 60_000 });
        Assert.Equal(("verified", known.Root, 60), (answer.RootElement.GetProperty("verdict").GetString(), answer.RootElement.GetProperty("root").GetString(), answer.RootElement.GetProperty("sequence").GetInt32()));
        Assert.Equal(0, program.Run("--store", sample.Crashed, "--budget-ms", "60000").ExitCode);
    }

    [Fact]
    public void Whatever_it_is_given_it_ends_with_one_of_three_codes()
    {
        string fifo = sample.Copy(sample.Closed);
        File.Delete(Path.Combine(fifo, "STORE"));
        Assert.Equal(0, NativeProgram.Start("mkfifo", [Path.Combine(fifo, "STORE")], 10_000).ExitCode);
        string noise = sample.Copy(sample.Closed);
        foreach (string file in Directory.EnumerateFiles(noise, "*", SearchOption.AllDirectories))
        {
            byte[] bytes = new byte[50_000];
            new Random(7).NextBytes(bytes);
            File.WriteAllBytes(file, bytes);
        }

        string directory = sample.Copy(sample.Closed);
        File.Delete(Path.Combine(directory, "STORE"));
        Directory.CreateDirectory(Path.Combine(directory, "STORE"));
        string loop = sample.PathOf("loop");
        File.CreateSymbolicLink(loop, loop);
        Assert.Equal(20, program.Run("--store", fifo).ExitCode);
        Assert.Equal(20, program.Run("--store", noise).ExitCode);
        Assert.Equal(20, program.Run("--store", directory).ExitCode);
        foreach (string[] arguments in (string[][])[[], ["--help"], ["--store"], ["--store", ""], ["--store", loop], ["--store", "/dev/null"], ["--store", "/proc"], ["--nonsense"], ["--budget-ms", "x"], ["--min-root", "/dev/zero", "--root-key", "/dev/zero"], ["--evidence", "/proc/none", "--release-set", "r"], [new string('a', 100_000)]])
        {
            Assert.Contains(program.Run(arguments).ExitCode, (int[])[10, 20]);
        }
    }

    [Fact]
    public void It_writes_nothing_but_the_evidence_it_is_asked_for()
    {
        string copy = sample.Copy(sample.Crashed);
        Dictionary<string, (long, DateTime)> before = Listing(copy);
        string evidence = sample.PathOf("evidence.json");
        Assert.Equal(0, program.Run("--store", copy, "--budget-ms", "60000", "--evidence", evidence, "--release-set", "boot-release-set://test@1", "--manifest-hash", "sha256:00").ExitCode);
        Assert.Equal(before, Listing(copy));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(evidence));
        Assert.Equal("verified", json.RootElement.GetProperty("decision").GetString());
    }

    private static Dictionary<string, (long, DateTime)> Listing(string path) =>
        new DirectoryInfo(path).EnumerateFiles("*", SearchOption.AllDirectories).ToDictionary(static file => file.FullName, static file => (file.Length, file.LastWriteTimeUtc));
}
