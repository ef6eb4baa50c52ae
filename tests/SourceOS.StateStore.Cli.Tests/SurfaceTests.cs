// Why this file exists: the snippets that people paste into their prompts and bars are taken out of docs/surfaces.md and run, so that the page cannot say something that does not work.

using System.Diagnostics;
using System.Text.RegularExpressions;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed partial class SurfaceTests
{
    [Fact]
    public void The_bash_prompt_shows_the_store_keeps_the_exit_code_and_is_silent_without_one()
    {
        using Statestore store = WithConflict();
        string script = $"PS1='$ '\nPROMPT_COMMAND='seen=$?'\n{Snippet("bash")}\n(exit 7)\neval \"$PROMPT_COMMAND\"\nprintf '%s|%s\\n' \"$seen\" \"${{PS1@P}}\"\n";
        Assert.Equal("7|[ss:1 conflicts] $ \n", Run(store, store.StorePath, "bash", "--norc", "-c", script));
        Assert.Equal("7|$ \n", Run(store, store.PathOf("nowhere"), "bash", "--norc", "-c", script));
    }

    [Fact]
    public void The_zsh_prompt_shows_the_store_and_is_silent_without_one()
    {
        if (!IsInstalled("zsh"))
        {
            Console.WriteLine("skipped: zsh is not installed");
            return;
        }

        using Statestore store = WithConflict();
        string script = $"PROMPT='%% '\n{Snippet("zsh")}\nfor f in $precmd_functions; do $f; done\nprint -P -- \"$PROMPT\"\n";
        Assert.Equal("[ss:1 conflicts] % \n", Run(store, store.StorePath, "zsh", "-f", "-c", script));
        Assert.Equal("% \n", Run(store, store.PathOf("nowhere"), "zsh", "-f", "-c", script));
    }

    [Fact]
    public void The_tmux_bar_runs_its_command_and_tmux_takes_the_snippet()
    {
        using Statestore store = WithConflict();
        string snippet = Snippet("tmux");
        string command = ShellCommand().Match(snippet).Groups[1].Value;
        Assert.StartsWith("state healthy · 1 objects · seq ", Run(store, store.StorePath, "sh", "-c", command), StringComparison.Ordinal);
        if (!IsInstalled("tmux"))
        {
            Console.WriteLine("skipped: tmux is not installed");
            return;
        }

        string configuration = store.Write("tmux.conf", snippet);
        string socket = store.PathOf("tmux.sock");
        string shown = Run(store, store.StorePath, "sh", "-c", $"tmux -S '{socket}' -f '{configuration}' new-session -d 'sleep 60' && tmux -S '{socket}' show-options -gv status-right; tmux -S '{socket}' kill-server");
        Assert.Contains(command, shown, StringComparison.Ordinal);
    }

    [Fact]
    public void The_starship_module_shows_the_prompt_only_where_there_is_a_store()
    {
        using Statestore store = WithConflict();
        string toml = store.Write("starship.toml", Snippet("toml"));
        string script = $"import subprocess, sys, tomllib\nmodule = tomllib.load(open(r'{toml}', 'rb'))['custom']['statestore']\n"
            + "when = subprocess.run([*module['shell'], '-c', module['when']]).returncode == 0\n"
            + "print(when, subprocess.run([*module['shell'], '-c', module['command']], capture_output=True, text=True).stdout.strip())\n";
        Assert.Equal("True ss:1 conflicts\n", Run(store, store.StorePath, "python3", "-c", script));
        Assert.StartsWith("False ", Run(store, store.PathOf("nowhere"), "python3", "-c", script), StringComparison.Ordinal);
    }

    [Fact]
    public void The_Neovim_line_shows_the_store()
    {
        using Statestore store = WithConflict();

        // What the snippet reads is there, whether or not the editor is.
        System.Text.Json.JsonElement status = store.Run("status", "--json").Exits(0).Json;
        Assert.Equal(("healthy", 1), (status.GetProperty("health").GetString(), status.GetProperty("openConflicts").GetInt32()));
        if (!IsInstalled("nvim"))
        {
            Console.WriteLine("skipped: nvim is not installed");
            return;
        }

        string lua = store.Write("init.lua", Snippet("lua") + "\nrefresh()\nvim.wait(20000, function() return vim.g.statestore ~= '' end)\nio.stdout:write(vim.g.statestore)\nvim.cmd('qa!')\n");
        Assert.Contains("state: 1 conflicts", Run(store, store.StorePath, "nvim", "--clean", "--headless", "-l", lua), StringComparison.Ordinal);
    }

    [GeneratedRegex(@"#\(([^)]*)\)")]
    private static partial Regex ShellCommand();

    private static Statestore WithConflict()
    {
        Statestore store = Statestore.Initialised();
        const string Records = """
            {"schema":"sourceos.object-record/v1alpha1","object_id":"object:a","object_type":"note"}
            {"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:1","object_id":"object:a","status":"open"}

            """;
        store.RunWith(Records, null, "import", "-").Exits(0);
        return store;
    }

    private static string Snippet(string language)
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "SourceOS.StateStore.sln")))
        {
            at = at.Parent;
        }

        string page = File.ReadAllText(Path.Combine(at!.FullName, "docs", "surfaces.md"));
        string fence = $"```{language}\n";
        int start = page.IndexOf(fence, StringComparison.Ordinal) + fence.Length;
        Assert.True(start > fence.Length, $"the page has no {language} snippet");
        return page[start..page.IndexOf("```", start, StringComparison.Ordinal)];
    }

    private static bool IsInstalled(string program) => Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    private static string Run(Statestore store, string storePath, string program, params string[] args)
    {
        ProcessStartInfo start = new(program, args) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = store.Root };
        start.Environment["PATH"] = AppContext.BaseDirectory + ":" + Environment.GetEnvironmentVariable("PATH");
        start.Environment["SOURCEOS_STATE_STORE"] = storePath;
        start.Environment["LC_ALL"] = "C.UTF-8";
        start.Environment["TERM"] = "xterm";
        start.Environment.Remove("TMUX");
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}: {output}{error.GetAwaiter().GetResult()}");
        return output;
    }
}
