// Why this file exists: lists for people stand in columns. A list may be longer than memory, so widths come from its first rows and the rest streams.
// Invariants: no row is lost or reordered; on a terminal no line is wider than it; piped, no cell is cut and there are no colours.

namespace SourceOS.StateStore.Cli.Output;

/// <summary>A table that is printed row by row. Call <see cref="Finish"/> at the end.</summary>
internal sealed class Table(ByteOutput output, Style style, int? terminalColumns, params string[] headers)
{
    private const int MeasuredRows = 256;
    private const int Gap = 2;

    private readonly List<string[]> _held = [];
    private int[]? _widths;

    /// <summary>Rows so far.</summary>
    public long Count { get; private set; }

    /// <summary>Adds a row.</summary>
    /// <param name="cells">As many cells as there are headers; any text.</param>
    public void Add(params string[] cells)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(cells.Length, headers.Length);
        string[] clean = Array.ConvertAll(cells, TerminalText.Clean);
        Count++;
        if (_widths is not null)
        {
            Print(clean, _widths, isHeader: false);
            return;
        }

        _held.Add(clean);
        if (_held.Count == MeasuredRows)
        {
            Release();
        }
    }

    /// <summary>Prints what is held back; nothing at all when there was no row.</summary>
    public void Finish()
    {
        if (_widths is null && _held.Count > 0)
        {
            Release();
        }
    }

    private void Release()
    {
        _widths = Measure();
        Print(headers, _widths, isHeader: true);
        foreach (string[] row in _held)
        {
            Print(row, _widths, isHeader: false);
        }

        _held.Clear();
    }

    private int[] Measure()
    {
        int[] widths = Array.ConvertAll(headers, TerminalText.Width);
        foreach (string[] row in _held)
        {
            for (int i = 0; i < row.Length; i++)
            {
                widths[i] = Math.Max(widths[i], TerminalText.Width(row[i]));
            }
        }

        if (terminalColumns is not { } columns)
        {
            return widths;
        }

        // The widest column gives first, until the line fits or every column is at its smallest.
        while (widths.Sum() + (Gap * (widths.Length - 1)) > columns)
        {
            int widest = Array.IndexOf(widths, widths.Max());
            if (widths[widest] <= 8)
            {
                break;
            }

            widths[widest]--;
        }

        return widths;
    }

    private void Print(string[] cells, int[] widths, bool isHeader)
    {
        for (int i = 0; i < cells.Length; i++)
        {
            string cell = terminalColumns is null ? cells[i] : TerminalText.Cut(cells[i], widths[i]);
            bool isLast = i == cells.Length - 1;
            output.Write(isHeader ? style.Bold(cell) : cell);
            if (!isLast)
            {
                output.Write(new string(' ', Math.Max(0, widths[i] - TerminalText.Width(cell)) + Gap));
            }
        }

        output.Write("\n"u8);
    }
}
