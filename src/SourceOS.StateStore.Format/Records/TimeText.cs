// Why this file exists: the one text form of a time (format-spec/records.md, tag 5), both ways without culture or allocation. Invariants: a
// text is only taken apart when putting it together again gives the same text.

using System.Buffers.Text;

namespace SourceOS.StateStore.Format;

/// <summary>Times as `YYYY-MM-DDThh:mm:ssZ`, with 6 decimals when they are not all zero.</summary>
public static class TimeText
{
    /// <summary>Longest text in bytes.</summary>
    public const int MaxLengthBytes = 27;

    private const int ShortLengthBytes = 20;
    private const long MicrosPerSecond = 1_000_000;
    private static readonly long s_min = MicrosOf(new DateTime(1, 1, 1, 0, 0, 0, DateTimeKind.Utc));
    private static readonly long s_max = MicrosOf(new DateTime(9999, 12, 31, 23, 59, 59, DateTimeKind.Utc)) + MicrosPerSecond - 1;

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
        DateTime time = DateTime.UnixEpoch.AddTicks(micros * TimeSpan.TicksPerMicrosecond);
        _ = Utf8Formatter.TryFormat(time, destination, out int _, new System.Buffers.StandardFormat('O'));
        long fraction = ((micros % MicrosPerSecond) + MicrosPerSecond) % MicrosPerSecond;
        if (fraction == 0)
        {
            destination[ShortLengthBytes - 1] = (byte)'Z';
            return ShortLengthBytes;
        }

        // "O" has seven decimals and a Z; the seventh is always zero here.
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
        if (text.Length is not (ShortLengthBytes or MaxLengthBytes) || text[^1] != (byte)'Z')
        {
            return false;
        }

        Span<byte> form = stackalloc byte[MaxLengthBytes + 1];
        text[..^1].CopyTo(form);
        ReadOnlySpan<byte> rest = text.Length == ShortLengthBytes ? ".0000000Z"u8 : "0Z"u8;
        rest.CopyTo(form[(text.Length - 1)..]);
        if (!Utf8Parser.TryParse(form, out DateTime time, out int consumed, 'O') || consumed != form.Length || time.Kind != DateTimeKind.Utc)
        {
            return false;
        }

        micros = MicrosOf(time);
        Span<byte> again = stackalloc byte[MaxLengthBytes];
        return text.SequenceEqual(again[..Write(micros, again)]);
    }

    private static long MicrosOf(DateTime time) => (time - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
}
