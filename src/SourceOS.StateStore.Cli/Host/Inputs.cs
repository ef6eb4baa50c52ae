// Why this file exists: arguments that several verbs share, checked the same way everywhere. Invariants: grammar is checked while parsing (exit 2), data
// when it is used (exit 8).

using System.CommandLine;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>Makers of options and arguments.</summary>
internal static class Inputs
{
    /// <summary>An option with one of a few values.</summary>
    public static Option<string> OneOf(string name, string description, params string[] values)
    {
        Option<string> option = new(name) { Description = $"{description}: {string.Join(", ", values)}" };
        option.AcceptOnlyFromAmong(values);
        return option;
    }

    /// <summary>An option that takes a number from 1 on.</summary>
    public static Option<int?> Count(string name, string description)
    {
        Option<int?> option = new(name) { Description = description, HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.Errors.Any() || result.Tokens.Count != 1)
            {
                return;
            }

            if (!int.TryParse(result.Tokens[0].Value, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int value) || value < 1)
            {
                result.AddError($"{name} takes a number from 1 to {int.MaxValue}.");
            }
        });
        return option;
    }

    /// <summary>An option that takes a sequence.</summary>
    public static Option<ulong?> Sequence(string name, string description)
    {
        Option<ulong?> option = new(name) { Description = description, HelpName = "SEQ" };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1
                && !ulong.TryParse(result.Tokens[0].Value, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out _))
            {
                result.AddError($"{name} takes a sequence, a number from 0 on.");
            }
        });
        return option;
    }

    /// <summary>The KIND argument.</summary>
    public static Argument<string> Kind()
    {
        Argument<string> argument = new("KIND") { HelpName = "KIND", Description = "A kind of record: " + string.Join(", ", RecordKinds.All.Select(static kind => kind.PluralName)) };
        argument.CompletionSources.Add(_ => RecordKinds.All.Select(static kind => new System.CommandLine.Completions.CompletionItem(kind.PluralName)));
        argument.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !RecordKinds.TryParse(result.Tokens[0].Value, out _))
            {
                result.AddError($"'{result.Tokens[0].Value}' is not a kind of record; kinds are {string.Join(", ", RecordKinds.All.Select(static kind => kind.PluralName))}.");
            }
        });
        return argument;
    }

    /// <summary>The kind that a parsed KIND names.</summary>
    public static RecordKindInfo KindOf(string name) =>
        RecordKinds.TryParse(name, out RecordKindInfo? info) ? info : throw CliException.Usage($"'{name}' is not a kind of record.");

    /// <summary>The ID argument.</summary>
    public static Argument<string> Id(string description = "The record's identifier") => new("ID") { Description = description };
}
