// Why this file exists: the scanner decides which JSON enters a store; it must accept exactly RFC 8259 and keep every token's bytes.

using System.Text;
using System.Text.Json;

namespace SourceOS.StateStore.Format.Tests;

public sealed class JsonScannerTests
{
    private static FormatFault Check(string json, bool allowSpace = true) =>
        JsonScanner.CheckValue(Encoding.UTF8.GetBytes(json), 64, allowSpace);

    [Theory]
    [InlineData("0")]
    [InlineData("-0")]
    [InlineData("-1.50e+10")]
    [InlineData("1E5")]
    [InlineData("12345678901234567890")]
    [InlineData("true")]
    [InlineData("false")]
    [InlineData("null")]
    [InlineData("\"\"")]
    [InlineData("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\uDE42 ü🙂\"")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("[[],{},[{\"a\":[1,2,{\"b\":null}]}],\"x\"]")]
    [InlineData(" \t\r\n{ \"a\" : 1 , \"b\" : [ 1 , 2 ] } \n")]
    [InlineData("{\"\":\"\"}")]
    public void Valid_json_is_accepted(string json) => Assert.Equal(FormatFault.None, Check(json));

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("01")]
    [InlineData("-")]
    [InlineData("+1")]
    [InlineData("1.")]
    [InlineData(".5")]
    [InlineData("1e")]
    [InlineData("1e+")]
    [InlineData("0x10")]
    [InlineData("NaN")]
    [InlineData("tru")]
    [InlineData("truex")]
    [InlineData("nul")]
    [InlineData("\"")]
    [InlineData("\"a")]
    [InlineData("\"\\x\"")]
    [InlineData("\"\\u12\"")]
    [InlineData("\"\\u12G4\"")]
    [InlineData("\"\\ud800\"")]
    [InlineData("\"\\ud800\\u0041\"")]
    [InlineData("\"\\udc00\"")]
    [InlineData("\"\\ud800\\ud800\"")]
    [InlineData("\"a\nb\"")]
    [InlineData("\"a\u0000b\"")]
    [InlineData("'a'")]
    [InlineData("[")]
    [InlineData("]")]
    [InlineData("[1")]
    [InlineData("[1,")]
    [InlineData("[1,]")]
    [InlineData("[,1]")]
    [InlineData("[1 2]")]
    [InlineData("[1}")]
    [InlineData("{")]
    [InlineData("}")]
    [InlineData("{\"a\"")]
    [InlineData("{\"a\":")]
    [InlineData("{\"a\":1")]
    [InlineData("{\"a\":1,")]
    [InlineData("{\"a\":1,}")]
    [InlineData("{\"a\" 1}")]
    [InlineData("{a:1}")]
    [InlineData("{1:1}")]
    [InlineData("{\"a\":1]")]
    [InlineData("{,}")]
    [InlineData("{\"a\":,}")]
    [InlineData("1 2")]
    [InlineData("{} {}")]
    [InlineData("[1]x")]
    [InlineData("// c\n1")]
    [InlineData("\uFEFF1")]
    public void Invalid_json_is_refused(string json) => Assert.True(Check(json).IsFault);

    [Fact]
    public void Bytes_that_are_not_utf8_are_refused()
    {
        Assert.Equal(FaultCode.InvalidUtf8, JsonScanner.CheckValue([(byte)'"', 0xFF, (byte)'"'], 64).Code);
        Assert.Equal(FaultCode.InvalidUtf8, JsonScanner.CheckValue([(byte)'"', 0xED, 0xA0, 0x80, (byte)'"'], 64).Code);
        Assert.True(JsonScanner.CheckValue([0xFF], 64).IsFault);
    }

    [Fact]
    public void Depth_is_bounded()
    {
        string deep = new string('[', 64) + new string(']', 64);
        Assert.Equal(FormatFault.None, Check(deep));
        Assert.Equal(FaultCode.OutOfRange, Check("[" + deep + "]").Code);
        string objects = string.Concat(Enumerable.Repeat("{\"a\":", 64)) + "1" + new string('}', 64);
        Assert.Equal(FormatFault.None, Check(objects));
        Assert.Equal(FaultCode.OutOfRange, Check("[" + objects + "]").Code);
        Assert.True(Check(new string('[', 1_000_000)).IsFault);
    }

    [Fact]
    public void White_space_is_found_where_none_may_be()
    {
        foreach (string json in new[] { " 1", "1 ", "[ 1]", "[1 ]", "[1, 2]", "[1 ,2]", "{ \"a\":1}", "{\"a\" :1}", "{\"a\": 1}", "{\"a\":1 }" })
        {
            Assert.Equal(FormatFault.None, Check(json));
            Assert.Equal(FaultCode.NotCanonical, Check(json, allowSpace: false).Code);
        }

        Assert.Equal(FormatFault.None, Check("{\"a b\":[\" \",1]}", allowSpace: false));
    }

    [Fact]
    public void Tokens_keep_their_bytes()
    {
        var scanner = new JsonScanner(" { \"a\\u0041\" : [ 1.0 , \"x\" ] , \"b\" : { } } "u8, 64, allowSpace: true);
        var tokens = new List<string>();
        while (scanner.Read())
        {
            tokens.Add($"{scanner.Token} {Encoding.UTF8.GetString(scanner.Raw)} {scanner.Depth}");
        }

        Assert.Equal(
            ["BeginObject { 1", "Name \"a\\u0041\" 1", "BeginArray [ 2", "Number 1.0 2", "Text \"x\" 2", "EndArray ] 1", "Name \"b\" 1", "BeginObject { 2", "EndObject } 1", "EndObject } 0"],
            tokens);
        Assert.True(scanner.IsComplete);
    }

    [Fact]
    public void Skipping_stands_on_the_last_token_of_a_value()
    {
        byte[] json = Encoding.UTF8.GetBytes("{\"a\":[1,{\"b\":2}],\"c\":3}");
        var scanner = new JsonScanner(json, 64, allowSpace: true);
        Assert.True(scanner.Read() && scanner.Read() && scanner.Read());
        int start = scanner.Start;
        Assert.True(scanner.Skip());
        Assert.Equal("[1,{\"b\":2}]", Encoding.UTF8.GetString(json.AsSpan(start, scanner.End - start)));
        Assert.True(scanner.Read());
        Assert.Equal("c", Encoding.UTF8.GetString(scanner.Content));
    }

    [Fact]
    public void Escapes_decode_as_the_platform_decodes_them()
    {
        foreach (string raw in new[] { "plain", "a\\\"\\\\\\/\\b\\f\\n\\r\\t", "\\u0041\\u00e9\\u20AC\\ud83d\\uDE42", "\\u0000", "x\\uFFFFy" })
        {
            byte[] content = Encoding.UTF8.GetBytes(raw);
            byte[] room = new byte[content.Length];
            int length = JsonEscapes.Unescape(content, room);
            Assert.Equal(JsonSerializer.Deserialize<string>($"\"{raw}\""), Encoding.UTF8.GetString(room.AsSpan(0, length)));
        }
    }

    [Fact]
    public void Noise_is_judged_as_the_platform_judges_it()
    {
        byte[] valid = Encoding.UTF8.GetBytes("{\"a\":[1,-2.5e3,true,null,\"t\\n\\u0041ü\"],\"b\":{\"c\":{}},\"d\":[]}");
        const string Alphabet = "{}[]\",:\\0123456789eE+-.truefalsn \t\nab\u0001/";
        var random = new Random(5);
        int accepted = 0;
        for (int i = 0; i < 300_000; i++)
        {
            byte[] copy = valid.AsSpan(0, random.Next(10) == 0 ? random.Next(valid.Length + 1) : valid.Length).ToArray();
            for (int edits = random.Next(1, 4); edits > 0 && copy.Length > 0; edits--)
            {
                copy[random.Next(copy.Length)] = (byte)Alphabet[random.Next(Alphabet.Length)];
            }

            bool ours = !JsonScanner.CheckValue(copy, 64).IsFault;
            Assert.True(ours == Platform(copy), Encoding.UTF8.GetString(copy));
            accepted += ours ? 1 : 0;
        }

        Assert.InRange(accepted, 1000, 290_000);
    }

    private static bool Platform(byte[] json)
    {
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 64 });
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
                {
                    _ = reader.GetString();
                }
            }

            return true;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return false;
        }
    }
}
