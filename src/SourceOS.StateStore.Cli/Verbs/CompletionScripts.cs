// Why this file exists: one grammar, three shells. Invariants: every word is quoted for its shell; descriptions may hold anything; the scripts need nothing but
// the shell itself.

using System.Text;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Renders completion scripts.</summary>
internal static class CompletionScripts
{
    /// <summary>The script for bash.</summary>
    public static string Bash(CompletionNode root)
    {
        StringBuilder script = new();
        script.Append("# statestore completion for bash\n_statestore() {\n");
        script.Append("    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= word i skip=0\n");
        script.Append("    local globals='").Append(string.Join(' ', root.Options.Select(static option => option.Name))).Append("'\n");
        script.Append("    for ((i = 1; i < COMP_CWORD; i++)); do\n        word=${COMP_WORDS[i]}\n");
        script.Append("        if ((skip)); then skip=0; continue; fi\n        case $word in\n");
        script.Append("            ").Append(string.Join('|', ValueOptions(root))).Append(") skip=1 ;;\n            -*) ;;\n");
        script.Append("            *) case \"$path $word\" in\n");
        foreach (CompletionNode node in root.All().Skip(1))
        {
            script.Append("                ' ").Append(string.Join(' ', node.Path)).Append("') path=\"$path $word\" ;;\n");
        }

        script.Append("               esac ;;\n        esac\n    done\n    case $prev in\n");
        foreach (CompletionOption option in AllOptions(root).Where(static option => option.Values.Count > 0))
        {
            script.Append("        ").Append(option.Name).Append(") mapfile -t COMPREPLY < <(compgen -W '").Append(string.Join(' ', option.Values)).Append("' -- \"$cur\"); return ;;\n");
        }

        script.Append("        ").Append(string.Join('|', ValueOptions(root))).Append(") mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n    esac\n");
        script.Append("    local words=\n    case $path in\n");
        foreach (CompletionNode node in root.All())
        {
            string key = node.Path.Count == 0 ? "" : " " + string.Join(' ', node.Path);
            IEnumerable<string> words = [.. node.Children.Select(static child => child.Path[^1]), .. node.Words, .. node.Path.Count == 0 ? [] : node.Options.Select(static option => option.Name)];
            script.Append("        '").Append(key).Append("') words='").Append(string.Join(' ', words)).Append("' ;;\n");
        }

        script.Append("    esac\n    mapfile -t COMPREPLY < <(compgen -W \"$words $globals\" -- \"$cur\")\n");
        script.Append("    if ((${#COMPREPLY[@]} == 0)); then mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); fi\n");
        script.Append("}\ncomplete -o filenames -o nosort -F _statestore statestore\n");
        return script.ToString();
    }

    /// <summary>The script for zsh.</summary>
    public static string Zsh(CompletionNode root)
    {
        StringBuilder script = new();
        script.Append("#compdef statestore\n# statestore completion for zsh\n_statestore() {\n    local path= word i skip=0\n    local -a words_here options_here\n");
        script.Append("    for ((i = 2; i < CURRENT; i++)); do\n        word=$words[i]\n        if ((skip)); then skip=0; continue; fi\n        case $word in\n");
        script.Append("            ").Append(string.Join('|', ValueOptions(root))).Append(") skip=1 ;;\n            -*) ;;\n            *) case \"$path $word\" in\n");
        foreach (CompletionNode node in root.All().Skip(1))
        {
            script.Append("                ' ").Append(string.Join(' ', node.Path)).Append("') path=\"$path $word\" ;;\n");
        }

        script.Append("               esac ;;\n        esac\n    done\n    case $words[CURRENT-1] in\n");
        foreach (CompletionOption option in AllOptions(root).Where(static option => option.Values.Count > 0))
        {
            script.Append("        ").Append(option.Name).Append(") compadd -- ").Append(string.Join(' ', option.Values)).Append("; return ;;\n");
        }

        script.Append("        ").Append(string.Join('|', ValueOptions(root))).Append(") _files; return ;;\n    esac\n    case $path in\n");
        foreach (CompletionNode node in root.All())
        {
            string key = node.Path.Count == 0 ? "" : " " + string.Join(' ', node.Path);
            IEnumerable<string> words = [.. node.Children.Select(static child => ZshItem(child.Path[^1], child.Description)), .. node.Words.Select(static word => ZshItem(word, ""))];
            IEnumerable<string> options = [.. node.Options.Select(static option => ZshItem(option.Name, option.Description)), .. node.Path.Count == 0 ? [] : root.Options.Select(static option => ZshItem(option.Name, option.Description))];
            script.Append("        '").Append(key).Append("')\n            words_here=(").Append(string.Join(' ', words)).Append(")\n            options_here=(").Append(string.Join(' ', options)).Append(") ;;\n");
        }

        script.Append("    esac\n    (($#words_here)) && _describe command words_here\n    [[ $words[CURRENT] == -* ]] && _describe option options_here\n");
        script.Append("    (($#words_here)) || _files\n}\n# Sourced it registers itself; taken from fpath it is called already.\nif [[ $funcstack[1] == _statestore ]]; then _statestore \"$@\"; else compdef _statestore statestore; fi\n");
        return script.ToString();
    }

    /// <summary>The script for fish.</summary>
    public static string Fish(CompletionNode root)
    {
        StringBuilder script = new();
        script.Append("# statestore completion for fish\ncomplete -c statestore -e\n");
        foreach (CompletionOption option in root.Options)
        {
            AppendFish(script, "", option);
        }

        foreach (CompletionNode node in root.All())
        {
            string condition = FishCondition(node);
            foreach (CompletionNode child in node.Children)
            {
                script.Append("complete -c statestore -f ").Append(condition).Append(" -a ").Append(child.Path[^1]).Append(" -d ").Append(Single(child.Description)).Append('\n');
            }

            foreach (string word in node.Words)
            {
                script.Append("complete -c statestore -f ").Append(condition).Append(" -a ").Append(word).Append('\n');
            }

            foreach (CompletionOption option in node.Path.Count == 0 ? [] : node.Options)
            {
                AppendFish(script, condition, option);
            }
        }

        return script.ToString();
    }

    private static void AppendFish(StringBuilder script, string condition, CompletionOption option)
    {
        script.Append("complete -c statestore ").Append(condition).Append(condition.Length > 0 ? " " : "").Append("-l ").Append(option.Name[2..]);
        if (option.Values.Count > 0)
        {
            script.Append(" -x -a ").Append(Single(string.Join(' ', option.Values)));
        }
        else if (option.TakesValue)
        {
            script.Append(" -r");
        }

        script.Append(" -d ").Append(Single(option.Description)).Append('\n');
    }

    private static string FishCondition(CompletionNode node) => node.Path.Count == 0
        ? "-n __fish_use_subcommand"
        : $"-n '{string.Join("; and ", node.Path.Select(static word => $"__fish_seen_subcommand_from {word}"))}{(node.Children.Count == 0 ? "" : $"; and not __fish_seen_subcommand_from {string.Join(' ', node.Children.Select(static child => child.Path[^1]))}")}'";

    private static string ZshItem(string word, string description) =>
        Single(description.Length == 0 ? word : $"{word.Replace(":", "\\:", StringComparison.Ordinal)}:{description}");

    private static string Single(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    private static IEnumerable<CompletionOption> AllOptions(CompletionNode root) =>
        root.All().SelectMany(static node => node.Options).DistinctBy(static option => option.Name);

    private static IEnumerable<string> ValueOptions(CompletionNode root) =>
        AllOptions(root).Where(static option => option.TakesValue).Select(static option => option.Name);
}
