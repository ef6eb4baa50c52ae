// Why this file exists: one conversion between .NET times and the format's microseconds.

namespace SourceOS.StateStore;

internal static class Times
{
    internal static long MicrosOf(DateTimeOffset time) => (time.UtcDateTime - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    internal static DateTimeOffset FromMicros(long micros)
    {
        long clamped = Math.Clamp(micros, DateTimeOffset.MinValue.UtcTicks / 10 - (DateTime.UnixEpoch.Ticks / 10), (DateTimeOffset.MaxValue.UtcTicks - DateTime.UnixEpoch.Ticks) / 10);
        return new DateTimeOffset(DateTime.UnixEpoch.AddTicks(clamped * TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);
    }
}
