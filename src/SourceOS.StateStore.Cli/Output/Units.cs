// Why this file exists: numbers for people: grouped digits, binary sizes, times in one form. Invariants: the same in every locale.

using System.Globalization;

namespace SourceOS.StateStore.Cli.Output;

/// <summary>Numbers as text.</summary>
internal static class Units
{
    private static readonly string[] Sizes = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    public static string Count(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Bytes with a binary unit.</summary>
    public static string Bytes(double bytes)
    {
        int unit = 0;
        while (bytes >= 1024 && unit < Sizes.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        return unit == 0 ? $"{bytes.ToString("0", CultureInfo.InvariantCulture)} B" : $"{bytes.ToString("0.0", CultureInfo.InvariantCulture)} {Sizes[unit]}";
    }

    /// <summary>A duration to one sensible digit.</summary>
    public static string Seconds(double seconds) => seconds switch
    {
        < 1 => $"{(seconds * 1000).ToString("0", CultureInfo.InvariantCulture)} ms",
        < 100 => $"{seconds.ToString("0.0", CultureInfo.InvariantCulture)} s",
        _ => $"{(int)(seconds / 60)} min {(int)(seconds % 60)} s",
    };

    /// <summary>A time in RFC 3339, to the second.</summary>
    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
}
