// Why this file exists: rules that can be fooled hold nothing. These are the sources that would fool the two text tools under the rules.

using System.Text.RegularExpressions;
using SourceOS.StateStore.Architecture.Tests.Support;

namespace SourceOS.StateStore.Architecture.Tests;

public sealed partial class RuleToolTests
{
    [Theory]
    [InlineData("a // } \"x\nb", "a \nb")]
    [InlineData("a /* { \n } */ b", "a \n b")]
    [InlineData("x = \"{ // \\\" }\"; y", "x = ; y")]
    [InlineData("x = @\"{ \"\" \\\"; y", "x = ; y")]
    [InlineData("x = $\"{f(\"}\")} {{\"; y", "x = ; y")]
    [InlineData("x = \"\"\"{ \" }\"\"\"u8; y", "x = u8; y")]
    [InlineData("c = '{'; d = '\\''; e", "c = ; d = ; e")]
    public void Comments_and_texts_are_masked_in_place(string source, string expectedWords)
    {
        string masked = CSharpText.CodeOnly(source);
        Assert.Equal(source.Length, masked.Length);
        Assert.Equal(expectedWords, Spaces().Replace(masked, " "));
    }

    [Fact]
    public void Comments_alone_are_masked_when_texts_are_asked_about() =>
        Assert.Equal("x = \"// not one\";       ", CSharpText.WithoutComments("x = \"// not one\"; // one"));

    [Fact]
    public void Members_are_measured_from_header_to_brace()
    {
        const string Source = """
            namespace N;
            internal sealed class C
            {
                private static readonly int[] s_table = new int[]
                {
                    1,
                };

                internal int P { get; set; } = 3;

                internal void M(
                    int a)
                {
                    if (a > 0)
                    {
                        P = a;
                    }
                }
            }
            """;
        IReadOnlyList<MemberLength> members = MemberLengths.Measure(Source);
        Assert.Equal(["internal int P", "internal void M( int a)"], members.Select(member => member.Header.Replace("= 3; ", "", StringComparison.Ordinal)));
        Assert.Equal((11, 8), (members[1].Line, members[1].LineCount));
    }

    [GeneratedRegex(" +")]
    private static partial Regex Spaces();
}
