// Why this file exists: the one text form of a time (format-spec/records.md, tag 5), both ways without culture or allocation. Invariants: a
// text is only taken apart when putting it together again gives the same text.

namespace SourceOS.StateStore.Format;

/// <summary>Times as `YYYY-MM-DDThh:mm:ssZ`, with 6 decimals when they are not all zero.</summary>
public static class TimeText
{
    /// <summary>Longest text in bytes.</summary>
    public const int MaxLengthBytes = 27;

    private const int ShortLengthBytes = 20;
    private const int PointAt = 19;
    private const int Decimals = 6;
    private const long MicrosPerSecond = 1_000_000;
    private const long MicrosPerDay = 86_400 * MicrosPerSecond;
    private static readonly long s_min = DateTime.MinValue.Ticks / TimeSpan.TicksPerMicrosecond - (DateTime.UnixEpoch.Ticks / TimeSpan.TicksPerMicrosecond);
    private static readonly long s_max = (DateTime.MaxValue.Ticks / TimeSpan.TicksPerMicrosecond) - (DateTime.UnixEpoch.Ticks / TimeSpan.TicksPerMicrosecond);

    /// <summary>Whether a time lies in the years 1 to 9999.</summary>
    /// <param name="micros">Microseconds since 1970.</param>
    /// <returns>True when it does.</returns>
    public static bool IsInRange(long micros) => micros >= s_min && micros <= s_max;

    /// <summary>Writes a time.</summary>
    /// <param name="micros">A time in range.</param>
    /// <param name="destination">At least <see cref="MaxLengthBytes"/> bytes.</param>
    /// <returns>The number of bytes written.</returns>
    public static int Write(long micros, Span<byte> destination)
    {
        ThrowHelper.ThrowIfShort(destination, MaxLengthBytes, nameof(destination));
        ThrowHelper.ThrowIfArgument(!IsInRange(micros), "The time lies outside the years 1 to 9999.", nameof(micros));
        DateTime day = DateTime.UnixEpoch.AddTicks(micros * TimeSpan.TicksPerMicrosecond);
        WriteDigits(destination[..4], day.Year);
        destination[4] = (byte)'-';
        WriteDigits(destination[5..7], day.Month);
        destination[7] = (byte)'-';
        WriteDigits(destination[8..10], day.Day);
        destination[10] = (byte)'T';
        WriteDigits(destination[11..13], day.Hour);
        destination[13] = (byte)':';
        WriteDigits(destination[14..16], day.Minute);
        destination[16] = (byte)':';
        WriteDigits(destination[17..PointAt], day.Second);
        int fraction = (int)(day.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond);
        if (fraction == 0)
        {
            destination[PointAt] = (byte)'Z';
            return ShortLengthBytes;
        }

        destination[PointAt] = (byte)'.';
        WriteDigits(destination.Slice(PointAt + 1, Decimals), fraction);
        destination[MaxLengthBytes - 1] = (byte)'Z';
        return MaxLengthBytes;
    }

    /// <summary>Reads a text that is in the one form.</summary>
    /// <param name="text">The text.</param>
    /// <param name="micros">Microseconds since 1970.</param>
    /// <returns>False when the text is in any other form.</returns>
    public static bool TryParse(ReadOnlySpan<byte> text, out long micros)
    {
        micros = 0;
        if (text.Length is not (ShortLengthBytes or MaxLengthBytes)
            || text[4] != (byte)'-' || text[7] != (byte)'-' || text[10] != (byte)'T' || text[13] != (byte)':' || text[16] != (byte)':' || text[^1] != (byte)'Z')
        {
            return false;
        }

        int year = ReadDigits(text[..4]);
        int month = ReadDigits(text[5..7]);
        int day = ReadDigits(text[8..10]);
        int hour = ReadDigits(text[11..13]);
        int minute = ReadDigits(text[14..16]);
        int second = ReadDigits(text[17..PointAt]);
        bool isLong = text.Length == MaxLengthBytes;
        int fraction = isLong ? text[PointAt] == (byte)'.' ? ReadDigits(text.Slice(PointAt + 1, Decimals)) : -1 : 0;
        if (year < 1 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month)
            || hour is < 0 or > 23 || minute is < 0 or > 59 || second is < 0 or > 59 || fraction < 0 || (isLong && fraction == 0))
        {
            return false;
        }

        long days = (new DateTime(year, month, day, 0, 0, 0, DateTimeKind.Utc) - DateTime.UnixEpoch).Days;
        micros = (days * MicrosPerDay) + (((hour * 3600L) + (minute * 60) + second) * MicrosPerSecond) + fraction;
        return true;
    }

    private static void WriteDigits(Span<byte> destination, int value)
    {
        for (int i = destination.Length - 1; i >= 0; i--)
        {
            destination[i] = (byte)('0' + (value % 10));
            value /= 10;
        }
    }

    /// <summary>The number that decimal digits make, or -1 when one of them is none.</summary>
    private static int ReadDigits(ReadOnlySpan<byte> digits)
    {
        int value = 0;
        foreach (byte digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'9')
            {
                return -1;
            }

            value = (value * 10) + digit - '0';
        }

        return value;
    }
}
