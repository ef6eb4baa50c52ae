// Why this file exists: patterns mean what ECMA-262 in Unicode mode says, not what .NET would make of them.

using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class PatternTests
{
    private static bool Matches(string pattern, string text)
    {
        Assert.True(EcmaPattern.TryCompile(pattern, out EcmaPattern? compiled, out string error), error);
        long budget = 100_000_000;
        bool matched = compiled.IsMatch(Encoding.UTF8.GetBytes(text), new char[3 * text.Length], ref budget, out bool inMemory);
        Assert.True(inMemory);
        Assert.True(budget >= 0);
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
        Assert.False(EcmaPattern.TryCompile(pattern, out _, out string error));
        Assert.Contains("offset", error);
        Assert.Equal(SchemaRegistrationErrorCode.InvalidPattern, Schemas.Refused($"{{\"pattern\":{JsonSerializer.Serialize(pattern)}}}").Code);
    }

    [Fact]
    public void Patterns_without_looks_or_references_run_in_linear_time()
    {
        foreach (string pattern in new[] { "^(a+)+$", "[a-z]{2,64}@x", "^\\p{L}+$", "a|b|c", "\\bx\\B" })
        {
            Assert.True(EcmaPattern.TryCompile(pattern, out EcmaPattern? compiled, out _));
            Assert.True(compiled.IsLinear);
        }

        Assert.True(EcmaPattern.TryCompile("x(?=y)", out EcmaPattern? backtracking, out _));
        Assert.False(backtracking.IsLinear);
    }

    [Theory]
    [InlineData(false, 2_000)]
    [InlineData(true, 2_000)]
    public void The_matchers_agree_with_each_other_and_with_net(bool looks, int rounds)
    {
        Random random = new(looks ? 29 : 23);
        string[] atoms = ["a", "b", "[ab]", "[^a]", ".", "\\w", "\\W", "\\b", "\\B", "^", "$", "\U0001F432", "\\p{L}", "(?:a|)", "[]"];
        string[] counts = ["", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "{3,}?", "*?", "??"];
        string[] groups = looks ? ["(", "(?=", "(?!", "(?<=", "(?<!", "(?:"] : ["(", "(?:"];
        char[] buffer = new char[64];
        int matches = 0;
        for (int i = 0; i < rounds; i++)
        {
            string pattern = Write(random, atoms, counts, groups, 2);
            Assert.True(EcmaPattern.TryCompile(pattern, out EcmaPattern? compiled, out string error), $"{pattern}: {error}");
            PatternNode node = PatternParser.Parse(pattern, out _, out _)!;
            BacktrackCode code = BacktrackCode.Compile(node);
            Assert.Equal(!PatternTraits.HasLooks(node), compiled.IsLinear);
            Regex reference = new(NetRegexWriter.Emit(node), RegexOptions.CultureInvariant, TimeSpan.FromMilliseconds(200));
            for (int k = 0; k < 6; k++)
            {
                string text = string.Concat(Enumerable.Range(0, random.Next(6)).Select(_ => random.Next(6) switch { 0 or 1 => "a", 2 => "b", 3 => "-", 4 => "\U0001F432", _ => "\u00e9" }));
                long budget = 10_000_000;
                int[] codePoints = [.. text.EnumerateRunes().Select(rune => rune.Value)];
                bool actual = compiled.IsMatch(Encoding.UTF8.GetBytes(text), buffer, ref budget, out _);
                bool backtracked = BacktrackMatcher.Run(code, codePoints, ref budget) == BacktrackOutcome.Match;
                Assert.True(budget > 0, $"{pattern} on {text} costs too much");
                Assert.True(actual == backtracked, $"{pattern} on {text}: matchers differ, first says {actual}");
                bool? net = text.Contains('\uD83D') ? null : NetSays(reference, text);
                Assert.True((net ?? actual) == actual, $"{pattern} on {text}: .NET differs from {actual}");
                matches += actual ? 1 : 0;
            }
        }

        Assert.InRange(matches, rounds / 2, rounds * 6);
    }

    /// <summary>What .NET says; null where it gives up, as it does on some loops over the empty text.</summary>
    private static bool? NetSays(Regex reference, string text)
    {
        try
        {
            return reference.IsMatch(text);
        }
        catch (RegexMatchTimeoutException)
        {
            return null;
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    [Theory]
    [InlineData("(a*)b\\1$", "baaaac", false)]
    [InlineData("^(?:(a)|b)*\\1$", "ab", true)]
    [InlineData("^(a+)b\\1$", "aabaa", true)]
    [InlineData("^(a+)b\\1$", "aaba", false)]
    [InlineData("^(?=(a+))\\1b$", "aab", true)]
    [InlineData("^(?!(a))\\1b$", "b", true)]
    [InlineData("^(.)(.).?\\2\\1$", "abcba", true)]
    [InlineData("(?<=(\\d+)(\\d+))$", "1053", true)]
    [InlineData("(?<=\\1(a))b", "aab", true)]
    [InlineData("(?<=\\1(a))b", "ab", false)]
    [InlineData("^(\U0001F432)\\1$", "\U0001F432\U0001F432", true)]
    [InlineData("^(\U0001F432)\\1$", "\U0001F432\U0001F409", false)]
    [InlineData("^(?:(a)(?=b)|b){2}$", "ab", true)]
    [InlineData("^(?=a{3000}$)a*$", "AAA", false)]
    [InlineData("^[^x]{1,60000}y$", "abcy", true)]
    [InlineData("^(?:ab){2,60000}$", "abab", true)]
    [InlineData("^(?:ab){2,60000}$", "ab", false)]
    [InlineData("^(?:ab){2,60000}?b$", "ababb", true)]
    [InlineData("^(?:a|ab){3,3000}c$", "abaabc", true)]
    [InlineData("^(?:){99999}a$", "a", true)]
    public void Captures_and_large_counts_follow_the_standard(string pattern, string text, bool expected) =>
        Assert.Equal(expected, Matches(pattern, text));

    private static string Write(Random random, string[] atoms, string[] counts, string[] groups, int depth)
    {
        StringBuilder text = new();
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            string atom = depth > 0 && random.Next(3) == 0
                ? $"{groups[random.Next(groups.Length)]}{Write(random, atoms, counts, groups, depth - 1)})"
                : atoms[random.Next(atoms.Length)];
            bool assertion = atom is "^" or "$" or "\\b" or "\\B" || atom.StartsWith("(?=") || atom.StartsWith("(?!") || atom.StartsWith("(?<");
            text.Append(atom).Append(assertion ? string.Empty : counts[random.Next(counts.Length)]);
            text.Append(random.Next(5) == 0 && i > 1 ? "|" : string.Empty);
        }

        return text.ToString();
    }

    [Fact]
    public void A_pattern_with_more_states_than_are_kept_still_answers()
    {
        const string Pattern = "^[^z]*a[ab]{14}c";
        Random random = new(5);
        string text = string.Concat(Enumerable.Range(0, 30_000).Select(_ => random.Next(2) == 0 ? 'a' : 'b')) + "b";
        Assert.False(Matches(Pattern, text));
        Assert.True(Matches(Pattern, text + "a" + new string('b', 14) + "c"));
        Assert.False(Matches(Pattern, text + "a" + new string('b', 13) + "c"));
    }

    [Fact]
    public void Thousands_of_different_characters_are_no_trouble()
    {
        string letters = string.Concat(Enumerable.Range(0, 5_000).Select(i => (char)(0x4e00 + i)));
        Assert.True(Matches(letters, "x" + letters));
        Assert.False(Matches(letters, letters[1..]));
        Assert.True(Matches(string.Concat(letters.Take(2_000).Select(c => $"[^{c}]")), new string('x', 2_000)));
    }

    [Fact]
    public void Any_text_is_answered_without_an_exception()
    {
        char[] buffer = new char[16];
        Random random = new(7);
        const string Alphabet = "ab(){}[]|*+?^$.\\-,0123456789:=!<>pPdDwWsSbBkuxc{}L\U0001F432\u00e9";
        for (int i = 0; i < 10_000; i++)
        {
            char[] text = new char[random.Next(1, 14)];
            for (int k = 0; k < text.Length; k++)
            {
                text[k] = Alphabet[random.Next(Alphabet.Length)];
            }

            string pattern = new(text);
            long budget = 200_000;
            if (EcmaPattern.TryCompile(pattern, out EcmaPattern? compiled, out string error))
            {
                compiled.IsMatch("ab1-\u00e9"u8, buffer, ref budget, out _);
                compiled.IsMatch("ab\U0001F432"u8, buffer, ref budget, out _);
            }
            else
            {
                Assert.Contains("offset", error);
            }
        }
    }
}
