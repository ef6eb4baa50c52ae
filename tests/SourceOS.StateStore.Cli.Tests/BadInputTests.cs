// Why this file exists: whatever is given to the program as a store or as input, it ends, says one clear thing with the right exit code, and leaves what it was given as it
// was, byte for byte. Invariants: real processes; every run is bounded in time; a hang fails.

using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class BadInputTests
{
    private const string Note = """{"schema":"sourceos.object-record/v1alpha1","object_id":"note:1","object_type":"note","title":"t"}""";

    private static readonly string[][] s_reading = [["get", "objects", "note:1"], ["list", "objects"], ["log"], ["explain", "note:1"]];
    private static readonly string[][] s_writing = [["put", "objects", "-"], ["import", "-"], ["delete", "objects", "note:1"], ["event", "append", "app.tick"]];

    public static TheoryData<string, int, string> Superblocks => new()
    {
        { "a text", 6, "superblock_damaged" },
        { "noise", 6, "superblock_damaged" },
        { "length 0", 6, "superblock_damaged" },
        { "length 1", 6, "superblock_damaged" },
        { "length 4095", 6, "superblock_damaged" },
        { "newer", 6, "unsupported_format" },
        { "pipe", 6, "superblock_damaged" },
        { "directory", 6, "superblock_damaged" },
        { "loop", 6, "superblock_damaged" },
    };

    [Theory]
    [MemberData(nameof(Superblocks))]
    public void A_superblock_that_is_none_is_named_by_every_verb_and_left_alone(string what, int exit, string code)
    {
        using Statestore store = Statestore.Initialised();
        string path = Path.Combine(store.StorePath, "STORE");
        byte[] sound = File.ReadAllBytes(path);
        switch (what)
        {
            case "a text":
                File.WriteAllText(path, "This is not a store.\n");
                break;
            case "noise":
                new Random(1).NextBytes(sound);
                File.WriteAllBytes(path, sound);
                break;
            case "newer":
                StoreDamage.MakeNewer(store.StorePath);
                break;
            case "pipe" or "directory" or "loop":
                StoreDamage.Replace(path, what);
                break;
            default:
                File.WriteAllBytes(path, sound[..int.Parse(what[7..], CultureInfo.InvariantCulture)]);
                break;
        }

        foreach (string[] verb in (string[][])[.. s_reading.Take(2), .. s_writing.Take(2)])
        {
            Refuses(store, exit, code, Note, verb);
        }

        // Status always answers; what it answers is that the store cannot be trusted.
        Assert.Equal("unsafe", store.Run("status", "--json").Exits(exit).Json.GetProperty("health").GetString());
    }

    [Theory]
    [InlineData("empty directory")]
    [InlineData("other files")]
    [InlineData("missing")]
    public void A_directory_without_a_store_is_no_store_and_stays_one(string what)
    {
        using Statestore store = new();
        if (what != "missing")
        {
            Directory.CreateDirectory(store.StorePath);
        }

        if (what == "other files")
        {
            store.Write("store/hello.txt", "hello");
            Directory.CreateDirectory(store.PathOf("store/events"));
        }

        foreach (string[] verb in (string[][])[.. s_reading, .. s_writing])
        {
            Refuses(store, 3, "not_initialized", Note, verb);
        }
    }

    [Theory]
    [InlineData("file")]
    [InlineData("pipe")]
    [InlineData("loop")]
    public void Something_that_is_no_directory_is_no_store(string what)
    {
        using Statestore store = new();
        if (what == "file")
        {
            store.Write("store", "hello");
        }
        else
        {
            StoreDamage.Replace(store.StorePath, what);
        }

        string before = StoreDamage.Fingerprint(store.Root);
        foreach (string[] verb in (string[][])[["status"], s_reading[0], s_writing[0], ["init"], ["verify"], ["doctor"], ["repair"]])
        {
            Answer answer = store.RunWith(Note, null, [.. verb, "--json"]);
            Assert.True(answer.Exit is 3 or 6 or 7 or 8, $"{verb[0]}: exit {answer.Exit}\n{answer.Out}{answer.Error}");
            Assert.Equal(before, StoreDamage.Fingerprint(store.Root));
        }
    }

    [Theory]
    [InlineData("events/segment-00000000.log", "pipe")]
    [InlineData("events/segment-00000000.log", "directory")]
    [InlineData("events/segment-00000000.log", "loop")]
    [InlineData("state/g1/data.mdb", "pipe")]
    [InlineData("state/g1/data.mdb", "directory")]
    [InlineData("state/g1/data.mdb", "dangling")]
    [InlineData("state/g1/lock.mdb", "pipe")]
    [InlineData("state/g1/lock.mdb", "directory")]
    [InlineData("LOCK", "pipe")]
    [InlineData("LOCK", "directory")]
    [InlineData("LOCK", "loop")]
    [InlineData("events", "pipe")]
    [InlineData("state", "pipe")]
    [InlineData("state", "loop")]
    public void Nothing_that_stands_in_the_place_of_a_file_hangs_or_kills_the_program(string name, string what)
    {
        using Statestore store = Statestore.Initialised();
        store.RunWith(Note, null, "put", "objects").Exits(0);
        StoreDamage.Replace(Path.Combine(store.StorePath, name), what);
        string before = StoreDamage.Fingerprint(store.StorePath);
        foreach (string[] verb in (string[][])[s_reading[0], ["status"], ["verify"], ["verify", "--level", "quick"], ["doctor"]])
        {
            Answer answer = store.Run([.. verb, "--json"]);
            Assert.True(answer.Exit is 0 or 1 or 3 or 6 or 7, $"{verb[0]}: exit {answer.Exit}\n{answer.Out}{answer.Error}");
            Assert.Equal(before, StoreDamage.Fingerprint(store.StorePath));
        }

        // A writer may heal what is derived from the log; whatever it does, it ends, and the log's own files are not touched.
        Answer written = store.RunWith(Note.Replace("\"t\"", "\"u\"", StringComparison.Ordinal), null, "put", "objects", "-", "--json");
        Assert.True(written.Exit is 0 or 6 or 7, $"put: exit {written.Exit}\n{written.Out}{written.Error}");
        if (written.Exit != 0)
        {
            _ = written.JsonError;
            Assert.Equal(before, StoreDamage.Fingerprint(store.StorePath));
        }
    }

    [Fact]
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    public void Who_has_no_rights_is_told_so()
    {
        using Statestore store = Statestore.Initialised();
        File.SetUnixFileMode(Path.Combine(store.StorePath, "STORE"), UnixFileMode.None);
        string before = Stats(store.StorePath);
        foreach (string[] verb in (string[][])[s_reading[0], s_writing[0]])
        {
            Answer answer = RunUnprivileged(store, [.. verb, "--json"]).Exits(7);
            Assert.Equal("access_denied", answer.JsonError.GetProperty("code").GetString());
        }

        File.SetUnixFileMode(Path.Combine(store.StorePath, "STORE"), UnixFileMode.UserRead);
        foreach (string file in Directory.GetFiles(store.StorePath, "*", SearchOption.AllDirectories))
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead);
        }

        RunUnprivileged(store, "status", "--json").Exits(0);
        Assert.Equal("access_denied", RunUnprivileged(store, "put", "objects", "-", "--json").Exits(7).JsonError.GetProperty("code").GetString());
        Assert.Equal(before, Stats(store.StorePath));
    }

    [Fact]
    public void A_full_disk_is_told_so_and_the_store_is_whole_afterwards()
    {
        using Statestore store = new();
        Directory.CreateDirectory(store.PathOf("small"));

        // A file system of its own where that is allowed; elsewhere a bound on the size of files, which fails the same calls with another number.
        string script = """
            set -u
            if mount -t tmpfs -o size=40m none small 2>/dev/null; then bound=""; full=disk_full; else bound="prlimit --fsize=200000"; full=; fi
            "$0" --store small/store init >/dev/null || exit 99
            $bound "$0" --store small/store import big.ndjson --batch 500 --json > answer.json; echo $? > exit
            echo "$full" > expected
            rm -f small/filler; "$0" --store small/store verify --json > verify.json; echo $? > verify
            """;
        StringBuilder many = new();
        for (int i = 0; i < 12_000; i++)
        {
            byte[] noise = new byte[1200];
            new Random(i).NextBytes(noise);
            many.Append(CultureInfo.InvariantCulture, $$$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:{{{i}}}","object_type":"note","title":"{{{Convert.ToHexString(noise)}}}"}""").Append('\n');
        }

        store.Write("big.ndjson", many.ToString());
        using Process shell = Process.Start(new ProcessStartInfo("unshare") { WorkingDirectory = store.Root, ArgumentList = { "-m", "sh", "-c", script, Path.Combine(AppContext.BaseDirectory, "statestore") } })!;
        Assert.True(shell.WaitForExit(TimeSpan.FromMinutes(3)), "The program did not end.");
        if (!File.Exists(store.PathOf("expected")))
        {
            using Process plain = Process.Start(new ProcessStartInfo("sh") { WorkingDirectory = store.Root, ArgumentList = { "-c", script, Path.Combine(AppContext.BaseDirectory, "statestore") } })!;
            Assert.True(plain.WaitForExit(TimeSpan.FromMinutes(3)), "The program did not end.");
        }

        Assert.Equal("7", File.ReadAllText(store.PathOf("exit")).Trim());
        string code = JsonDocument.Parse(File.ReadAllText(store.PathOf("answer.json"))).RootElement.GetProperty("error").GetProperty("code").GetString()!;
        Assert.Contains(File.ReadAllText(store.PathOf("expected")).Trim(), code, StringComparison.Ordinal);
        Assert.Equal("0", File.ReadAllText(store.PathOf("verify")).Trim());
        Assert.Equal("clean", JsonDocument.Parse(File.ReadAllText(store.PathOf("verify.json"))).RootElement.GetProperty("verdict").GetString());
    }

    /// <summary>That a run is refused with one error, in both forms, and changes nothing below the test's directory.</summary>
    private static void Refuses(Statestore store, int exit, string code, string? input, string[] args)
    {
        string before = StoreDamage.Fingerprint(store.Root);
        Answer json = store.RunWith(input, null, [.. args, "--json"]).Exits(exit);
        JsonElement error = json.JsonError;
        Assert.Equal(code, error.GetProperty("code").GetString());
        Assert.NotEqual("", error.GetProperty("message").GetString());
        if (args[0] is "get" or "put")
        {
            Answer text = store.RunWith(input, null, args).Exits(exit);
            Assert.Equal("", text.Out);
            Assert.Single(text.Error.Split('\n'), static line => line.StartsWith("error", StringComparison.OrdinalIgnoreCase));
        }

        Assert.Equal(before, StoreDamage.Fingerprint(store.Root));
    }

    private static string Stats(string store) =>
        string.Join('\n', Directory.GetFiles(store, "*", SearchOption.AllDirectories).Where(static file => Path.GetFileName(file) is not ("LOCK" or "lock.mdb")).Order(StringComparer.Ordinal)
            .Select(static file => $"{file} {new FileInfo(file).Length} {File.GetLastWriteTimeUtc(file).Ticks}"));

    // Root may do everything until it gives that up; anybody else has it given up already.
    private static Answer RunUnprivileged(Statestore store, params string[] args)
    {
        bool isRoot = Environment.UserName == "root";
        ProcessStartInfo start = new(isRoot ? "setpriv" : Path.Combine(AppContext.BaseDirectory, "statestore"))
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = store.Root,
        };
        foreach (string arg in isRoot ? (string[])["--inh-caps=-all", "--bounding-set=-all", "--", Path.Combine(AppContext.BaseDirectory, "statestore"), .. args] : args)
        {
            start.ArgumentList.Add(arg);
        }

        start.Environment["SOURCEOS_STATE_STORE"] = store.StorePath;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(Note);
        process.StandardInput.Close();
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(1)), "The program did not end.");
        return new Answer(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }
}
