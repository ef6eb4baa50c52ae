// Why this file exists: documents come from anywhere and must come back equal, or be refused with a reason.

using System.Buffers;
using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Format.Tests;

public sealed class RecordJsonTests
{
    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private static string Device(string more) =>
        "{\"schema\":\"sourceos.device-record/v1alpha1\",\"device_id\":\"device:local\"" + (more.Length == 0 ? "" : "," + more) + "}";

    private static string Operation(string more) =>
        "{\"schema\":\"sourceos.operation-task/v1alpha1\",\"task_id\":\"t\"" + (more.Length == 0 ? "" : "," + more) + "}";

    private static byte[] Parse(string json, out RecordKind kind, out string id)
    {
        Assert.True(RecordJson.TryParse(Utf8(json), out kind, out string? found, out byte[]? body, out RecordJsonFault fault), fault.ToString());
        id = found;
        Assert.True(RecordBodyView.TryRead(body, out RecordBodyView view, out FormatFault bodyFault), bodyFault.ToString());
        Assert.Equal(FormatFault.None, RecordBodyRules.Check(kind, view));
        return body;
    }

    private static byte[] Write(RecordKind kind, string id, byte[] body)
    {
        Assert.True(RecordBodyView.TryRead(body, out RecordBodyView view, out FormatFault fault), fault.ToString());
        var buffer = new ArrayBufferWriter<byte>();
        RecordJson.Write(buffer, kind, Utf8(id), view);
        return buffer.WrittenSpan.ToArray();
    }

    private static void AssertComesBack(string json)
    {
        byte[] body = Parse(json, out RecordKind kind, out string id);
        byte[] again = Write(kind, id, body);
        Assert.True(JsonEquality.AreEqual(Utf8(json), again), Encoding.UTF8.GetString(again));

        // The same body again: one encoding, whatever the white space of the document.
        Assert.Equal(body, Parse(Encoding.UTF8.GetString(again), out _, out _));
        Assert.Equal(body, Parse(RecordJson.ToText(kind, id, body), out _, out _));
    }

    private static FieldTag TagOf(string json, int slot)
    {
        byte[] body = Parse(json, out _, out _);
        Assert.True(RecordBodyView.TryRead(body, out RecordBodyView view, out _));
        return view.TagOf(slot);
    }

    [Fact]
    public void Every_sample_of_the_contracts_comes_back_equal()
    {
        string? folder = FindContracts();
        if (folder is null)
        {
            // The samples are third-party data that stands beside the repository, not in it.
            Console.WriteLine("Skipped: the folder shared/interop/contracts is not there.");
            return;
        }

        string[] files = Directory.GetFiles(folder, "*.json");
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            AssertComesBack(File.ReadAllText(file));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"display_name\":\"A\\u00e9\\ud83d\\ude42 \\\" \\\\ \\n\\u0000\"")]
    [InlineData("\"display_name\":null,\"trust_level\":5,\"device_state\":{\"a\":[]},\"created_at\":\"yesterday\"")]
    [InlineData("\"created_at\":\"2026-05-05T00:00:00Z\",\"revoked_at\":\"2026-05-05T00:00:00.123456Z\"")]
    [InlineData("\"created_at\":\"2026-05-05T00:00:00.120000Z\",\"revoked_at\":\"2026-05-05T00:00:00+00:00\"")]
    [InlineData("\"created_at\":1746403200,\"revoked_at\":[\"2026-05-05T00:00:00Z\"]")]
    [InlineData("\"x_a\":1.0,\"x_b\":1e2,\"x_c\":12345678901234567890,\"x_d\":-0,\"x_e\":1E+2")]
    [InlineData("\"x\":{\"b\":1,\"a\":[1,2.50,{\"c\":null}],\"\":\"\"},\"y\":\"text\",\"z\":true,\"w\":null")]
    [InlineData("\"é\":1,\"a b\":2,\"device_ids\":[1]")]
    public void Documents_come_back_equal(string more) => AssertComesBack(Device(more));

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("9223372036854775807")]
    [InlineData("-9223372036854775808")]
    [InlineData("9223372036854775808")]
    [InlineData("12345678901234567890")]
    [InlineData("1.0")]
    [InlineData("1e2")]
    [InlineData("-0")]
    [InlineData("\"1\"")]
    [InlineData("true")]
    [InlineData("[1]")]
    [InlineData("null")]
    public void An_integer_field_keeps_what_it_was_given(string value) => AssertComesBack(Operation($"\"attempt\":{value}"));

    [Theory]
    [InlineData("[]")]
    [InlineData("[\"\"]")]
    [InlineData("[\"a\",\"b\\u0041\",\"\"]")]
    [InlineData("[\"a\",1]")]
    [InlineData("[[\"a\"]]")]
    [InlineData("\"a\"")]
    [InlineData("{\"a\":\"b\"}")]
    [InlineData("[null]")]
    public void A_list_field_keeps_what_it_was_given(string value) => AssertComesBack(Operation($"\"evidence_refs\":{value}"));

    [Fact]
    public void Each_value_takes_the_tag_of_its_field_when_its_text_comes_back()
    {
        Assert.Equal(FieldTag.Time, TagOf(Device("\"created_at\":\"2026-05-05T00:00:00Z\""), 4));
        Assert.Equal(FieldTag.Time, TagOf(Device("\"created_at\":\"0001-01-01T00:00:00Z\""), 4));
        Assert.Equal(FieldTag.Time, TagOf(Device("\"created_at\":\"9999-12-31T23:59:59.999999Z\""), 4));
        foreach (string other in new[]
        {
            "2026-05-05T00:00:00.000000Z", "2026-05-05T00:00:00.1Z", "2026-05-05T00:00:00z", "2026-05-05 00:00:00Z", "2026-02-30T00:00:00Z",
            "2026-05-05T24:00:00Z", "2026-05-05T23:59:60Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-05-05T00:00:00", "2026-05-05T00:00:00.1234567Z", "",
        })
        {
            Assert.Equal(FieldTag.Text, TagOf(Device($"\"created_at\":\"{other}\""), 4));
        }

        string hash = new('a', 64);
        const string Object = "{\"schema\":\"sourceos.object-record/v1alpha1\",\"object_id\":\"o\",\"content_hash\":";
        Assert.Equal(FieldTag.Sha256, TagOf($"{Object}\"sha256:{hash}\"}}", 17));
        Assert.Equal(FieldTag.Text, TagOf($"{Object}\"sha256:{hash.ToUpper(CultureInfo.InvariantCulture)}\"}}", 17));
        Assert.Equal(FieldTag.Text, TagOf($"{Object}\"sha256:example\"}}", 17));
        Assert.Equal(FieldTag.Null, TagOf($"{Object}null}}", 17));
        Assert.Equal(FieldTag.Integer, TagOf(Operation("\"attempt\":7"), 4));
        Assert.Equal(FieldTag.Json, TagOf(Operation("\"attempt\":7.0"), 4));
        Assert.Equal(FieldTag.Json, TagOf(Operation("\"attempt\":-0"), 4));
        Assert.Equal(FieldTag.Json, TagOf(Operation("\"attempt\":9223372036854775808"), 4));
        Assert.Equal(FieldTag.Boolean, TagOf(Operation("\"replay_safe\":false"), 15));
        Assert.Equal(FieldTag.Json, TagOf(Operation("\"replay_safe\":0"), 15));
        Assert.Equal(FieldTag.TextList, TagOf(Operation("\"evidence_refs\":[]"), 7));
        Assert.Equal(FieldTag.Json, TagOf(Operation("\"evidence_refs\":[\"a\",2]"), 7));
        Assert.Equal(FieldTag.Json, TagOf(Operation("\"status\":true"), 3));
    }

    [Fact]
    public void White_space_and_order_of_known_fields_do_not_change_the_body()
    {
        byte[] one = Parse(Device("\"display_name\":\"a\",\"trust_level\":\"b\",\"x\":{\"k\":[1,2]}"), out _, out _);
        byte[] two = Parse(
            " {\n\"x\" : { \"k\" : [ 1 , 2 ] } ,\t\"trust_level\" : \"b\" , \"device_id\":\"device:local\",\"display_name\":\"\\u0061\",\"schema\":\"sourceos.device-record/v1alpha1\" } ", out _, out _);
        Assert.Equal(one, two);
    }

    [Fact]
    public void Escaped_names_are_the_names_they_spell()
    {
        byte[] plain = Parse(Device("\"display_name\":\"a\",\"x\":1"), out _, out _);
        byte[] escaped = Parse("{\"\\u0073chema\":\"sourceos.device-record\\/v1alpha1\",\"device_i\\u0064\":\"device:loc\\u0061l\",\"displa\\u0079_name\":\"a\",\"\\u0078\":1}", out RecordKind kind, out string id);
        Assert.Equal(plain, escaped);
        Assert.Equal(RecordKind.Device, kind);
        Assert.Equal("device:local", id);
    }

    [Theory]
    [InlineData("", RecordJsonFaultCode.InvalidJson)]
    [InlineData("[]", RecordJsonFaultCode.NotAnObject)]
    [InlineData("1", RecordJsonFaultCode.NotAnObject)]
    [InlineData("[{}]", RecordJsonFaultCode.NotAnObject)]
    [InlineData("{}", RecordJsonFaultCode.MissingSchema)]
    [InlineData("{\"schema\":5}", RecordJsonFaultCode.MissingSchema)]
    [InlineData("{\"schema\":\"sourceos.device-record/v1alpha2\"}", RecordJsonFaultCode.UnknownSchema)]
    [InlineData("{\"schema\":\"sourceos.device-record/v1alpha1\"}", RecordJsonFaultCode.MissingId)]
    [InlineData("{\"schema\":\"sourceos.device-record/v1alpha1\",\"device_id\":1}", RecordJsonFaultCode.MissingId)]
    [InlineData("{\"schema\":\"sourceos.device-record/v1alpha1\",\"device_id\":\"\"}", RecordJsonFaultCode.InvalidId)]
    [InlineData("{\"schema\":\"sourceos.device-record/v1alpha1\",\"device_id\":\"a\\u0007\"}", RecordJsonFaultCode.InvalidId)]
    [InlineData("{\"a\":1,\"a\":1}", RecordJsonFaultCode.DuplicateName)]
    [InlineData("{\"a\":1,\"\\u0061\":1}", RecordJsonFaultCode.DuplicateName)]
    [InlineData("{\"a\":{\"b\":[{\"c\":1,\"d\":2,\"c\":3}]}}", RecordJsonFaultCode.DuplicateName)]
    [InlineData("{\"a\":\"\\ud800\"}", RecordJsonFaultCode.InvalidJson)]
    [InlineData("{\"a\":1}x", RecordJsonFaultCode.InvalidJson)]
    [InlineData("{\"a\":1", RecordJsonFaultCode.InvalidJson)]
    public void Broken_rules_are_refused_by_name(string json, RecordJsonFaultCode expected)
    {
        Assert.False(RecordJson.TryParse(Utf8(json), out _, out string? id, out byte[]? body, out RecordJsonFault fault));
        Assert.Null(id);
        Assert.Null(body);
        Assert.Equal(expected, fault.Code);
        Assert.NotEmpty(fault.Message);
    }

    [Fact]
    public void Equal_names_in_different_objects_are_no_duplicates() => AssertComesBack(Device("\"x\":[{\"a\":1},{\"a\":1,\"b\":{\"a\":1}}],\"a\":1"));

    [Fact]
    public void Names_are_bounded()
    {
        AssertComesBack(Device($"\"{new string('n', 255)}\":1"));
        Refuse(Device($"\"{new string('n', 256)}\":1"), RecordJsonFaultCode.InvalidName);
        Refuse(Device("\"\":1"), RecordJsonFaultCode.InvalidName);
    }

    [Fact]
    public void Unknown_fields_are_bounded()
    {
        AssertComesBack(Device(string.Join(',', Enumerable.Range(0, 4096).Select(i => $"\"x{i}\":{i}"))));
        Refuse(Device(string.Join(',', Enumerable.Range(0, 4097).Select(i => $"\"x{i}\":{i}"))), RecordJsonFaultCode.TooManyFields);
    }

    [Fact]
    public void Depth_and_length_are_bounded()
    {
        string Deep(int depth) => Device($"\"x\":{new string('[', depth)}{new string(']', depth)}");
        AssertComesBack(Deep(63));
        Refuse(Deep(64), RecordJsonFaultCode.TooDeep);
        Refuse("{\"x\":" + new string('[', 900_000), RecordJsonFaultCode.TooDeep);
        Refuse(Device($"\"x\":\"{new string('x', 1 << 20)}\""), RecordJsonFaultCode.TooLarge);

        // Short texts take more room in a body than in a document.
        string list = string.Join(',', Enumerable.Repeat("\"\"", 300_000));
        Refuse(Operation($"\"evidence_refs\":[{list}]"), RecordJsonFaultCode.TooLarge);
    }

    [Fact]
    public void Text_that_is_not_utf8_is_refused()
    {
        byte[] json = Utf8(Device("\"x\":\"?\""));
        json[Array.IndexOf(json, (byte)'?')] = 0xFF;
        Assert.False(RecordJson.TryParse(json, out _, out _, out _, out RecordJsonFault fault));
        Assert.Equal(RecordJsonFaultCode.InvalidUtf8, fault.Code);
    }

    [Fact]
    public void Bombs_of_names_end()
    {
        var bomb = new StringBuilder("{");
        while (bomb.Length < 1_000_000)
        {
            bomb.Append("\"a\":{},\"b\":[{\"a\":0},{\"a\":0}],".Replace("\"a\":{}", $"\"k{bomb.Length}\":{{}}", StringComparison.Ordinal).Replace("\"b\"", $"\"b{bomb.Length}\"", StringComparison.Ordinal));
        }

        bomb.Append("\"z\":0}");
        Refuse(bomb.ToString(), RecordJsonFaultCode.MissingSchema);
    }

    [Fact]
    public void Noise_never_throws_and_what_is_read_comes_back()
    {
        byte[] valid = Utf8(Device("\"display_name\":\"a\\u00e9\",\"created_at\":\"2026-05-05T00:00:00Z\",\"x\":[1.0,{\"y\":null}]"));
        const string Alphabet = "{}[]\",:\\0123456789eE.truefalsn \nZTé-";
        byte[] letters = Utf8(Alphabet);
        var random = new Random(9);
        for (int i = 0; i < 100_000; i++)
        {
            byte[] copy = [.. valid];
            for (int edits = random.Next(1, 4); edits > 0; edits--)
            {
                copy[random.Next(copy.Length)] = letters[random.Next(letters.Length)];
            }

            if (RecordJson.TryParse(copy, out RecordKind kind, out string? id, out byte[]? body, out _))
            {
                Assert.True(JsonEquality.AreEqual(copy, Write(kind, id, body)), Encoding.UTF8.GetString(copy));
            }
        }
    }

    private static void Refuse(string json, RecordJsonFaultCode expected)
    {
        Assert.False(RecordJson.TryParse(Utf8(json), out _, out _, out _, out RecordJsonFault fault));
        Assert.Equal(expected, fault.Code);
    }

    private static string? FindContracts()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            string candidate = Path.Combine(at.FullName, "shared", "interop", "contracts");
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }
}
