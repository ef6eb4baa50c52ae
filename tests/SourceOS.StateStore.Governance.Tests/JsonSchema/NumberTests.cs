// Why this file exists: numbers are compared as decimal text says, with no double in between.

using System.Globalization;
using System.Numerics;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class NumberTests
{
    [Theory]
    [InlineData("1", "1.0")]
    [InlineData("1", "1e0")]
    [InlineData("100", "1E2")]
    [InlineData("0.001", "1e-3")]
    [InlineData("-0.0", "0")]
    [InlineData("12345678901234567890123", "1.2345678901234567890123e22")]
    [InlineData("0.1e1", "10e-1")]
    public void Equal_values_are_equal_however_written(string left, string right)
    {
        Schemas.Accepts(Schemas.Compile($"{{\"const\":{left}}}"), right);
        Schemas.Accepts(Schemas.Compile($"{{\"enum\":[{right}]}}"), left);
        Schemas.Rejects(Schemas.Compile("""{"uniqueItems":true}"""), $"[{left},{right}]");
    }

    [Theory]
    [InlineData("9007199254740993", "9007199254740992")]
    [InlineData("0.1", "0.1000000000000000055511151231257827")]
    [InlineData("1e400", "1e401")]
    [InlineData("18446744073709551617", "18446744073709551616")]
    public void Values_that_doubles_confuse_are_told_apart(string left, string right)
    {
        Schemas.Rejects(Schemas.Compile($"{{\"const\":{left}}}"), right);
        Schemas.Accepts(Schemas.Compile("""{"uniqueItems":true}"""), $"[{left},{right}]");
    }

    [Theory]
    [InlineData("0.0001", "0.0075", true)]
    [InlineData("0.0001", "0.00751", false)]
    [InlineData("0.01", "19.99", true)]
    [InlineData("1e-8", "12391239123", true)]
    [InlineData("0.123456789", "1e308", false)]
    [InlineData("3", "1e1000000", false)]
    [InlineData("8", "1e1000000", true)]
    [InlineData("7e20", "49e20", true)]
    [InlineData("123456789012345678901234567890", "370370367037037036703703703670", true)]
    [InlineData("123456789012345678901234567890", "370370367037037036703703703671", false)]
    [InlineData("5", "0", true)]
    [InlineData("2", "-4", true)]
    public void Divisibility_is_exact(string divisor, string value, bool expected)
    {
        CompiledSchema schema = Schemas.Compile($"{{\"multipleOf\":{divisor}}}");
        Assert.Equal(expected ? SchemaVerdict.Valid : SchemaVerdict.Invalid, Schemas.Check(schema, value));
    }

    [Theory]
    [InlineData("1.0", true)]
    [InlineData("1e3", true)]
    [InlineData("15e-1", false)]
    [InlineData("150e-1", true)]
    [InlineData("98249283749234923498293171823948729348710298301928331", true)]
    [InlineData("1.1", false)]
    public void An_integer_is_a_value_without_a_fraction(string value, bool expected) =>
        Assert.Equal(expected ? SchemaVerdict.Valid : SchemaVerdict.Invalid, Schemas.Check(Schemas.Compile("""{"type":"integer"}"""), value));

    [Theory]
    [InlineData("-972783798187987123879878123.18878137", "-972783798187987123879878123.188781371", SchemaVerdict.Invalid)]
    [InlineData("-972783798187987123879878123.18878137", "-972783798187987123879878123.18878136", SchemaVerdict.Valid)]
    [InlineData("0.1", "1e-1", SchemaVerdict.Valid)]
    [InlineData("18446744073709551615", "18446744073709551614.9", SchemaVerdict.Invalid)]
    public void Bounds_are_exact(string minimum, string value, SchemaVerdict expected) =>
        Assert.Equal(expected, Schemas.Check(Schemas.Compile($"{{\"minimum\":{minimum}}}"), value));

    [Fact]
    public void Comparison_and_divisibility_agree_with_exact_fractions()
    {
        Gen<(BigInteger Digits, int Exponent)> numbers =
            from digits in Gen.Elements<long>(0, 1, 5, 7, 10, 25, 99, 100, 1024, long.MaxValue).Or(Gen.Choose(-5000, 5000).Select(i => (long)i))
            from exponent in Gen.Choose(-30, 30)
            select ((BigInteger)digits, exponent);
        Prop.ForAll(numbers.Two().ToArbitrary(), pair =>
        {
            ((BigInteger Digits, int Exponent) a, (BigInteger Digits, int Exponent) b) = pair;
            string left = Write(a.Digits, a.Exponent);
            string right = Write(b.Digits, b.Exponent);
            BigInteger scaledLeft = a.Digits * BigInteger.Pow(10, a.Exponent + 30);
            BigInteger scaledRight = b.Digits * BigInteger.Pow(10, b.Exponent + 30);
            bool known = DecimalNumber.TryCompare(DecimalNumber.Parse(Utf8(left)), DecimalNumber.Parse(Utf8(right)), out int order);
            DecimalDivisor? divisor = DecimalDivisor.TryCreate(Utf8(right));
            bool divides = divisor?.Divides(DecimalNumber.Parse(Utf8(left))) ?? false;
            bool expected = scaledRight > 0 && scaledLeft % scaledRight == 0;
            return known && Math.Sign(order) == scaledLeft.CompareTo(scaledRight) && divides == expected && (divisor is null) == (scaledRight <= 0);
        }).QuickCheckThrowOnFailure();
    }

    private static byte[] Utf8(string text) => Encoding.ASCII.GetBytes(text);

    /// <summary>Writes a number in one of several ways, chosen by its digits.</summary>
    private static string Write(BigInteger digits, int exponent) => (int)(BigInteger.Abs(digits) % 3) switch
    {
        0 => string.Create(CultureInfo.InvariantCulture, $"{digits}e{exponent}"),
        1 => string.Create(CultureInfo.InvariantCulture, $"{digits}.000E+{exponent}").Replace("+-", "-", StringComparison.Ordinal),
        _ => string.Create(CultureInfo.InvariantCulture, $"{digits}00e{exponent - 2}"),
    };
}
