// Why this file exists: a passphrase is asked for on the terminal and not shown. Invariants: never read from standard input that is not a terminal, never from an argument, so it lands in no history and no list of processes.

using SourceOS.StateStore.Backup;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>Asks for passphrases.</summary>
internal static class Passphrase
{
    private const int MaxLength = 1024;

    /// <summary>Whether there is somebody to ask.</summary>
    public static bool CanAsk => !Console.IsInputRedirected && !Console.IsErrorRedirected;

    /// <summary>Asks.</summary>
    /// <param name="context">The command.</param>
    /// <param name="isNew">Whether it is a new one, which is asked for twice.</param>
    /// <returns>The secret.</returns>
    public static BackupSecret Ask(VerbContext context, bool isNew)
    {
        char[] first = Read("Passphrase: ", context.Cancellation);
        char[] second = isNew ? Read("Again: ", context.Cancellation) : first;
        try
        {
            return first.Length == 0 ? throw CliException.Usage("The passphrase is empty.")
                : first.AsSpan().SequenceEqual(second) ? BackupSecret.FromPassphrase(first)
                : throw CliException.Usage("The two passphrases differ.");
        }
        finally
        {
            Array.Clear(first);
            Array.Clear(second);
        }
    }

    private static char[] Read(string prompt, CancellationToken cancellation)
    {
        Console.Error.Write(prompt);
        List<char> typed = new(MaxLength);
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            if (key.Key == ConsoleKey.Enter)
            {
                Console.Error.WriteLine();
                return [.. typed];
            }

            if (key.Key == ConsoleKey.Backspace)
            {
                typed.RemoveRange(Math.Max(0, typed.Count - 1), Math.Min(1, typed.Count));
            }
            else if (!char.IsControl(key.KeyChar) && typed.Count < MaxLength)
            {
                typed.Add(key.KeyChar);
            }
        }
    }
}
