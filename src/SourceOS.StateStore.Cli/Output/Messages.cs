// Why this file exists: everything said to people beside the answer goes to stderr through one place. Invariants: --quiet silences all but
// errors; progress appears only on a terminal, on one line that is gone when the next message comes; text is made safe for the terminal.

using SourceOS.StateStore.Cli.Host;

namespace SourceOS.StateStore.Cli.Output;

/// <summary>Messages and progress on stderr. Thread-safe.</summary>
internal sealed class Messages(ByteOutput errors, Style style, bool isTerminal, bool isQuiet)
{
    private readonly Lock _lock = new();
    private bool _hasProgress;

    /// <summary>Whether progress is shown.</summary>
    public bool ShowsProgress => isTerminal && !isQuiet;

    /// <summary>A message for people.</summary>
    public void Info(string text)
    {
        if (!isQuiet)
        {
            Line(TerminalText.Clean(text));
        }
    }

    /// <summary>Something that went on but should be known.</summary>
    public void Warning(string text)
    {
        if (!isQuiet)
        {
            Line(style.Yellow("warning: ") + TerminalText.Clean(text));
        }
    }

    /// <summary>The error that ends the command.</summary>
    public void Error(CliError error)
    {
        string place = error.Place.Length == 0 ? "" : $" [{error.Place}]";
        Line(style.Red("error: ") + TerminalText.Clean(error.Message + place));
        if (error.Next.Length > 0)
        {
            Line(TerminalText.Clean(error.Next));
        }
    }

    /// <summary>Replaces the progress line.</summary>
    public void Progress(string text)
    {
        if (!ShowsProgress)
        {
            return;
        }

        lock (_lock)
        {
            _hasProgress = true;
            errors.Write("\r\u001b[K" + TerminalText.Clean(text));
            errors.Flush();
        }
    }

    /// <summary>Removes the progress line.</summary>
    public void EndProgress()
    {
        lock (_lock)
        {
            ClearProgress();
            errors.Flush();
        }
    }

    private void Line(string text)
    {
        lock (_lock)
        {
            ClearProgress();
            errors.WriteLine(text);
            errors.Flush();
        }
    }

    private void ClearProgress()
    {
        if (_hasProgress)
        {
            errors.Write("\r\u001b[K"u8);
            _hasProgress = false;
        }
    }
}
