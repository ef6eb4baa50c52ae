// Why this file exists: character classes of ECMA-262 patterns are sets of code points, not of UTF-16 units.
// Invariants: immutable; ranges are sorted, disjoint and not adjacent; every bound lies in 0 to 0x10FFFF.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A set of code points as ranges: even places hold first members, odd places last members.</summary>
internal sealed class CodePointSet
{
    /// <summary>The largest code point.</summary>
    public const int Last = 0x10FFFF;

    private readonly int[] _bounds;

    private CodePointSet(int[] bounds) => _bounds = bounds;

    /// <summary>The empty set.</summary>
    public static CodePointSet Empty { get; } = new([]);

    /// <summary>Every code point.</summary>
    public static CodePointSet All { get; } = new([0, Last]);

    /// <summary>The digits 0 to 9: what \d means.</summary>
    public static CodePointSet Digits { get; } = FromRanges([('0', '9')]);

    /// <summary>ASCII letters, digits and the underscore: what \w means.</summary>
    public static CodePointSet Word { get; } = FromRanges([('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]);

    /// <summary>WhiteSpace and LineTerminator of ECMA-262: what \s means.</summary>
    public static CodePointSet Space { get; } = FromRanges(
    [
        (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
        (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
    ]);

    /// <summary>Everything but the line terminators: what a dot means.</summary>
    public static CodePointSet Dot { get; } = FromRanges([('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029)]).Complement();

    /// <summary>Number of ranges.</summary>
    public int RangeCount => _bounds.Length / 2;

    /// <summary>Whether the set has no member.</summary>
    public bool IsEmpty => _bounds.Length == 0;

    /// <summary>Whether a member lies beyond the basic plane.</summary>
    public bool HasAstral => _bounds.Length > 0 && _bounds[^1] > 0xFFFF;

    /// <summary>A range by its place.</summary>
    public (int First, int Last) Range(int place) => (_bounds[2 * place], _bounds[(2 * place) + 1]);

    /// <summary>The set of one code point.</summary>
    public static CodePointSet Of(int codePoint) => new([codePoint, codePoint]);

    /// <summary>Builds a set from ranges in any order.</summary>
    public static CodePointSet FromRanges(List<(int First, int Last)> ranges)
    {
        ranges.Sort();
        List<int> bounds = new(ranges.Count * 2);
        foreach ((int first, int last) in ranges)
        {
            if (bounds.Count > 0 && first <= bounds[^1] + 1)
            {
                bounds[^1] = Math.Max(bounds[^1], last);
            }
            else
            {
                bounds.Add(first);
                bounds.Add(last);
            }
        }

        return new CodePointSet([.. bounds]);
    }

    /// <summary>Adds this set's ranges to a list.</summary>
    public void AddTo(List<(int First, int Last)> ranges)
    {
        for (int i = 0; i < RangeCount; i++)
        {
            ranges.Add(Range(i));
        }
    }

    /// <summary>Everything that is not in this set.</summary>
    public CodePointSet Complement()
    {
        List<int> bounds = new(_bounds.Length + 2);
        int next = 0;
        for (int i = 0; i < _bounds.Length; i += 2)
        {
            if (_bounds[i] > next)
            {
                bounds.Add(next);
                bounds.Add(_bounds[i] - 1);
            }

            next = _bounds[i + 1] + 1;
        }

        if (next <= Last)
        {
            bounds.Add(next);
            bounds.Add(Last);
        }

        return new CodePointSet([.. bounds]);
    }

    /// <summary>Whether a code point is a member.</summary>
    public bool Contains(int codePoint)
    {
        if (_bounds.Length == 2)
        {
            return codePoint >= _bounds[0] && codePoint <= _bounds[1];
        }

        int place = Array.BinarySearch(_bounds, codePoint);
        return place >= 0 || (~place & 1) == 1;
    }
}
