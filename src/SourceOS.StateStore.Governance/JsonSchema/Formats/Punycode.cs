// Why this file exists: A-labels must be decoded to check what they stand for, and U-labels encoded to measure them (RFC 3492).
// Invariants: bounded by the buffers given; overflow and any malformed input answer -1.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Punycode, without the xn-- mark.</summary>
internal static class Punycode
{
    private const int Base = 36;
    private const int TMin = 1;
    private const int TMax = 26;
    private const int InitialBias = 72;
    private const int InitialN = 128;

    /// <summary>Decodes.</summary>
    /// <returns>The number of code points; -1 when the text is not Punycode or does not fit.</returns>
    public static int Decode(ReadOnlySpan<byte> text, Span<int> output)
    {
        int basic = text.LastIndexOf((byte)'-');
        int length = 0;
        for (int i = 0; i < basic; i++)
        {
            if (text[i] >= 0x80 || length == output.Length)
            {
                return -1;
            }

            output[length++] = text[i];
        }

        long n = InitialN;
        long place = 0;
        int bias = InitialBias;
        int at = basic < 0 ? 0 : basic + 1;
        while (at < text.Length)
        {
            long before = place;
            if (!ReadDelta(text, ref at, bias, ref place) || length == output.Length)
            {
                return -1;
            }

            bias = Adapt(place - before, length + 1, before == 0);
            n += place / (length + 1);
            place %= length + 1;
            if (n > 0x10FFFF)
            {
                return -1;
            }

            output[(int)place..length].CopyTo(output[((int)place + 1)..]);
            output[(int)place++] = (int)n;
            length++;
        }

        return length;
    }

    /// <summary>Encodes.</summary>
    /// <returns>The number of bytes; -1 when they do not fit.</returns>
    public static int Encode(ReadOnlySpan<int> input, Span<byte> output)
    {
        int length = 0;
        foreach (int codePoint in input)
        {
            if (codePoint < 0x80 && !Append((byte)codePoint, output, ref length))
            {
                return -1;
            }
        }

        int handled = length;
        bool first = true;
        if (handled > 0 && !Append((byte)'-', output, ref length))
        {
            return -1;
        }

        long n = InitialN;
        long delta = 0;
        int bias = InitialBias;
        while (handled < input.Length)
        {
            int next = int.MaxValue;
            foreach (int codePoint in input)
            {
                next = codePoint >= n && codePoint < next ? codePoint : next;
            }

            delta += (next - n) * (handled + 1);
            n = next;
            foreach (int codePoint in input)
            {
                delta += codePoint < n ? 1 : 0;
                if (codePoint != n)
                {
                    continue;
                }

                if (!WriteDelta(delta, bias, output, ref length))
                {
                    return -1;
                }

                bias = Adapt(delta, ++handled, first);
                first = false;
                delta = 0;
            }

            delta++;
            n++;
        }

        return length;
    }

    private static bool ReadDelta(ReadOnlySpan<byte> text, ref int at, int bias, ref long place)
    {
        long weight = 1;
        for (int k = Base; ; k += Base)
        {
            int digit = at < text.Length ? DigitValue(text[at++]) : -1;
            if (digit < 0 || weight > int.MaxValue)
            {
                return false;
            }

            place += digit * weight;
            int threshold = Math.Clamp(k - bias, TMin, TMax);
            if (place > int.MaxValue)
            {
                return false;
            }

            if (digit < threshold)
            {
                return true;
            }

            weight *= Base - threshold;
        }
    }

    private static bool WriteDelta(long delta, int bias, Span<byte> output, ref int length)
    {
        long rest = delta;
        for (int k = Base; ; k += Base)
        {
            int threshold = Math.Clamp(k - bias, TMin, TMax);
            if (rest < threshold)
            {
                return Append(Digit((int)rest), output, ref length);
            }

            if (!Append(Digit((int)(threshold + ((rest - threshold) % (Base - threshold)))), output, ref length))
            {
                return false;
            }

            rest = (rest - threshold) / (Base - threshold);
        }
    }

    private static bool Append(byte value, Span<byte> output, ref int length)
    {
        if (length == output.Length)
        {
            return false;
        }

        output[length++] = value;
        return true;
    }

    private static int Adapt(long delta, int points, bool first)
    {
        const int Skew = 38;
        const int Damp = 700;
        delta = first ? delta / Damp : delta / 2;
        delta += delta / points;
        int k = 0;
        while (delta > (Base - TMin) * TMax / 2)
        {
            delta /= Base - TMin;
            k += Base;
        }

        return k + (int)((Base - TMin + 1) * delta / (delta + Skew));
    }

    private static int DigitValue(byte value) => value switch
    {
        >= (byte)'a' and <= (byte)'z' => value - 'a',
        >= (byte)'A' and <= (byte)'Z' => value - 'A',
        >= (byte)'0' and <= (byte)'9' => value - '0' + 26,
        _ => -1,
    };

    private static byte Digit(int value) => (byte)(value < 26 ? 'a' + value : '0' + value - 26);
}
