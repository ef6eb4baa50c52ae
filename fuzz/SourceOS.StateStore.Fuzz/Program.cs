// Why this file exists: the fuzz program: a minute in a test, hours by one command. Invariants: prints `N tried, N held` for each target and for all; exit 0 only when every case held and the canary was found; 1 when
// something failed, 2 for a wrong command line, 3 when a case did not end.

using System.Globalization;
using SourceOS.StateStore.Fuzz.Targets;

namespace SourceOS.StateStore.Fuzz;

/// <summary>The program.</summary>
internal static class Program
{
    private const string Usage = "usage: SourceOS.StateStore.Fuzz [--seconds N] [--cases N] [--target NAME] [--seed N] [--failures DIR] [--replay TARGET FILE] [--list]";

    /// <summary>Runs it.</summary>
    /// <param name="args">See the usage line.</param>
    /// <returns>The exit code.</returns>
    public static int Main(string[] args)
    {
        Dictionary<string, string> options = [];
        for (int i = 0; i < args.Length; i++)
        {
            if (args[i] == "--list")
            {
                Console.WriteLine(string.Join('\n', AllTargets.List.Select(static target => target.Name)));
                return 0;
            }

            if (args[i] == "--replay" && i + 2 < args.Length)
            {
                return Replay(args[i + 1], args[i + 2]);
            }

            if (args[i] is not ("--seconds" or "--cases" or "--target" or "--seed" or "--failures") || i + 1 == args.Length)
            {
                Console.Error.WriteLine(Usage);
                return 2;
            }

            options[args[i]] = args[++i];
        }

        return Run(options);
    }

    private static int Run(Dictionary<string, string> options)
    {
        double seconds = Number(options, "--seconds", 60);
        long cases = (long)Number(options, "--cases", long.MaxValue);
        int seed = (int)Number(options, "--seed", 20260);
        string failures = options.GetValueOrDefault("--failures", Path.Combine(Path.GetTempPath(), "statestore-fuzz-failures"));
        List<Target> targets = [.. AllTargets.List.Where(target => !options.TryGetValue("--target", out string? wanted) || target.Name == wanted)];
        if (targets.Count == 0)
        {
            Console.Error.WriteLine($"There is no such target; there are {string.Join(", ", AllTargets.List.Select(static target => target.Name))}.");
            return 2;
        }

        FuzzLoop loop = new(seed, failures);
        TimeSpan share = TimeSpan.FromSeconds(seconds / targets.Count);
        long tried = 0;
        long held = 0;
        bool isFound = true;
        foreach (Target target in targets)
        {
            FuzzResult result = loop.Run(target, share, cases);
            foreach (string failure in result.Failures.Where(_ => !target.IsCanary))
            {
                Console.WriteLine($"{result.Target}: FAILED {failure}");
            }

            if (target.IsCanary)
            {
                isFound = result.Failures.Count > 0;
                Console.WriteLine($"{result.Target}: {(isFound ? $"found after {result.Tried} cases" : $"NOT FOUND in {result.Tried} cases")} (seed {seed})");
                continue;
            }

            Console.WriteLine($"{result.Target}: {result.Tried} tried, {result.Held} held, {result.Samples} samples (seed {seed})");
            tried += result.Tried;
            held += result.Held;
        }

        Console.WriteLine($"fuzz: {tried} tried, {held} held");
        return tried == held && isFound ? 0 : 1;
    }

    private static int Replay(string name, string file)
    {
        Target? target = AllTargets.List.FirstOrDefault(target => target.Name == name);
        if (target is null)
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        try
        {
            Console.WriteLine($"{name}: held, way {target.Run(File.ReadAllBytes(file)):x16}");
            return 0;
        }
        catch (Exception exception)
        {
            Console.WriteLine($"{name}: {exception}");
            return 1;
        }
    }

    private static double Number(Dictionary<string, string> options, string name, double otherwise) =>
        options.TryGetValue(name, out string? text) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : otherwise;
}
