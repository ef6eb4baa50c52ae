// Why this file exists: multipleOf asks for exact divisibility between decimal texts, where exponents may be astronomic.
// Invariants: the answer is exact; work is bounded by the digits written, never by the exponents: powers of ten beyond those
// that the divisor's own factors 2 and 5 can use do not change the answer, so the exponent is capped at the divisor's bit length.

using System.Globalization;
using System.Numerics;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A divisor prepared once for many dividends. Immutable.</summary>
internal sealed class DecimalDivisor
{
    /// <summary>Most significant digits a divisor may have.</summary>
    public const int MaxDigits = 1024;

    /// <summary>Largest power of ten a divisor may have; a dividend's saturated exponent lies far beyond it, so it stays exact.</summary>
    public const long MaxExponent = 1_000_000_000;

    private readonly BigInteger _digits;
    private readonly ulong _small;
    private readonly long _exponent;
    private readonly int _usefulPowers;

    private DecimalDivisor(BigInteger digits, long exponent)
    {
        _digits = digits;
        _small = digits <= uint.MaxValue ? (ulong)digits : 0;
        _exponent = exponent;
        _usefulPowers = (int)digits.GetBitLength();
    }

    /// <summary>Prepares a divisor.</summary>
    /// <returns>Null when the number is not above zero, or has more digits or a larger exponent than is supported.</returns>
    public static DecimalDivisor? TryCreate(ReadOnlySpan<byte> text)
    {
        DecimalNumber number = DecimalNumber.Parse(text);
        if (number.IsZero || number.IsNegative || number.DigitCount > MaxDigits
            || Math.Abs(number.Exponent) > MaxExponent)
        {
            return null;
        }

        Span<char> digits = stackalloc char[MaxDigits];
        for (int i = 0; i < number.DigitCount; i++)
        {
            digits[i] = (char)('0' + number.Digit(i));
        }

        return new DecimalDivisor(BigInteger.Parse(digits[..number.DigitCount], NumberStyles.None, CultureInfo.InvariantCulture), number.Exponent);
    }

    /// <summary>Whether the number is an integral multiple of this divisor.</summary>
    public bool Divides(in DecimalNumber number)
    {
        if (number.IsZero)
        {
            return true;
        }

        long shift = number.Exponent - _exponent;
        if (shift < 0)
        {
            // The dividend's last significant digit lies below every multiple of the divisor.
            return false;
        }

        int powers = (int)Math.Min(shift, _usefulPowers);
        return _small != 0 ? RemainderSmall(number, powers) == 0 : RemainderLarge(number, powers).IsZero;
    }

    private ulong RemainderSmall(in DecimalNumber number, int powers)
    {
        ulong remainder = 0;
        for (int i = 0; i < number.DigitCount; i++)
        {
            remainder = ((remainder * 10) + (ulong)number.Digit(i)) % _small;
        }

        for (int i = 0; i < powers; i++)
        {
            remainder = remainder * 10 % _small;
        }

        return remainder;
    }

    private BigInteger RemainderLarge(in DecimalNumber number, int powers)
    {
        const int ChunkDigits = 18;
        BigInteger remainder = BigInteger.Zero;
        long chunk = 0;
        long scale = 1;
        int total = number.DigitCount + powers;
        for (int i = 0; i < total; i++)
        {
            chunk = (chunk * 10) + (i < number.DigitCount ? number.Digit(i) : 0);
            scale *= 10;
            if ((i + 1) % ChunkDigits == 0 || i + 1 == total)
            {
                remainder = ((remainder * scale) + chunk) % _digits;
                chunk = 0;
                scale = 1;
            }
        }

        return remainder;
    }
}
