// Why this file exists: patterns mean what ECMA-262 in Unicode mode says, not what .NET would make of them.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class PatternTests
{
    private static bool Matches(string pattern, string text)
    {
        Assert.True(EcmaPattern.TryCompile(pattern, TimeSpan.FromSeconds(5), out EcmaPattern? compiled, out string error), error);
        bool matched = compiled.IsMatch(Encoding.UTF8.GetBytes(text), new char[3 * text.Length], out bool inTime);
        Assert.True(inTime);
        return matched;
    }

    [Theory]
    [InlineData("^\\d$", "5", "\u0667")]
    [InlineData("^\\D$", "\u0667", "5")]
    [InlineData("^\\w$", "_", "\u00e9")]
    [InlineData("^\\W$", "\u00e9", "a")]
    [InlineData("^\\s$", "\ufeff", "\u0085")]
    [InlineData("^\\s$", "\u2029", "\u180e")]
    [InlineData("^\\S$", "\u0085", "\u00a0")]
    [InlineData("^.$", "\u0085", "\u2028")]
    [InlineData("^abc$", "abc", "abc\n")]
    [InlineData("a+b", "xxaab!", "AB")]
    [InlineData("^\\cC$", "\u0003", "C")]
    [InlineData("^\\x41\\u0042\\u{43}\\u{1F432}$", "ABC\U0001F432", "ABC")]
    [InlineData("^\\0$", "\0", "0")]
    [InlineData("^[\\b]$", "\b", "b")]
    [InlineData("^[]|x$", "x", "y")]
    [InlineData("^[^]$", "\n", "")]
    [InlineData("\\bfoo\\b", "a foo.", "afoo")]
    [InlineData("\\bfoo\\b", "\u00e9foo", "_foo")]
    [InlineData("a\\Bb", "ab", "a b")]
    [InlineData("^(?:a|b)+?c$", "abc", "c")]
    [InlineData("^(?=.*\\d)(?!.*x)[a-z\\d]+$", "ab1", "abx1")]
    [InlineData("(?<=\\$)\\d", "$5", "5")]
    [InlineData("(?<!a+)b", "cb", "aab")]
    [InlineData("^(a)?\\1b$", "aab", "aaab")]
    [InlineData("^(?<x>a|b)\\k<x>$", "bb", "ab")]
    [InlineData("^a{2,3}$", "aaa", "aaaa")]
    [InlineData("^a{,3}$", "a{,3}", "aaa")]
    [InlineData("^x{$", "x{", "x")]
    [InlineData("^[a\\-z]$", "-", "b")]
    [InlineData("^[\\w-]+$", "a-b", "a b")]
    [InlineData("^\\/\\.\\-\\@$", "/.-@", "/x-@")]
    [InlineData("^[^\\x00-\\x1f]+$", "ab", "a\tb")]
    public void Escapes_classes_and_assertions_are_those_of_the_standard(string pattern, string match, string other)
    {
        Assert.True(Matches(pattern, match));
        Assert.False(Matches(pattern, other));
    }

    [Fact]
    public void References_to_groups_that_took_no_part_match_the_empty_text()
    {
        Assert.True(Matches("^(?:(a)|b)\\1$", "b"));
        Assert.True(Matches("^\\k<later>(?<later>a)$", "a"));
        Assert.True(Matches("^\\2(a)(b)$", "ab"));
    }

    [Theory]
    [InlineData("^.$", "\U0001F432", true)]
    [InlineData("^..$", "\U0001F432", false)]
    [InlineData("^\U0001F432*$", "\U0001F432\U0001F432", true)]
    [InlineData("^\U0001F432*$", "\U0001F432\U0001F409", false)]
    [InlineData("^[\U0001F430-\U0001F432]$", "\U0001F431", true)]
    [InlineData("^[\U0001F430-\U0001F432]$", "\U0001F433", false)]
    [InlineData("^[\u4e00-\U0002FFFF]{2}$", "\u4e01\U00020000", true)]
    [InlineData("^[^a]$", "\U0001F432", true)]
    [InlineData("^[^\U0001F432]$", "\U0001F432", false)]
    [InlineData("^\\W$", "\U0001F432", true)]
    [InlineData("^\\uD83D\\uDC32$", "\U0001F432", true)]
    [InlineData("^\\P{L}$", "\U0001F432", true)]
    public void Code_points_beyond_the_basic_plane_are_one_character(string pattern, string text, bool expected) =>
        Assert.Equal(expected, Matches(pattern, text));

    [Theory]
    [InlineData("L", "\u00e9", "1")]
    [InlineData("Letter", "\U00010400", "-")]
    [InlineData("digit", "\u0667", "a")]
    [InlineData("General_Category=Uppercase_Letter", "A", "a")]
    [InlineData("gc=P", "!", "a")]
    [InlineData("Script=Greek", "\u03b1", "a")]
    [InlineData("sc=Cyrl", "\u0436", "z")]
    [InlineData("scx=Deva", "\u0964", "a")]
    [InlineData("Alphabetic", "\u0345", "1")]
    [InlineData("White_Space", "\u0085", "\ufeff")]
    [InlineData("ASCII", "~", "\u0080")]
    [InlineData("ID_Start", "a", "1")]
    [InlineData("Emoji_Presentation", "\U0001F432", "a")]
    [InlineData("Any", "\U0010FFFF", "")]
    public void Unicode_properties_are_known_by_every_name(string name, string member, string other)
    {
        Assert.True(Matches($"^\\p{{{name}}}$", member));
        Assert.False(Matches($"^\\p{{{name}}}$", other));
        Assert.False(Matches($"^\\P{{{name}}}$", member));
        Assert.True(Matches($"^[\\p{{{name}}}]$", member));
    }

    [Theory]
    [InlineData("(")]
    [InlineData(")")]
    [InlineData("[a")]
    [InlineData("a**")]
    [InlineData("*a")]
    [InlineData("a{2}{3}")]
    [InlineData("{1}")]
    [InlineData("a{3,2}")]
    [InlineData("[z-a]")]
    [InlineData("\\")]
    [InlineData("\\a")]
    [InlineData("\\Z")]
    [InlineData("\\A")]
    [InlineData("\\z")]
    [InlineData("\\G")]
    [InlineData("\\x4")]
    [InlineData("\\u12")]
    [InlineData("\\u{110000}")]
    [InlineData("\\u{}")]
    [InlineData("\\c1")]
    [InlineData("\\01")]
    [InlineData("\\1")]
    [InlineData("\\k<x>")]
    [InlineData("\\kx")]
    [InlineData("(?<x>a)(?<x>b)")]
    [InlineData("(?<1>a)")]
    [InlineData("(?<x")]
    [InlineData("(?P<x>a)")]
    [InlineData("(?i)a")]
    [InlineData("(?>a)")]
    [InlineData("(?#c)")]
    [InlineData("(?=a)*")]
    [InlineData("^*")]
    [InlineData("\\p{Greek}")]
    [InlineData("\\p{letter}")]
    [InlineData("\\pL")]
    [InlineData("\\p{L")]
    public void What_the_standard_does_not_know_is_refused_with_a_place(string pattern)
    {
        Assert.False(EcmaPattern.TryCompile(pattern, TimeSpan.FromSeconds(1), out _, out string error));
        Assert.Contains("offset", error);
        Assert.Equal(SchemaRegistrationErrorCode.InvalidPattern, Schemas.Refused($"{{\"pattern\":{JsonSerializer.Serialize(pattern)}}}").Code);
    }

    [Fact]
    public void Patterns_without_looks_boundaries_or_references_run_in_linear_time()
    {
        foreach (string pattern in new[] { "^(a+)+$", "[a-z]{2,64}@x", "^\\p{L}+$", "a|b|c" })
        {
            Assert.True(EcmaPattern.TryCompile(pattern, TimeSpan.FromSeconds(1), out EcmaPattern? compiled, out _));
            Assert.True(compiled.IsLinear);
        }

        Assert.True(EcmaPattern.TryCompile("\\bx(?=y)", TimeSpan.FromSeconds(1), out EcmaPattern? backtracking, out _));
        Assert.False(backtracking.IsLinear);
    }

    [Fact]
    public void Any_text_is_answered_without_an_exception()
    {
        char[] buffer = new char[16];
        Random random = new(7);
        const string Alphabet = "ab(){}[]|*+?^$.\\-,0123456789:=!<>pPdDwWsSbBkuxc{}L\U0001F432\u00e9";
        for (int i = 0; i < 4_000; i++)
        {
            char[] text = new char[random.Next(1, 14)];
            for (int k = 0; k < text.Length; k++)
            {
                text[k] = Alphabet[random.Next(Alphabet.Length)];
            }

            string pattern = new(text);
            if (EcmaPattern.TryCompile(pattern, TimeSpan.FromMilliseconds(200), out EcmaPattern? compiled, out string error))
            {
                compiled.IsMatch("ab1-\u00e9"u8, buffer, out _);
                compiled.IsMatch("ab\U0001F432"u8, buffer, out _);
            }
            else
            {
                Assert.Contains("offset", error);
            }
        }
    }
}
