// Why this file exists: C and Python programs link the library; the header, the exports and the behaviour are one promise, and no call may bring the calling process down.

using System.Text.RegularExpressions;

namespace SourceOS.StateStore.Native.Tests;

public sealed partial class LibraryTests(InstalledLibrary library) : IClassFixture<InstalledLibrary>
{
    private const long CeilingBytes = 9L << 20;

    [Fact]
    public void It_is_built_without_a_warning_and_within_its_ceiling()
    {
        Assert.DoesNotContain("warning", library.InstallLog.Output + library.InstallLog.Errors, StringComparison.OrdinalIgnoreCase);
        Assert.InRange(new FileInfo(library.Library).Length, 1 << 20, CeilingBytes);
    }

    [Fact]
    public void The_header_declares_exactly_what_the_library_exports()
    {
        string header = File.ReadAllText(Path.Combine(library.Prefix, "include", "sourceos_statestore.h"));
        SortedSet<string> declared = new(Declaration().Matches(header).Select(static match => match.Groups[1].Value), StringComparer.Ordinal);
        string symbols = library.Run("nm", ["-D", "--defined-only", library.Library]).Succeeded().Output;
        SortedSet<string> exported = new(Export().Matches(symbols).Select(static match => match.Groups[1].Value), StringComparer.Ordinal);
        Assert.NotEmpty(declared);
        Assert.Equal(declared, exported);
        string python = File.ReadAllText(Path.Combine(library.Root, "python", "sourceos_statestore.py"));
        SortedSet<string> bound = new(PythonName().Matches(python).Select(static match => match.Groups[0].Value), StringComparer.Ordinal);
        Assert.Subset(declared, bound);
        Assert.DoesNotContain(declared.Except(bound), static name => !name.StartsWith("ss_batch_", StringComparison.Ordinal));
    }

    [Fact]
    public void A_C_program_lives_with_it()
    {
        ProgramRun run = library.Run(library.Compile("life"), [library.NewPath("store")]).Succeeded();
        Assert.Contains("all held", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Hostile_calls_are_answered_and_end_no_process()
    {
        string twin = library.NewPath("garbage");
        Directory.CreateDirectory(Path.Combine(twin, "events"));
        Random random = new(7);
        byte[] noise = new byte[100_000];
        foreach (string name in (string[])["STORE", "events/events.0", "LOCK"])
        {
            random.NextBytes(noise);
            File.WriteAllBytes(Path.Combine(twin, name), noise);
        }

        ProgramRun run = library.Run(library.Compile("hostile"), [library.NewPath("store"), twin]).Succeeded();
        Assert.Contains("all held", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Ten_thousand_rounds_of_open_and_close_leave_nothing_behind()
    {
        ProgramRun run = library.Run(library.Compile("leaks"), [library.NewPath("store"), "10000"], 600_000).Succeeded();
        Assert.Contains("all held", run.Output, StringComparison.Ordinal);
        Console.WriteLine(run.Output.Split('\n')[0]);
    }

    [Fact]
    public void Calls_that_race_with_a_close_and_calls_after_fork_are_answered()
    {
        ProgramRun run = library.Run(library.Compile("misuse"), [library.NewPath("store")], 300_000).Succeeded();
        Assert.Contains("all held", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_examples_of_the_README_do_what_it_says()
    {
        string readme = File.ReadAllText(Path.Combine(library.Root, "README.md"));
        string Block(string language) => Regex.Match(readme, $"```{language}\n(.*?)```", RegexOptions.Singleline).Groups[1].Value;
        Match says = Regex.Match(readme, @"The first prints `([^`]+)`, the second, on the same store, `([^`]+)`");
        string store = library.NewPath("store");
        ProgramRun c = library.Run(library.CompileText("note", Block("c")), [store]).Succeeded();
        Assert.Equal(says.Groups[1].Value, c.Output.Trim());
        string script = library.NewPath("note") + ".py";
        File.WriteAllText(script, $"import sys; sys.path.insert(0, {Quoted(Path.Combine(library.Root, "python"))})\n" + Block("python"));
        Assert.Equal(says.Groups[2].Value, library.Run("python3", [script, store]).Succeeded().Output.Trim());
    }

    [Fact]
    public void A_missing_library_is_named_with_its_package()
    {
        // In a view of the files where liblmdb is an empty file: what a machine without the package comes to, as the loader tells it.
        string lmdb = Directory.EnumerateFiles("/usr/lib/x86_64-linux-gnu", "liblmdb.so.0*").First(static path => new FileInfo(path).LinkTarget is null);
        string empty = library.NewPath("empty");
        File.WriteAllText(empty, "");
        string program = library.CompileText("missing", """
            #include <sourceos_statestore.h>
            #include <stdio.h>
            #include <string.h>
            int main(int count, char **arguments)
            {
                ss_store *store = NULL;
                ss_buffer error = {0};
                int status = ss_init(arguments[count - 1], strlen(arguments[count - 1]), NULL, 0, NULL, 0, NULL, 0, NULL, 0, &store);
                ss_last_error(NULL, &error);
                printf("%d %s\n", status, error.data ? (const char *)error.data : "");
                ss_buffer_free(&error);
                return store != NULL;
            }
            """);
        ProgramRun run = library.Run("unshare", ["-rm", "sh", "-c", $"mount --bind '{empty}' '{lmdb}' && exec '{program}' '{library.NewPath("store")}'"]);
        if (run.ExitCode != 0 && run.Errors.Contains("unshare", StringComparison.Ordinal))
        {
            Console.WriteLine("skipped: namespaces cannot be made here: " + run.Errors.Trim());
            return;
        }

        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith("7 ", run.Output, StringComparison.Ordinal);
        Assert.Contains("liblmdb0", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Python_programs_live_with_it()
    {
        ProgramRun run = library.Run("python3", ["-W", "error", "-m", "unittest", "discover", "-s", Path.Combine(library.Root, "python")], 300_000).Succeeded();
        Assert.Matches(@"Ran [1-9]\d* tests", run.Errors);
        Assert.DoesNotContain("skipped", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void The_Python_module_installs_from_the_source_tree()
    {
        string wheels = library.NewPath("wheels");
        Directory.CreateDirectory(wheels);
        string python = Path.Combine(library.Root, "python");
        string wheel = library.Run("python3", ["-c", $"import sys; sys.path.insert(0, {Quoted(python)}); import build_backend; print(build_backend.build_wheel({Quoted(wheels)}))"]).Succeeded().Output.Trim();

        // A wheel is a zip that the interpreter imports from; what pip does beyond that is to unpack it, and it checks the record.
        string script = $"import sys, zipfile; sys.path.insert(0, {Quoted(Path.Combine(wheels, wheel))}); import sourceos_statestore as s; print(s.version(), s.__file__)";
        Assert.Contains(".whl", library.Run("python3", ["-c", script]).Succeeded().Output, StringComparison.Ordinal);
        if (library.Run("python3", ["-c", "import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('pip') else 1)"]).ExitCode == 0)
        {
            string target = library.NewPath("installed");
            library.Run("python3", ["-m", "pip", "install", "--no-index", "--no-deps", "--quiet", "--target", target, python]).Succeeded();
            Assert.True(File.Exists(Path.Combine(target, "sourceos_statestore.py")));
        }
    }

    [Fact]
    public void The_pkg_config_file_names_what_was_installed()
    {
        string text = File.ReadAllText(Path.Combine(library.Prefix, "lib", "pkgconfig", "sourceos-statestore.pc"));
        Assert.DoesNotContain("@", text, StringComparison.Ordinal);
        Assert.Contains($"prefix={library.Prefix}\n", text, StringComparison.Ordinal);
        Assert.Contains("-lsourceos_statestore", text, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(library.Prefix, "lib", "libsourceos_statestore.so")));
    }

    private static string Quoted(string text) => $"'{text.Replace("'", "\\'", StringComparison.Ordinal)}'";

    [GeneratedRegex(@"^(?:ss_status|uint32_t|void) (ss_\w+)\(", RegexOptions.Multiline)]
    private static partial Regex Declaration();

    [GeneratedRegex(@" T (ss_\w+)(?:@|$)", RegexOptions.Multiline)]
    private static partial Regex Export();

    [GeneratedRegex(@"\bss_[a-z_]+\b")]
    private static partial Regex PythonName();
}
