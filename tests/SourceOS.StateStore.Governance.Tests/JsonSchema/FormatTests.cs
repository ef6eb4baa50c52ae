// Why this file exists: format annotates by default and asserts on request; each format follows its RFC.

using System.Text.Json;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class FormatTests
{
    [Fact]
    public void Formats_assert_only_when_asked()
    {
        CompiledSchema byDefault = Schemas.Compile("""{"format":"ipv4"}""");
        Assert.Equal(SchemaVerdict.Valid, Schemas.Check(byDefault, "\"x\""));
        Assert.Equal(SchemaVerdict.Invalid, Schemas.Check(byDefault, "\"x\"", assertFormat: true));
        CompiledSchema asserting = Schemas.Compile("""{"format":"ipv4"}""", new SchemaRegistryOptions { AssertFormat = true });
        Assert.Equal(SchemaVerdict.Invalid, Schemas.Check(asserting, "\"x\""));
        Assert.Equal(SchemaVerdict.Valid, Schemas.Check(asserting, "\"x\"", assertFormat: false));
        Schemas.Accepts(asserting, "1", "null", "[]", "{}", "\"127.0.0.1\"");
        Schemas.Accepts(Schemas.Compile("""{"format":"shoe-size"}""", new SchemaRegistryOptions { AssertFormat = true }), "\"x\"");
    }

    [Theory]
    [InlineData("date-time", "2024-02-29T23:59:60Z|1985-04-12t23:20:50.52+01:00|0000-02-29T00:00:00Z", "2023-02-29T00:00:00Z|2024-01-01 00:00:00Z|2024-01-01T00:00:00|2024-01-01T22:59:60Z|2024-01-01T00:00:00.Z|1900-02-29T00:00:00Z")]
    [InlineData("date", "2024-12-31|0001-01-01", "2024-13-01|2024-00-10|2024-1-1|24-01-01|2024-04-31|2024/01/01")]
    [InlineData("time", "00:00:00Z|23:59:60-00:00|12:00:00.123456789+23:59", "24:00:00Z|00:00:61Z|00:00:00|00:00:00+24:00|0:0:0Z|00:00:00,5Z")]
    [InlineData("duration", "P1Y2M3DT4H5M6S|P2W|PT0S|P1DT12H", "P|PT|P1|1Y|P1YT|P1S|P1Y2W|P1Y3D|PT1H3S|P-1D|P1.5D")]
    [InlineData("email", "joe@example.com|\\\"a b\\\"@x.org|a+b@[127.0.0.1]|a@[IPv6:::1]", "joe|@x|joe@|a..b@x|.a@x|a b@x.org|a@-x.org|a@x_y")]
    [InlineData("idn-email", "\u00e9\u00e8@\u00e9.example|joe@example.com", "\u00e9|\u00e9@|a b@\u00e9.x")]
    [InlineData("hostname", "a|example.com|1a.b-c|xn--nxasmq6b", "|.|a.|-a|a-|a_b|a..b|xn--x|\u00e9.com")]
    [InlineData("idn-hostname", "\u00e9xample.com|\u5b9f\u4f8b\u3002\u30c6\u30b9\u30c8|l\u00b7l", "|-\u00e9|\u3164\u00e9|a\u00b7b|\u0300a|\u00c9x")]
    [InlineData("ipv4", "0.0.0.0|255.255.255.255", "256.0.0.1|1.2.3|1.2.3.4.5|01.2.3.4|1.2.3.a|1..2.3| 1.2.3.4")]
    [InlineData("ipv6", "::|::1|1:2:3:4:5:6:7:8|::ffff:1.2.3.4|1::8", "1|1:2:3:4:5:6:7|:::1|1::2::3|12345::|::1.2.3|1:2:3:4:5:6:7:8:9|::1%eth0|1:2:3:4:5:6:7::8")]
    [InlineData("uri", "http://a.b/c?d=e#f|urn:x:y|mailto:a@b.c|http://[::1]:80/", "//a/b|/a|a|http://a b|http://a/%zz|1a:b|http://a:b:c/|http://[::1/|http://a/\u00e9")]
    [InlineData("uri-reference", "|a|../b|#f|?q|//h/p|a:b", "a b|%|\\\\\\\\h|1a:b|#\u00e9")]
    [InlineData("iri", "http://\u00e9/\u00fc?\ue000#\u00e9|urn:\u00e9", "\u00e9|http://a\\\\b|http://a/\ue000")]
    [InlineData("iri-reference", "\u00e9|/\u00fc#\u00e9", "a b|\\\\\\\\x")]
    [InlineData("uuid", "2eb8aa08-AA98-11ea-b4aa-73b441d16380", "2eb8aa08aa9811eab4aa73b441d16380|2eb8aa08-aa98-11ea-b4aa-73b441d1638g|{2eb8aa08-aa98-11ea-b4aa-73b441d16380}")]
    [InlineData("uri-template", "|a/{b}/{+c:3}/{d*}|{?x,y.z}|%41\u00e9", "{|}|{}|{a b}|{a:0}|{a:10000}|%4|<a>|{a..b}|a b")]
    [InlineData("json-pointer", "|/|/a~0b~1c|//x", "a|/~|/~2|#/a")]
    [InlineData("relative-json-pointer", "0|10/a|1#", "|/a|01|-1|1##|1a")]
    [InlineData("regex", "^a+$|[]|(?<n>x)\\\\k<n>", "(|\\\\a|(?P<n>x)|a**")]
    public void Each_format_accepts_and_refuses_by_its_grammar(string format, string valid, string invalid)
    {
        CompiledSchema schema = Schemas.Compile($"{{\"format\":\"{format}\"}}", new SchemaRegistryOptions { AssertFormat = true });
        Schemas.Accepts(schema, [.. valid.Split('|').Select(text => $"\"{text}\"")]);
        Schemas.Rejects(schema, [.. invalid.Split('|').Select(text => $"\"{text}\"")]);
    }

    [Fact]
    public void Escaped_text_is_decoded_before_its_format_is_checked()
    {
        CompiledSchema schema = Schemas.Compile("""{"format":"ipv4"}""", new SchemaRegistryOptions { AssertFormat = true });
        Schemas.Accepts(schema, "\"127\\u002e0.0.1\"");
        Schemas.Rejects(schema, "\"127\\u002e\\u002e0.1\"");
    }

    [Theory]
    [InlineData("b\u00fccher", "bcher-kva")]
    [InlineData("\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587", "ihqwcrb4cv8a8dqg056pqjye")]
    [InlineData("3\u5e74b\u7d44\u91d1\u516b\u5148\u751f", "3b-ww4c5e180e575a65lsy2b")]
    public void Punycode_agrees_with_the_samples_of_its_rfc(string text, string encoded)
    {
        int[] codePoints = [.. text.EnumerateRunes().Select(rune => rune.Value)];
        byte[] buffer = new byte[64];
        int length = Punycode.Encode(codePoints, buffer);
        Assert.Equal(encoded, System.Text.Encoding.ASCII.GetString(buffer, 0, length));
        int[] decoded = new int[64];
        int count = Punycode.Decode(buffer.AsSpan(0, length), decoded);
        Assert.Equal(codePoints, decoded[..count]);
    }

    [Fact]
    public void No_bytes_make_a_format_throw()
    {
        Random random = new(11);
        string[] names = ["date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6", "uri", "uri-reference", "iri", "iri-reference", "uuid", "uri-template", "json-pointer", "relative-json-pointer", "regex"];
        byte[] favourites = [.. "-:.TZ+0129%@[]{}/#?~xn--\\\""u8, 0xC3, 0xA9, 0xD9, 0xA0, 0xFF, 0x80, 0xF0, 0x9F];
        byte[] buffer = new byte[40];
        for (int i = 0; i < 20_000; i++)
        {
            int length = random.Next(buffer.Length);
            for (int k = 0; k < length; k++)
            {
                buffer[k] = favourites[random.Next(favourites.Length)];
            }

            FormatCheck check = SchemaFormats.Find(names[i % names.Length])!;
            check(buffer.AsSpan(0, length));
        }

        byte[] label = [.. "xn--"u8, .. buffer];
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(label.AsSpan(4));
            HostnameFormats.IsHostname(label.AsSpan(0, random.Next(4, label.Length)));
            HostnameFormats.IsIdnHostname(label.AsSpan(0, random.Next(4, label.Length)));
        }
    }
}
