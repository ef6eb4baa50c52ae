// Why this file exists: JSON numbers are compared as the decimal text says, without rounding, whatever their size.
// Invariants: two texts of one value have the same digits and exponent here (leading and trailing zeros are stripped); work is
// linear in the text; an exponent beyond 10^17 is kept saturated and marked, never expanded.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A number read from its JSON text: sign, significant digits, and the power of ten of the last digit.</summary>
internal readonly ref struct DecimalNumber
{
    private const long ExponentLimit = 100_000_000_000_000_000;

    private readonly ReadOnlySpan<byte> _head;
    private readonly ReadOnlySpan<byte> _tail;

    private DecimalNumber(bool negative, ReadOnlySpan<byte> head, ReadOnlySpan<byte> tail, long exponent, bool saturated)
    {
        IsNegative = negative;
        _head = head;
        _tail = tail;
        Exponent = exponent;
        IsSaturated = saturated;
    }

    /// <summary>Whether the number is below zero; false for every zero.</summary>
    public bool IsNegative { get; }

    /// <summary>The power of ten of the last significant digit.</summary>
    public long Exponent { get; }

    /// <summary>Whether the exponent was too large to keep exactly.</summary>
    public bool IsSaturated { get; }

    /// <summary>Number of significant digits; zero for the number zero.</summary>
    public int DigitCount => _head.Length + _tail.Length;

    /// <summary>Whether the number is zero.</summary>
    public bool IsZero => DigitCount == 0;

    /// <summary>Whether the value is mathematically an integer: 1.0 and 1e3 are.</summary>
    public bool IsInteger => IsZero || Exponent >= 0;

    /// <summary>The digit at a position, as 0 to 9, most significant first.</summary>
    public int Digit(int position) =>
        (position < _head.Length ? _head[position] : _tail[position - _head.Length]) - '0';

    /// <summary>Reads a number whose grammar a JSON reader has accepted.</summary>
    public static DecimalNumber Parse(ReadOnlySpan<byte> text)
    {
        bool negative = text.Length > 0 && text[0] == (byte)'-';
        if (negative)
        {
            text = text[1..];
        }

        long exponent = 0;
        bool saturated = false;
        int mark = text.IndexOfAny((byte)'e', (byte)'E');
        if (mark >= 0)
        {
            exponent = ParseExponent(text[(mark + 1)..], out saturated);
            text = text[..mark];
        }

        ReadOnlySpan<byte> fraction = default;
        int point = text.IndexOf((byte)'.');
        if (point >= 0)
        {
            fraction = text[(point + 1)..].TrimEnd((byte)'0');
            text = text[..point];
        }

        exponent -= fraction.Length;
        ReadOnlySpan<byte> whole = text.TrimStart((byte)'0');
        if (fraction.IsEmpty)
        {
            ReadOnlySpan<byte> trimmed = whole.TrimEnd((byte)'0');
            exponent += whole.Length - trimmed.Length;
            whole = trimmed;
        }

        if (whole.IsEmpty)
        {
            fraction = fraction.TrimStart((byte)'0');
        }

        bool zero = whole.IsEmpty && fraction.IsEmpty;
        return zero ? default : new DecimalNumber(negative, whole, fraction, exponent, saturated);
    }

    /// <summary>Reads a plain integer of at most 18 digits; the fast path of every comparison.</summary>
    public static bool TryParseSmall(ReadOnlySpan<byte> text, out long value)
    {
        value = 0;
        bool negative = text.Length > 0 && text[0] == (byte)'-';
        if (negative)
        {
            text = text[1..];
        }

        if (text.Length is 0 or > 18)
        {
            return false;
        }

        foreach (byte digit in text)
        {
            uint number = (uint)(digit - '0');
            if (number > 9)
            {
                return false;
            }

            value = (value * 10) + number;
        }

        value = negative ? -value : value;
        return true;
    }

    /// <summary>Orders two numbers.</summary>
    /// <returns>False when both have exponents too large to keep, so that their order is unknown.</returns>
    public static bool TryCompare(in DecimalNumber left, in DecimalNumber right, out int order)
    {
        int leftSign = left.IsZero ? 0 : left.IsNegative ? -1 : 1;
        int rightSign = right.IsZero ? 0 : right.IsNegative ? -1 : 1;
        order = leftSign.CompareTo(rightSign);
        if (order != 0 || leftSign == 0)
        {
            return true;
        }

        if (left.IsSaturated && right.IsSaturated && (left.Exponent < 0) == (right.Exponent < 0))
        {
            return false;
        }

        order = leftSign * CompareMagnitude(left, right);
        return true;
    }

    private static int CompareMagnitude(in DecimalNumber left, in DecimalNumber right)
    {
        int order = (left.Exponent + left.DigitCount).CompareTo(right.Exponent + right.DigitCount);
        int shared = Math.Min(left.DigitCount, right.DigitCount);
        for (int i = 0; order == 0 && i < shared; i++)
        {
            order = left.Digit(i).CompareTo(right.Digit(i));
        }

        return order != 0 ? order : left.DigitCount.CompareTo(right.DigitCount);
    }

    private static long ParseExponent(ReadOnlySpan<byte> text, out bool saturated)
    {
        bool negative = text.Length > 0 && text[0] == (byte)'-';
        if (text.Length > 0 && text[0] is (byte)'-' or (byte)'+')
        {
            text = text[1..];
        }

        text = text.TrimStart((byte)'0');
        saturated = text.Length > 17;
        long value = ExponentLimit;
        if (!saturated)
        {
            value = 0;
            foreach (byte digit in text)
            {
                value = (value * 10) + (digit - '0');
            }
        }

        return negative ? -value : value;
    }
}
