// Why this file exists: runs the built program as its users do: a process with arguments, an environment and pipes. Invariants: every run is bounded in
// time; stdout and stderr are kept apart; nothing of the caller's environment names a store.

using System.Diagnostics;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Cli.Tests.Support;

/// <summary>What a run answered.</summary>
public sealed record Answer(int Exit, string Out, string Error)
{
    /// <summary>Stdout as one JSON document on one line and nothing else.</summary>
    public JsonElement Json
    {
        get
        {
            Assert.EndsWith("\n", Out, StringComparison.Ordinal);
            Assert.Equal(1, Out.Count(static c => c == '\n'));
            return JsonDocument.Parse(Out).RootElement;
        }
    }

    /// <summary>Stdout as NDJSON.</summary>
    public List<JsonElement> Lines => [.. Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement)];

    /// <summary>The error of a JSON answer, whose shape is checked.</summary>
    public JsonElement JsonError
    {
        get
        {
            JsonElement error = Json.GetProperty("error");
            foreach (string key in (string[])["code", "message", "place", "next"])
            {
                Assert.Equal(JsonValueKind.String, error.GetProperty(key).ValueKind);
            }

            Assert.True(error.GetProperty("retryable").ValueKind is JsonValueKind.True or JsonValueKind.False);
            return error;
        }
    }

    public Answer Exits(int expected)
    {
        Assert.True(Exit == expected, $"exit {Exit}, expected {expected}\nout: {Out}\nerror: {Error}");
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        return this;
    }
}

/// <summary>A directory with a store, and the program to work on it.</summary>
public sealed class Statestore : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    private readonly TemporaryDirectory _directory = new();

    public string Root => _directory.Path;

    public string StorePath => PathOf("store");

    public string PathOf(string name) => Path.Combine(Root, name);

    /// <summary>A new directory with an initialised store.</summary>
    public static Statestore Initialised()
    {
        Statestore store = new();
        store.Run("init").Exits(0);
        return store;
    }

    public string Write(string name, string content)
    {
        string path = PathOf(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        return path;
    }

    /// <summary>Runs the program on the store.</summary>
    public Answer Run(params string[] args) => RunWith(null, null, args);

    /// <summary>Runs the program with input.</summary>
    public Answer RunWith(string? input, IReadOnlyDictionary<string, string>? environment, params string[] args)
    {
        using Process process = Start(environment, args);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (input is not null)
        {
            process.StandardInput.Write(input);
        }

        process.StandardInput.Close();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"statestore {string.Join(' ', args)} did not end.");
        }

        return new Answer(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    /// <summary>Starts the program and leaves it running.</summary>
    public Process Start(IReadOnlyDictionary<string, string>? environment, params string[] args)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "statestore"))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = Root,
        };
        foreach (string arg in args)
        {
            start.ArgumentList.Add(arg);
        }

        start.Environment["SOURCEOS_STATE_STORE"] = StorePath;
        start.Environment["TERM"] = "xterm";
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    public void Dispose() => _directory.Dispose();
}
