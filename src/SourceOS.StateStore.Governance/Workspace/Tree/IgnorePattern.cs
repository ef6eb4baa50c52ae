// Why this file exists: one line of an ignore file, ready to match. Invariants: matching is on bytes, case counts; it takes time in
// proportion to pattern times path, never more, because a tree may bring hostile patterns along; a pattern that is not well formed
// matches nothing.

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>One rule of an ignore file. Immutable.</summary>
internal sealed class IgnorePattern
{
    private readonly byte[][] _segments;
    private readonly bool _isAnchored;
    private readonly bool _foldersOnly;

    private IgnorePattern(byte[][] segments, bool isAnchored, bool foldersOnly, bool isNegated)
    {
        _segments = segments;
        _isAnchored = isAnchored;
        _foldersOnly = foldersOnly;
        IsNegated = isNegated;
    }

    /// <summary>Whether a match takes the path back in.</summary>
    public bool IsNegated { get; }

    /// <summary>Reads a line.</summary>
    /// <param name="line">The line without its newline.</param>
    /// <returns>The pattern, or null when the line holds none.</returns>
    public static IgnorePattern? Parse(ReadOnlySpan<byte> line)
    {
        line = TrimEnd(line);
        if (line.IsEmpty || line[0] == (byte)'#')
        {
            return null;
        }

        bool isNegated = line[0] == (byte)'!';
        if (isNegated)
        {
            line = line[1..];
        }

        bool foldersOnly = line.EndsWith("/"u8);
        line = foldersOnly ? line[..^1] : line;
        bool isAnchored = line.Contains((byte)'/');
        line = line.StartsWith("/"u8) ? line[1..] : line;
        if (line.IsEmpty)
        {
            return null;
        }

        List<byte[]> segments = [];
        foreach (Range range in line.Split((byte)'/'))
        {
            segments.Add(line[range].ToArray());
        }

        return new IgnorePattern([.. segments], isAnchored, foldersOnly, isNegated);
    }

    /// <summary>Whether the rule is about this path.</summary>
    /// <param name="path">The path below the ignore file's folder, without a slash at either end.</param>
    /// <param name="isFolder">Whether it is a folder.</param>
    public bool IsMatch(ReadOnlySpan<byte> path, bool isFolder)
    {
        if (_foldersOnly && !isFolder)
        {
            return false;
        }

        return _isAnchored ? MatchPath(path) : MatchSegment(_segments[0], path[(path.LastIndexOf((byte)'/') + 1)..]);
    }

    // Spaces at the end do not count unless a backslash protects the last one.
    private static ReadOnlySpan<byte> TrimEnd(ReadOnlySpan<byte> line)
    {
        line = line.EndsWith("\r"u8) ? line[..^1] : line;
        while (line.EndsWith(" "u8) && !line.EndsWith("\\ "u8))
        {
            line = line[..^1];
        }

        return line;
    }

    // Segment by segment. A ** takes any number of segments; trying again from the last ** alone is enough, because whatever an earlier
    // one could take, the last one can take too.
    private bool MatchPath(ReadOnlySpan<byte> path)
    {
        int segment = 0;
        int position = 0;
        int retrySegment = -1;
        int retryPosition = 0;
        while (position <= path.Length)
        {
            int end = path[position..].IndexOf((byte)'/');
            end = end < 0 ? path.Length : position + end;
            if (segment < _segments.Length && _segments[segment].AsSpan().SequenceEqual("**"u8))
            {
                // At the end of a pattern ** stands for everything inside, so it takes at least one segment.
                if (segment == _segments.Length - 1)
                {
                    return true;
                }

                retrySegment = ++segment;
                retryPosition = position;
            }
            else if (segment < _segments.Length && MatchSegment(_segments[segment], path[position..end]))
            {
                segment++;
                position = end + 1;
            }
            else if (retrySegment >= 0)
            {
                int next = path[retryPosition..].IndexOf((byte)'/');
                if (next < 0)
                {
                    return false;
                }

                retryPosition += next + 1;
                segment = retrySegment;
                position = retryPosition;
            }
            else
            {
                return false;
            }
        }

        return segment == _segments.Length;
    }

    private static bool MatchSegment(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> name)
    {
        int p = 0;
        int n = 0;
        int starPattern = -1;
        int starName = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == (byte)'*')
            {
                starPattern = ++p;
                starName = n;
            }
            else if (p < pattern.Length && MatchOne(pattern[p..], name[n], out int used))
            {
                p += used;
                n++;
            }
            else if (starPattern >= 0)
            {
                p = starPattern;
                n = ++starName;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == (byte)'*')
        {
            p++;
        }

        return p == pattern.Length;
    }

    private static bool MatchOne(ReadOnlySpan<byte> pattern, byte value, out int used)
    {
        used = 1;
        switch (pattern[0])
        {
            case (byte)'?':
                return true;
            case (byte)'[':
                return MatchClass(pattern, value, out used);
            case (byte)'\\' when pattern.Length > 1:
                used = 2;
                return pattern[1] == value;
            default:
                return pattern[0] == value;
        }
    }

    private static bool MatchClass(ReadOnlySpan<byte> pattern, byte value, out int used)
    {
        int i = 1;
        bool isInverted = i < pattern.Length && pattern[i] is (byte)'!' or (byte)'^';
        i += isInverted ? 1 : 0;
        bool isHit = false;
        int first = i;
        while (i < pattern.Length && (pattern[i] != (byte)']' || i == first))
        {
            byte low = pattern[i];
            if (low == (byte)'\\' && i + 1 < pattern.Length)
            {
                low = pattern[++i];
            }

            byte high = low;
            if (i + 2 < pattern.Length && pattern[i + 1] == (byte)'-' && pattern[i + 2] != (byte)']')
            {
                high = pattern[i + 2];
                i += 2;
            }

            isHit |= value >= low && value <= high;
            i++;
        }

        used = i + 1;
        return i < pattern.Length && isHit != isInverted;
    }
}
