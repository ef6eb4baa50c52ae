// Why this file exists: files of other programs come back byte for byte, grow and are never rewritten, and hostile ones are refused by file, line and rule with the store as it was.

using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class TakeInTests
{
    private static readonly string[] s_formats = ["ledger", "terminal-events", "guardrail-decisions"];

    [Fact]
    public void A_hash_chained_ledger_comes_back_byte_for_byte_and_its_owner_still_verifies_it()
    {
        using Statestore store = Statestore.Initialised();
        byte[] first = Ledger(40);
        byte[] grown = Ledger(55);
        string path = store.PathOf("ledger.jsonl");
        foreach (byte[] content in (byte[][])[first, grown, grown])
        {
            File.WriteAllBytes(path, content);
            store.Run("import", "--format", "ledger", path).Exits(0);
            string exported = store.PathOf("exported.jsonl");
            store.Run("export", "--format", "ledger", "-o", exported).Exits(0);
            Assert.Equal(content, File.ReadAllBytes(exported));
            VerifyLedger(File.ReadAllLines(exported));
        }

        Assert.Equal(0, store.Run("import", "--format", "ledger", path, "--json").Exits(0).Json.GetProperty("lines").GetProperty("taken").GetInt32());
        Assert.Equal("clean", store.Run("verify", "--json").Exits(0).Json.GetProperty("verdict").GetString());
    }

    [Fact]
    public void Spaces_escapes_order_numbers_and_line_ends_are_kept_in_every_format()
    {
        using Statestore store = Statestore.Initialised();
        byte[] content = Encoding.UTF8.GetBytes("{ \"b\" : 1.50, \"a\":1e5 }\r\n{\"\\u00e9\":\"\\ud83d\\ude00 é \\\\ \\/\",\"x\":null}\n  {\"a\":[ ]}  \n{\"a\":1}\n{\"a\":1}\n{\"last\":true}");
        foreach (string format in s_formats)
        {
            string path = store.PathOf(format);
            File.WriteAllBytes(path, content);
            Assert.Equal(6, store.Run("import", "--format", format, path, "--json").Exits(0).Json.GetProperty("lines").GetProperty("taken").GetInt32());
            string exported = store.PathOf("out." + format);
            store.Run("export", "--format", format, "-o", exported).Exits(0);
            Assert.Equal(content, File.ReadAllBytes(exported));
        }
    }

    [Theory]
    [InlineData("{\"a\":1}\n{\"a\":\n", 2, "invalid_json")]
    [InlineData("{\"a\":1}\n{\"a\":", 2, "torn_line")]
    [InlineData("{\"a\":1}\n\n{\"a\":1}\n", 2, "invalid_json")]
    [InlineData("[1]\n", 1, "not_an_object")]
    [InlineData("{\"a\":1}{\"b\":2}\n", 1, "invalid_json")]
    [InlineData("{\"a\":1}\n{\"a\":\"\u00ff\"}\n", 2, "invalid_utf8")]
    [InlineData("{\"a\":\"\u0001\"}\n", 1, "invalid_json")]
    [InlineData("DEEP", 1, "invalid_json")]
    [InlineData("LONG", 2, "too_large")]
    [InlineData("QUOTES", 1, "too_large")]
    public void Hostile_lines_are_named_by_file_line_and_rule_and_the_store_stays_as_it_was(string content, int line, string rule)
    {
        using Statestore store = Statestore.Initialised();
        byte[] bytes = content switch
        {
            "DEEP" => Encoding.ASCII.GetBytes("{\"a\":" + new string('[', 60_000) + "\n"),
            "LONG" => Encoding.ASCII.GetBytes("{}\n{\"a\":\"" + new string('x', 70_000) + "\"}\n"),
            "QUOTES" => Encoding.ASCII.GetBytes("{\"a\":\"" + string.Concat(Enumerable.Repeat("\\\"", 20_000)) + "\"}\n"),
            _ => Encoding.Latin1.GetBytes(content),
        };
        string path = store.PathOf("hostile.jsonl");
        File.WriteAllBytes(path, bytes);
        string before = StoreDamage.Fingerprint(store.StorePath);
        System.Text.Json.JsonElement error = store.Run("import", "--format", "terminal-events", path, "--json").Exits(8).JsonError;
        Assert.Equal((rule, $"{path}:{line}"), (error.GetProperty("code").GetString(), error.GetProperty("place").GetString()));
        Assert.Equal(before, StoreDamage.Fingerprint(store.StorePath));
    }

    [Fact]
    public void A_rewritten_or_shortened_stream_is_refused_at_its_first_other_line_and_streams_stay_apart()
    {
        using Statestore store = Statestore.Initialised();
        string path = store.Write("a.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        store.Run("import", "--format", "guardrail-decisions", path).Exits(0);
        foreach ((string content, int line, string rule) in (IEnumerable<(string, int, string)>)[("{\"n\":1}\n{\"n\":9}\n{\"n\":3}\n", 2, "stream_diverged"), ("{\"n\":1}\n{\"n\":2}\n", 3, "stream_shorter")])
        {
            store.Write("a.jsonl", content);
            System.Text.Json.JsonElement error = store.Run("import", "--format", "guardrail-decisions", path, "--json").Exits(8).JsonError;
            Assert.Equal((rule, $"{path}:{line}"), (error.GetProperty("code").GetString(), error.GetProperty("place").GetString()));
        }

        store.Run("import", "--format", "guardrail-decisions", path, "--stream", "other").Exits(0);
        Assert.Equal("several_streams", store.Run("export", "--format", "guardrail-decisions", "--json").Exits(4).JsonError.GetProperty("code").GetString());
        Assert.Equal("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n", store.Run("export", "--format", "guardrail-decisions", "--stream", "a.jsonl").Exits(0).Out);
        Assert.Equal("{\"n\":1}\n{\"n\":2}\n", store.Run("export", "--format", "guardrail-decisions", "--stream", "other").Exits(0).Out);
        Assert.Equal("", store.Run("export", "--format", "ledger").Exits(0).Out);
        store.Run("import", "--format", "ledger", path, "--continue").Exits(2);
        store.Run("export", "--format", "records", "--stream", "other").Exits(2);
    }

    private static byte[] Ledger(int lines)
    {
        StringBuilder text = new();
        string previous = new('0', 64);
        for (int i = 0; i < lines; i++)
        {
            string line = $$"""{"seq":{{i}},"prev":"{{previous}}","note":"r\u00e9sum\u00e9 {{i}}" }""";
            previous = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(line)));
            text.Append(line).Append('\n');
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static void VerifyLedger(string[] lines)
    {
        string previous = new('0', 64);
        foreach (string line in lines)
        {
            Assert.Contains($"\"prev\":\"{previous}\"", line, StringComparison.Ordinal);
            previous = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(line)));
        }
    }
}
