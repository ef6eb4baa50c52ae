// Why this file exists: the command line of the boot check, shared by the small program and by `statestore boot-check`. Invariants: whatever is given, the exit code is 0, 10 or 20 and one JSON document or a few plain lines
// come out; a bad argument is a reason for review, never a crash and never a pass.

using System.Globalization;

namespace SourceOS.StateStore.Readers.Boot;

/// <summary>Runs the boot check from arguments.</summary>
public static class BootCommand
{
    private const int MaxFileBytes = 1 << 20;

    /// <summary>The option that leaves the standard level out where only the store's small size asks for it.</summary>
    public const string QuickOption = "--quick";

    /// <summary>What it means.</summary>
    public const string QuickDescription = "The quick level alone, unless the store was not closed cleanly";

    /// <summary>What the small program says about itself.</summary>
    public static string Usage =>
        "Description:\n  Say whether a boot may rest on a state store. Reads only, and needs libc alone\n\n"
        + "Usage:\n  statestore-bootcheck --store DIR [--json] [--quick] [--budget-ms N] [--root-key FILE] [--min-root NOTE]\n"
        + "  statestore-bootcheck ... --evidence FILE --release-set REF [--manifest-hash H] [--platform P] [--boot-mode M] [--device ID] [--rollback-ref REF]\n\n"
        + "Options:\n"
        + string.Concat(Options.Select(static option => $"  {option.Name + " <" + option.Value + ">",-24}{option.Description}\n"))
        + $"  {QuickOption,-24}{QuickDescription}\n  {"--json",-24}The answer as one JSON document\n\n"
        + "Exit codes:\n  0 verified, 10 review required, 20 blocked, and no other\n";

    /// <summary>Every option that takes a value: its name, what the value is called, and what it means.</summary>
    public static IReadOnlyList<(string Name, string Value, string Description)> Options { get; } =
    [
        ("--store", "DIR", "The store's directory"),
        ("--budget-ms", "N", "Time for the check; 2000 by default"),
        ("--root-key", "FILE", "Verifier keys whose signatures count, one a line"),
        ("--min-root", "NOTE", "A signed checkpoint that the store must continue"),
        ("--evidence", "FILE", "Write boot evidence here"),
        ("--release-set", "REF", "For the evidence: the release set that boots"),
        ("--manifest-hash", "H", "For the evidence: the boot manifest's hash"),
        ("--platform", "P", $"For the evidence: {string.Join(", ", BootEvidenceOptions.Platforms)}"),
        ("--boot-mode", "M", $"For the evidence: {string.Join(", ", BootEvidenceOptions.BootModes)}"),
        ("--device", "ID", "For the evidence: this device"),
        ("--rollback-ref", "REF", "For the evidence: where a rollback leads"),
    ];

    /// <summary>Runs it.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="environmentStore">The store when no argument names one; may be null.</param>
    /// <param name="output">Where the answer goes.</param>
    /// <returns>The exit code.</returns>
    public static int Run(IReadOnlyList<string> arguments, string? environmentStore, Stream output)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(output);
        Dictionary<string, string> values = new(StringComparer.Ordinal);
        List<BootReason> faults = [];
        bool isJson = Read(arguments, values, faults);
        BootCheckOptions options = new()
        {
            StorePath = values.GetValueOrDefault("--store") ?? (string.IsNullOrEmpty(environmentStore) ? "./.statestore" : environmentStore),
            BudgetMs = Number(values, faults),
            StandardUpToBytes = values.ContainsKey(QuickOption) ? 0 : BootCheckOptions.DefaultStandardUpToBytes,
            RootKeys = values.TryGetValue("--root-key", out string? keys) && ReadFile(keys, faults) is { } bytes ? System.Text.Encoding.UTF8.GetString(bytes) : null,
            MinimumRootNote = values.TryGetValue("--min-root", out string? note) ? ReadFile(note, faults) ?? [] : null,
        };
        BootVerdict verdict = BootCheck.Run(options);
        if (faults.Count > 0)
        {
            verdict = verdict with { Decision = verdict.Decision == BootDecision.Blocked ? BootDecision.Blocked : BootDecision.ReviewRequired, Reasons = [.. faults, .. verdict.Reasons] };
        }

        verdict = WriteEvidence(values, verdict);
        try
        {
            output.Write(isJson ? [.. BootJson.Verdict(verdict), (byte)'\n'] : System.Text.Encoding.UTF8.GetBytes(Text(verdict)));
            output.Flush();
        }
        catch (IOException)
        {
            // Nobody reads the answer; the exit code still says it.
            return verdict.ExitCode;
        }

        return verdict.ExitCode;
    }

    private static bool Read(IReadOnlyList<string> arguments, Dictionary<string, string> values, List<BootReason> faults)
    {
        bool isJson = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            string name = arguments[i];
            string? value = null;
            int equals = name.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && name.StartsWith("--", StringComparison.Ordinal))
            {
                value = name[(equals + 1)..];
                name = name[..equals];
            }

            if (name == "--json")
            {
                isJson = true;
            }
            else if (name == QuickOption)
            {
                values[name] = "";
            }
            else if (!Options.Any(option => option.Name == name))
            {
                faults.Add(new BootReason("usage.option", $"'{name}' is not an option of the boot check."));
            }
            else if (value is null && i + 1 >= arguments.Count)
            {
                faults.Add(new BootReason("usage.value", $"{name} wants a value."));
            }
            else
            {
                values[name] = value ?? arguments[++i];
            }
        }

        return isJson;
    }

    private static int Number(Dictionary<string, string> values, List<BootReason> faults)
    {
        if (!values.TryGetValue("--budget-ms", out string? text))
        {
            return BootCheckOptions.DefaultBudgetMs;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int budgetMs) && budgetMs is >= 1 and <= 600_000)
        {
            return budgetMs;
        }

        faults.Add(new BootReason("usage.budget", "--budget-ms takes a number from 1 to 600000."));
        return BootCheckOptions.DefaultBudgetMs;
    }

    private static byte[]? ReadFile(string path, List<BootReason> faults)
    {
        if (Log.PositionalFile.Open(path, out Log.PositionalFile? file) != Log.ReadStatus.Ok || file is null)
        {
            faults.Add(new BootReason("usage.file", "The file cannot be read.", path));
            return null;
        }

        using (file)
        {
            byte[] bytes = new byte[MaxFileBytes];
            _ = file.Read(0, bytes, out int length);
            return bytes[..length];
        }
    }

    private static BootVerdict WriteEvidence(Dictionary<string, string> values, BootVerdict verdict)
    {
        if (!values.TryGetValue("--evidence", out string? path))
        {
            return verdict;
        }

        string platform = values.GetValueOrDefault("--platform") ?? "uefi-x86_64";
        string mode = values.GetValueOrDefault("--boot-mode") ?? "normal";
        if (!BootEvidenceOptions.Platforms.Contains(platform, StringComparer.Ordinal) || !BootEvidenceOptions.BootModes.Contains(mode, StringComparer.Ordinal) || string.IsNullOrEmpty(values.GetValueOrDefault("--release-set")))
        {
            return Worse(verdict, new BootReason("usage.evidence", $"Evidence needs --release-set, a platform of {string.Join(", ", BootEvidenceOptions.Platforms)}, and a boot mode of {string.Join(", ", BootEvidenceOptions.BootModes)}."));
        }

        BootEvidenceOptions options = new()
        {
            ReleaseSet = values["--release-set"],
            ManifestHash = values.GetValueOrDefault("--manifest-hash"),
            Platform = platform,
            BootMode = mode,
            DeviceId = values.GetValueOrDefault("--device") ?? "",
            RollbackRef = values.GetValueOrDefault("--rollback-ref"),
        };
        string unfinished = path + ".new";
        try
        {
            // Whole or not at all: whoever reads the evidence must never see half of it.
            File.WriteAllBytes(unfinished, [.. BootJson.Evidence(verdict, options), (byte)'\n']);
            File.Move(unfinished, path, overwrite: true);
            return verdict;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return Worse(verdict, new BootReason("evidence.unwritten", $"The evidence could not be written: {exception.Message}", path));
        }
    }

    private static BootVerdict Worse(BootVerdict verdict, BootReason reason) => verdict with
    {
        Decision = verdict.Decision == BootDecision.Verified ? BootDecision.ReviewRequired : verdict.Decision,
        Reasons = [.. verdict.Reasons, reason],
    };

    private static string Text(BootVerdict verdict)
    {
        System.Text.StringBuilder text = new();
        text.Append("state store: ").Append(verdict.DecisionText).Append(" (").Append(verdict.Level).Append(" check, ").Append(verdict.ElapsedMs.ToString(CultureInfo.InvariantCulture)).Append(" ms)\n");
        foreach (BootReason reason in verdict.Reasons)
        {
            text.Append("  ").Append(reason.Code).Append(": ").Append(Printable(reason.Message));
            text.Append(reason.Place.Length > 0 ? $" [{Printable(reason.Place)}]\n" : "\n");
        }

        if (verdict.Root.Length > 0)
        {
            text.Append("  root ").Append(verdict.Root).Append(" over ").Append(verdict.Size.ToString(CultureInfo.InvariantCulture)).Append(" frames, sequence ").Append(verdict.Sequence.ToString(CultureInfo.InvariantCulture)).Append('\n');
        }

        return text.ToString();
    }

    // The console at boot is nobody's to take over: names in a store may hold any character.
    private static string Printable(string text) => string.Create(text.Length, text, static (span, source) =>
    {
        for (int i = 0; i < source.Length; i++)
        {
            span[i] = source[i] is >= ' ' and < (char)0x7F ? source[i] : '?';
        }
    });
}
