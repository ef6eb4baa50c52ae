// Why this file exists: a time's text must come back to the byte, or stay text.

using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Format.Tests;

public sealed class TimeTextTests
{
    private static string Write(long micros)
    {
        Span<byte> text = stackalloc byte[TimeText.MaxLengthBytes];
        return Encoding.UTF8.GetString(text[..TimeText.Write(micros, text)]);
    }

    [Fact]
    public void Every_time_is_written_as_the_platform_writes_it_and_comes_back() =>
        Property.Holds(
            random =>
            {
                long micros = random.Next(4) switch
                {
                    0 => random.NextInt64(-62_135_596_800, 253_402_300_800) * 1_000_000,
                    1 => random.NextInt64(-5_000_000, 5_000_000),
                    _ => random.NextInt64(-62_135_596_800_000_000, 253_402_300_800_000_000),
                };
                DateTime time = DateTime.UnixEpoch.AddTicks(micros * 10);
                string format = micros % 1_000_000 == 0 ? "yyyy-MM-ddTHH:mm:ssZ" : "yyyy-MM-ddTHH:mm:ss.ffffffZ";
                string text = Write(micros);
                Assert.Equal(time.ToString(format, CultureInfo.InvariantCulture), text);
                return TimeText.TryParse(Encoding.UTF8.GetBytes(text), out long back) && back == micros;
            },
            cases: 2000);

    [Theory]
    [InlineData(0, "1970-01-01T00:00:00Z")]
    [InlineData(-1, "1969-12-31T23:59:59.999999Z")]
    [InlineData(1, "1970-01-01T00:00:00.000001Z")]
    [InlineData(-62_135_596_800_000_000, "0001-01-01T00:00:00Z")]
    [InlineData(253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z")]
    public void Edges_are_written_and_come_back(long micros, string text)
    {
        Assert.Equal(text, Write(micros));
        Assert.True(TimeText.TryParse(Encoding.UTF8.GetBytes(text), out long back));
        Assert.Equal(micros, back);
    }

    [Fact]
    public void Years_before_1_and_after_9999_are_outside()
    {
        Assert.False(TimeText.IsInRange(-62_135_596_800_000_001));
        Assert.False(TimeText.IsInRange(253_402_300_800_000_000));
        Assert.Throws<ArgumentException>(() => Write(long.MaxValue));
    }

    [Fact]
    public void Any_other_form_is_refused_and_noise_never_throws()
    {
        byte[] valid = Encoding.UTF8.GetBytes("2024-02-29T23:59:59.100000Z");
        var random = new Random(2);
        byte[] again = new byte[TimeText.MaxLengthBytes];
        for (int i = 0; i < 200_000; i++)
        {
            byte[] copy = random.Next(2) == 0 ? [.. valid] : [.. valid.AsSpan(0, 19), (byte)'Z'];
            copy[random.Next(copy.Length)] = (byte)random.Next(32, 128);
            if (TimeText.TryParse(copy, out long micros))
            {
                Assert.Equal(copy, again.AsSpan(0, TimeText.Write(micros, again)).ToArray());
            }
        }
    }
}
