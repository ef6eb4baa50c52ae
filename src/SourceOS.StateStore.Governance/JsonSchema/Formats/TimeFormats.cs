// Why this file exists: date-time, date, time (RFC 3339 section 5.6) and duration (RFC 3339 appendix A).
// Invariants: ASCII digits only; a leap second is accepted only where it would be 23:59:60 in UTC.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Checks for the formats of time.</summary>
internal static class TimeFormats
{
    /// <summary>A full-date, a T, a full-time.</summary>
    public static bool IsDateTime(ReadOnlySpan<byte> text) =>
        text.Length > 11 && text[10] is (byte)'T' or (byte)'t' && IsDate(text[..10]) && IsTime(text[11..]);

    /// <summary>A full-date of the Gregorian calendar.</summary>
    public static bool IsDate(ReadOnlySpan<byte> text)
    {
        if (text.Length != 10 || text[4] != (byte)'-' || text[7] != (byte)'-')
        {
            return false;
        }

        int century = TwoDigits(text);
        int yearOfCentury = TwoDigits(text[2..]);
        int month = TwoDigits(text[5..]);
        int day = TwoDigits(text[8..]);
        if (century < 0 || yearOfCentury < 0 || month is < 1 or > 12 || day < 1)
        {
            return false;
        }

        // Year 0 is not a year of .NET's calendar, but a leap year of the proleptic one.
        int year = (century * 100) + yearOfCentury;
        return day <= DateTime.DaysInMonth(year == 0 ? 4 : year, month);
    }

    /// <summary>A full-time: with an offset.</summary>
    public static bool IsTime(ReadOnlySpan<byte> text)
    {
        if (text.Length < 9 || text[2] != (byte)':' || text[5] != (byte)':')
        {
            return false;
        }

        int hour = TwoDigits(text);
        int minute = TwoDigits(text[3..]);
        int second = TwoDigits(text[6..]);
        if (hour is < 0 or > 23 || minute is < 0 or > 59 || second is < 0 or > 60)
        {
            return false;
        }

        int at = 8;
        if (text[at] == (byte)'.')
        {
            int start = ++at;
            while (at < text.Length && char.IsAsciiDigit((char)text[at]))
            {
                at++;
            }

            if (at == start)
            {
                return false;
            }
        }

        if (!TryReadOffset(text[at..], out int offsetMinutes))
        {
            return false;
        }

        int utcMinutes = ((hour * 60) + minute - offsetMinutes + (2 * 1440)) % 1440;
        return second < 60 || utcMinutes == 1439;
    }

    /// <summary>A duration: weeks, or date units, or time units after a T, each run without gaps.</summary>
    public static bool IsDuration(ReadOnlySpan<byte> text)
    {
        if (text.Length < 2 || text[0] != (byte)'P')
        {
            return false;
        }

        text = text[1..];
        int mark = text.IndexOf((byte)'T');
        ReadOnlySpan<byte> date = mark < 0 ? text : text[..mark];
        if (mark < 0 && IsRun(date, "W"u8))
        {
            return true;
        }

        bool dateGood = date.IsEmpty || IsRun(date, "YMD"u8);
        bool timeGood = mark < 0 ? !date.IsEmpty : IsRun(text[(mark + 1)..], "HMS"u8);
        return dateGood && timeGood;
    }

    /// <summary>Whether the text is digits and units, the units being neighbours in the order given.</summary>
    private static bool IsRun(ReadOnlySpan<byte> text, ReadOnlySpan<byte> units)
    {
        int last = -1;
        int at = 0;
        while (at < text.Length)
        {
            int start = at;
            while (at < text.Length && char.IsAsciiDigit((char)text[at]))
            {
                at++;
            }

            int unit = at < text.Length && at > start ? units.IndexOf(text[at]) : -1;
            if (unit < 0 || (last >= 0 && unit != last + 1))
            {
                return false;
            }

            last = unit;
            at++;
        }

        return last >= 0;
    }

    private static bool TryReadOffset(ReadOnlySpan<byte> text, out int minutes)
    {
        minutes = 0;
        if (text.Length == 1)
        {
            return text[0] is (byte)'Z' or (byte)'z';
        }

        if (text.Length != 6 || text[0] is not ((byte)'+' or (byte)'-') || text[3] != (byte)':')
        {
            return false;
        }

        int hour = TwoDigits(text[1..]);
        int minute = TwoDigits(text[4..]);
        minutes = ((hour * 60) + minute) * (text[0] == (byte)'-' ? -1 : 1);
        return hour is >= 0 and <= 23 && minute is >= 0 and <= 59;
    }

    private static int TwoDigits(ReadOnlySpan<byte> text) =>
        text.Length >= 2 && char.IsAsciiDigit((char)text[0]) && char.IsAsciiDigit((char)text[1])
            ? ((text[0] - '0') * 10) + (text[1] - '0')
            : -1;
}
