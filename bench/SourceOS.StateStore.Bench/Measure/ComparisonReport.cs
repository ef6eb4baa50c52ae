// Why this file exists: the same results for people (Markdown) and programs (JSON). Invariants: nothing is rounded in JSON; Markdown shows ratios first,
// because times mean nothing on another machine.

using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace SourceOS.StateStore.Bench.Measure;

/// <summary>A whole run of comparisons.</summary>
/// <param name="Command">The arguments that make it again.</param>
/// <param name="TakenAt">When it ended.</param>
/// <param name="Machine">What it ran on.</param>
/// <param name="Comparisons">What it found.</param>
public sealed record ComparisonReport(
    string Command, DateTimeOffset TakenAt, IReadOnlyList<KeyValuePair<string, string>> Machine, IReadOnlyList<ComparisonResult> Comparisons)
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>The report for programs.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, s_json);

    /// <summary>The report for people.</summary>
    public string ToMarkdown()
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"Command: `{Command}`\n\n");
        foreach ((string name, string value) in Machine)
        {
            text.Append(CultureInfo.InvariantCulture, $"- {name}: {value}\n");
        }

        foreach (ComparisonResult comparison in Comparisons)
        {
            Write(text, comparison);
        }

        return text.ToString();
    }

    /// <summary>One comparison for people.</summary>
    public static string ToMarkdown(ComparisonResult comparison)
    {
        StringBuilder text = new();
        Write(text, comparison);
        return text.ToString();
    }

    private static void Write(StringBuilder text, ComparisonResult comparison)
    {
        string[] subjects = [.. comparison.Contestants.Where(item => item.Role == Role.Subject).Select(item => item.Name)];
        text.Append(CultureInfo.InvariantCulture, $"\n### {comparison.Name}\n\nTime for {comparison.Unit}; {comparison.Shape.Rounds} rounds of {comparison.Shape.Operations}.\n\n");
        text.Append("| | median | quartiles of rounds | p50 | p99 | allocated |");
        foreach (string subject in subjects)
        {
            text.Append(CultureInfo.InvariantCulture, $" {subject} is x times as fast |");
        }

        text.Append("\n|---|---|---|---|---|---|").Append(string.Concat(Enumerable.Repeat("---|", subjects.Length))).Append('\n');
        foreach (ContestantResult item in comparison.Contestants)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {(item.Role == Role.Floor ? "floor: " : "")}{item.Name} | {Time(item.RoundNs.Median)} | {Time(item.RoundNs.Low)} to {Time(item.RoundNs.High)} | {Time(item.P50Ns)} | {Time(item.P99Ns)} | {item.AllocatedBytes:N0} B |");
            foreach (string subject in subjects)
            {
                text.Append(item.Ratios.TryGetValue(subject, out Spread? ratio) ? string.Create(CultureInfo.InvariantCulture, $" **{ratio.Median:F2}** ({ratio.Low:F2} to {ratio.High:F2}) |") : " - |");
            }

            text.Append('\n');
        }

        foreach (string note in comparison.Notes)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{note}\n");
        }
    }

    private static string Time(double ns) => ns switch
    {
        < 1_000 => string.Create(CultureInfo.InvariantCulture, $"{ns:F1} ns"),
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{ns / 1e3:F2} us"),
        < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{ns / 1e6:F2} ms"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{ns / 1e9:F2} s"),
    };
}
