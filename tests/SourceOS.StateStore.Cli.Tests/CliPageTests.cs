// Why this file exists: docs/cli.md shows what each command's help says, and nothing but a test keeps such a page true. Invariants: the commands are taken from the program's own tree; a command has a section
// or is named on the page; a section has the command's description, every option and argument of its own and no other, and its examples.

using System.CommandLine;
using System.Text.RegularExpressions;
using SourceOS.StateStore.Cli.Host;

namespace SourceOS.StateStore.Cli.Tests;

public sealed partial class CliPageTests
{
    [Fact]
    public void Every_command_is_on_the_page_with_its_own_options_and_examples()
    {
        string page = File.ReadAllText(PagePath());
        Dictionary<string, string> sections = Sections().Matches(page).ToDictionary(match => match.Groups["verb"].Value, match => match.Groups["text"].Value, StringComparer.Ordinal);
        Dictionary<string, VerbCommand> verbs = new(StringComparer.Ordinal);
        Collect(CommandTree.Build(), "", verbs);
        List<string> wrong = [.. sections.Keys.Except(verbs.Keys).Select(verb => $"'{verb}' has a section and is no command")];
        foreach ((string path, VerbCommand verb) in verbs)
        {
            if (sections.TryGetValue(path, out string? section))
            {
                wrong.AddRange(Compare(path, verb, section));
            }
            else if (verb.Run is not null && !page.Contains($"`{path}`", StringComparison.Ordinal))
            {
                wrong.Add($"'{path}' is not on the page");
            }
        }

        Assert.True(verbs.Count > 50, $"Only {verbs.Count} commands were found.");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private static IEnumerable<string> Compare(string path, VerbCommand verb, string section)
    {
        string flat = Flat(section);
        if (!flat.Contains(Flat(verb.Description ?? ""), StringComparison.Ordinal))
        {
            yield return $"'{path}': its description is '{verb.Description}'";
        }

        HashSet<string> own = [.. verb.Options.Where(static option => !option.Hidden).Select(static option => option.Name)];
        HashSet<string> shown = [.. Entries().Matches(section).Select(static match => match.Groups["name"].Value)];
        foreach (string name in own.Except(shown))
        {
            yield return $"'{path}': {name} is not shown";
        }

        foreach (string name in shown.Except(own).Except(GlobalOptions.All.Select(static option => option.Name)))
        {
            yield return $"'{path}': there is no {name}";
        }

        foreach (Argument argument in verb.Arguments)
        {
            if (!section.Contains($"<{argument.Name}>", StringComparison.Ordinal))
            {
                yield return $"'{path}': <{argument.Name}> is not shown";
            }
        }

        foreach (string example in verb.Examples)
        {
            if (!section.Contains(example, StringComparison.Ordinal))
            {
                yield return $"'{path}': the example '{example}' is not shown";
            }
        }
    }

    private static void Collect(Command command, string path, Dictionary<string, VerbCommand> verbs)
    {
        foreach (VerbCommand verb in command.Subcommands.OfType<VerbCommand>().Where(static verb => !verb.Hidden))
        {
            string full = path.Length == 0 ? verb.Name : $"{path} {verb.Name}";
            verbs[full] = verb;
            // What stands below `sync` is the same commands under the architecture's names; its section says so.
            if (verb.Name != "sync")
            {
                Collect(verb, full, verbs);
            }
        }
    }

    private static string PagePath()
    {
        string? at = AppContext.BaseDirectory;
        while (at is not null && !File.Exists(Path.Combine(at, "docs", "cli.md")))
        {
            at = Path.GetDirectoryName(at);
        }

        return Path.Combine(at ?? throw new InvalidOperationException("The project's folder was not found."), "docs", "cli.md");
    }

    private static string Flat(string text) => Blanks().Replace(text, " ").Trim();

    [GeneratedRegex(@"^## `(?<verb>[^`\n]+)`\n(?<text>.*?)(?=^## |\z)", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Sections();

    [GeneratedRegex(@"^  (?:-\w, )?(?<name>--[a-z][a-z-]*)", RegexOptions.Multiline)]
    private static partial Regex Entries();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
