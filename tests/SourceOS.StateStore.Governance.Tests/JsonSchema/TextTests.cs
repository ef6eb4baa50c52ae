// Why this file exists: the small parts under the evaluator: identifiers, string bodies, tapes.

using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class TextTests
{
    [Theory]
    [InlineData("g:h", "g:h")]
    [InlineData("g", "http://a/b/c/g")]
    [InlineData("./g", "http://a/b/c/g")]
    [InlineData("g/", "http://a/b/c/g/")]
    [InlineData("/g", "http://a/g")]
    [InlineData("//g", "http://g/")]
    [InlineData("?y", "http://a/b/c/d;p?y")]
    [InlineData("g?y", "http://a/b/c/g?y")]
    [InlineData("#s", "http://a/b/c/d;p?q")]
    [InlineData(";x", "http://a/b/c/;x")]
    [InlineData("", "http://a/b/c/d;p?q")]
    [InlineData(".", "http://a/b/c/")]
    [InlineData("./", "http://a/b/c/")]
    [InlineData("..", "http://a/b/")]
    [InlineData("../g", "http://a/b/g")]
    [InlineData("../..", "http://a/")]
    [InlineData("../../g", "http://a/g")]
    [InlineData("../../../g", "http://a/g")]
    [InlineData("/./g", "http://a/g")]
    [InlineData("/../g", "http://a/g")]
    [InlineData("g.", "http://a/b/c/g.")]
    [InlineData("..g", "http://a/b/c/..g")]
    [InlineData("./g/.", "http://a/b/c/g/")]
    [InlineData("g/../h", "http://a/b/c/h")]
    [InlineData("g;x=1/../y", "http://a/b/c/y")]
    [InlineData("HTTP://User@HOST/P", "http://User@host/P")]
    public void References_resolve_as_in_the_examples_of_rfc_3986(string reference, string expected) =>
        Assert.Equal(expected, UriReference.Parse(reference).ResolveAgainst(UriReference.Parse("http://a/b/c/d;p?q")).ToResourceUri());

    [Fact]
    public void Fragments_are_decoded_and_encoded()
    {
        Assert.Equal("/a b/\u00e9%", UriReference.Parse("x#/a%20b/%C3%A9%25").DecodedFragment());
        Assert.Equal("/a%20b/%C3%A9%25%22~0", UriReference.EncodeFragment("/a b/\u00e9%\"~0"));
    }

    [Fact]
    public void Decoding_and_counting_agree_with_the_serializer() => Prop.ForAll<string?>(text =>
    {
        string clean = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text ?? string.Empty));
        byte[] escaped = JsonSerializer.SerializeToUtf8Bytes(clean);
        ReadOnlySpan<byte> body = escaped.AsSpan(1, escaped.Length - 2);
        byte[] buffer = new byte[body.Length];
        int length = JsonText.Unescape(body, buffer);
        return Encoding.UTF8.GetString(buffer, 0, length) == clean
            && JsonText.CountCodePoints(body, true) == clean.EnumerateRunes().Count()
            && JsonText.CountCodePoints(buffer.AsSpan(0, length), false) == clean.EnumerateRunes().Count();
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("\\ud83d\\ude00", 1)]
    [InlineData("\\ud83d", 1)]
    [InlineData("\\ud83dx", 2)]
    [InlineData("\\ude00\\ud83d", 2)]
    [InlineData("\\ud83d\\ud83d\\ude00", 2)]
    [InlineData("\\\\u0041", 6)]
    [InlineData("a\\n\\\"b", 4)]
    public void Surrogates_and_escapes_count_as_code_points(string body, int expected)
    {
        Assert.Equal(expected, JsonText.CountCodePoints(Encoding.UTF8.GetBytes(body), true));
        byte[] buffer = new byte[body.Length];
        int length = JsonText.Unescape(Encoding.UTF8.GetBytes(body), buffer);
        Assert.Equal(expected, JsonText.CountCodePoints(buffer.AsSpan(0, length), false));
    }

    [Fact]
    public void Equal_values_have_equal_hashes_and_are_equal_both_ways()
    {
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            RandomJson random = new(seed);
            string left = RandomJson.Write(random.Instance(3));
            string same = RandomJson.Write(RandomJson.Reverse(System.Text.Json.Nodes.JsonNode.Parse(left)));
            string other = RandomJson.Write(random.Instance(3));
            return Compare(left, same, out bool sameHash) && sameHash
                && Compare(left, other, out bool otherHash) == Compare(other, left, out _)
                && (!Compare(left, other, out _) || otherHash);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Large_objects_compare_without_regard_to_order_and_with_regard_to_repeats()
    {
        string members = string.Join(',', Enumerable.Range(0, 30).Select(i => $"\"k{i}\":{i}"));
        string reversed = string.Join(',', Enumerable.Range(0, 30).Reverse().Select(i => $"\"k{i}\":{i}"));
        Assert.True(Compare($"{{{members}}}", $"{{{reversed}}}", out _));
        Assert.False(Compare($"{{{members},\"k1\":1}}", $"{{{reversed},\"k2\":2}}", out _));
        Assert.True(Compare($"{{{members},\"k1\":5}}", $"{{\"k1\":5,{reversed}}}", out _));
        Assert.False(Compare("""{"a":1,"a":2}""", """{"a":1,"a":1}""", out _));
    }

    private static bool Compare(string left, string right, out bool sameHash)
    {
        JsonTapeNode[] a = [];
        JsonTapeNode[] b = [];
        byte[] leftText = Encoding.UTF8.GetBytes(left);
        byte[] rightText = Encoding.UTF8.GetBytes(right);
        Assert.Equal(JsonTapeFault.None, JsonTapeBuilder.Build(leftText, 64, 1000, false, ref a, out _, out _));
        Assert.Equal(JsonTapeFault.None, JsonTapeBuilder.Build(rightText, 64, 1000, false, ref b, out _, out _));
        JsonView leftView = new(leftText, a);
        JsonView rightView = new(rightText, b);
        long budget = 1_000_000;
        sameHash = JsonHash.Value(leftView, 0, ref budget) == JsonHash.Value(rightView, 0, ref budget);
        return JsonEquality.AreEqual(leftView, 0, rightView, 0, ref budget);
    }
}
