// Why this file exists: NDJSON of any length, read in bounded memory. Invariants: a line longer than the bound is told as such and skipped to its end without
// being kept; line numbers count every newline; a carriage return before the newline is white space to JSON, so nobody removes it.

namespace SourceOS.StateStore.Cli.Import;

/// <summary>Reads lines of bytes.</summary>
internal sealed class LineReader(Stream stream, int maxLineBytes)
{
    private readonly byte[] _buffer = new byte[128 * 1024];
    private byte[] _line = new byte[4096];
    private int _offset;
    private int _length;

    /// <summary>The number of the last line read, from 1.</summary>
    public long Number { get; private set; }

    /// <summary>Whether the last line was longer than the bound; its content is gone.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>Reads the next line.</summary>
    /// <param name="line">Its bytes without the newline, valid until the next call.</param>
    /// <returns>False at the end.</returns>
    public bool TryRead(out ReadOnlyMemory<byte> line)
    {
        int used = 0;
        IsTooLong = false;
        bool hasAny = false;
        while (_offset < _length || Fill())
        {
            hasAny = true;
            ReadOnlySpan<byte> rest = _buffer.AsSpan(_offset, _length - _offset);
            int newline = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> part = newline < 0 ? rest : rest[..newline];
            _offset += part.Length + (newline < 0 ? 0 : 1);
            used = Append(part, used);
            if (newline >= 0)
            {
                break;
            }
        }

        Number += hasAny ? 1 : 0;
        line = _line.AsMemory(0, used);
        return hasAny;
    }

    private int Append(ReadOnlySpan<byte> part, int used)
    {
        if (IsTooLong || used + part.Length > maxLineBytes)
        {
            IsTooLong = true;
            return 0;
        }

        if (_line.Length < used + part.Length)
        {
            Array.Resize(ref _line, Math.Min(Math.Max(_line.Length * 2, used + part.Length), maxLineBytes));
        }

        part.CopyTo(_line.AsSpan(used));
        return used + part.Length;
    }

    private bool Fill()
    {
        _offset = 0;
        _length = stream.Read(_buffer);
        return _length > 0;
    }
}
