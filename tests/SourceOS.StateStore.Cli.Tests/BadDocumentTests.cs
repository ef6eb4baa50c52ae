// Why this file exists: documents, identifiers and input files of the worst kinds, given to a sound store: each is refused with its rule, or taken exactly as it is. Invariants: a
// refusal leaves the store as it was, byte for byte; every run is bounded in time.

using System.Diagnostics;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class BadDocumentTests
{
    private const string Head = """{"schema":"sourceos.object-record/v1alpha1","object_id":""";

    private static readonly (string Name, string Document, string Rule)[] s_documents =
    [
        ("id empty", Head + "\"\"}", "invalid_id"),
        ("id of 256 bytes", Head + "\"" + new string('i', 256) + "\"}", "invalid_id"),
        ("id of 128 letters and 256 bytes", Head + "\"" + new string('ö', 128) + "\"}", "invalid_id"),
        ("id with a control character", Head + "\"a\\u0007b\"}", "invalid_id"),
        ("id with a C1 control character", Head + "\"a\\u0085b\"}", "invalid_id"),
        ("id with half a surrogate pair", Head + "\"a\\ud800b\"}", ""),
        ("id that is a number", Head + "7}", ""),
        ("id not UTF-8", Head + "\"a\u0001b\"}", ""),
        ("body not UTF-8", Head + "\"a\",\"title\":\"\u0001\"}", ""),
        ("body over 1 MiB", Head + "\"a\",\"title\":\"" + new string('x', 1 << 20) + "\"}", "too_large"),
        ("body far over 1 MiB", Head + "\"a\",\"title\":\"" + new string('x', 9 << 20) + "\"}", "too_large"),
        ("nested deep", Head + "\"a\",\"x\":" + new string('[', 200_000) + new string(']', 200_000) + "}", "too_deep"),
        ("nested deep in a known field", Head + "\"a\",\"attributes\":" + Repeat("{\"a\":", 5000) + "1" + new string('}', 5000) + "}", "too_deep"),
        ("deep and torn", Head + "\"a\",\"x\":" + new string('[', 200_000), ""),
        ("a name twice", Head + "\"a\",\"title\":\"x\",\"title\":\"y\"}", "duplicate_name"),
        ("a name twice, once escaped", Head + "\"a\",\"title\":\"x\",\"t\\u0069tle\":\"y\"}", "duplicate_name"),
        ("an unknown name twice", Head + "\"a\",\"x\":1,\"x\":2}", "duplicate_name"),
        ("the id twice", Head + "\"a\",\"object_id\":\"b\"}", "duplicate_name"),
        ("twenty thousand names, one twice", Head + "\"a\"," + string.Concat(Enumerable.Range(0, 20_000).Select(static i => $"\"x{i}\":{i},")) + "\"x77\":0}", ""),
        ("a number that is none", Head + "\"a\",\"x\":1e}", "invalid_json"),
        ("a number with a leading zero", Head + "\"a\",\"x\":007}", "invalid_json"),
        ("not a number", Head + "\"a\",\"x\":NaN}", "invalid_json"),
        ("two documents", Head + "\"a\"}" + Head + "\"b\"}", ""),
        ("torn in a text", Head + "\"a\",\"title\":\"x", "invalid_json"),
        ("torn in an escape", Head + "\"a\",\"title\":\"\\u00", "invalid_json"),
        ("a comment", Head + "\"a\"/* ! */}", "invalid_json"),
        ("a trailing comma", Head + "\"a\",}", "invalid_json"),
        ("nothing", "", "invalid_json"),
        ("a NUL", Head + "\"a\"}\0", "invalid_json"),
    ];

    [Fact]
    public void Bad_documents_are_refused_with_their_rule_by_put_and_by_import()
    {
        using Statestore store = Statestore.Initialised();
        string before = StoreDamage.Fingerprint(store.StorePath);
        List<string> faults = [];
        foreach ((string name, string document, string rule) in s_documents)
        {
            // What stands for bytes that are not UTF-8 becomes them here, because a text cannot hold them.
            byte[] bytes = Encoding.UTF8.GetBytes(document);
            bytes.AsSpan().Replace((byte)1, (byte)0xFF);
            string file = store.PathOf("document.json");
            File.WriteAllBytes(file, bytes);
            foreach (string[] verb in (string[][])[["put", "objects", file], ["import", file]])
            {
                // An import of two documents is none of its business to refuse, and of nothing neither.
                if (verb[0] == "import" && name is "two documents" or "nothing" && verb[0] == "import")
                {
                    continue;
                }

                Answer answer = store.Run([.. verb, "--json"]);
                if (answer.Exit != 8 || answer.Error.Contains("   at ", StringComparison.Ordinal) || StoreDamage.Fingerprint(store.StorePath) != before)
                {
                    faults.Add($"{name}, {verb[0]}: exit {answer.Exit}, {(StoreDamage.Fingerprint(store.StorePath) == before ? "unchanged" : "CHANGED")} {answer.Out[..Math.Min(answer.Out.Length, 300)]}");
                    continue;
                }

                string code = answer.JsonError.GetProperty("code").GetString()!;
                if (rule.Length > 0 && code != rule)
                {
                    faults.Add($"{name}, {verb[0]}: {code}, expected {rule}");
                }
            }
        }

        Assert.Empty(faults);
    }

    [Theory]
    [InlineData("1e999999999")]
    [InlineData("-1e-999999999")]
    [InlineData("123456789012345678901234567890123456789012345678901234567890.000000000000000000000000000000000000000000000001")]
    [InlineData("18446744073709551616")]
    public void Huge_numbers_are_kept_as_they_are(string number)
    {
        using Statestore store = Statestore.Initialised();
        foreach (string field in (string[])["size_bytes", "x_unknown"])
        {
            string document = $"{Head}\"note:1\",\"{field}\":{number}}}";
            store.RunWith(document, null, "put", "objects", "-").Exits(0);
            Assert.Contains($"\"{field}\":{number}", store.Run("get", "objects", "note:1", "--json").Exits(0).Out, StringComparison.Ordinal);
        }

        string digits = new('9', 300_000);
        store.RunWith($"{Head}\"note:2\",\"x\":{digits}}}", null, "put", "objects", "-").Exits(0);
        Assert.Contains(digits, store.Run("get", "objects", "note:2", "--json").Exits(0).Out, StringComparison.Ordinal);
        store.Run("explain", "note:2").Exits(0);
        store.Run("verify").Exits(0);
    }

    [Fact]
    public void Ids_as_arguments_are_refused_before_the_store_is_touched()
    {
        using Statestore store = Statestore.Initialised();
        string before = StoreDamage.Fingerprint(store.StorePath);
        foreach (string id in (string[])["", new string('i', 256), "bell\u0007", "c1\u0085", "del\u007f"])
        {
            foreach (string[] verb in (string[][])[["get", "objects", id], ["delete", "objects", id], ["explain", id], ["event", "append", "app.tick", "--object", id], ["log", "--object", id], ["put", "objects", "-", "--actor", id]])
            {
                Answer answer = store.RunWith(Head + "\"a\"}", null, [.. verb, "--json"]);
                Assert.True(answer.Exit is 8 or 2, $"{verb[0]} {id.Length}: exit {answer.Exit} {answer.Out}");
                Assert.Equal(before, StoreDamage.Fingerprint(store.StorePath));
            }
        }
    }

    [Theory]
    [InlineData("torn last line", 2)]
    [InlineData("torn in the middle", 2)]
    [InlineData("a line over the limit", 2)]
    [InlineData("bytes that are not text", 2)]
    [InlineData("zeroes as a crash leaves them", 3)]
    public void Torn_lines_are_named_and_nothing_of_their_file_is_kept(string what, int line)
    {
        using Statestore store = Statestore.Initialised();
        string first = Head + "\"note:1\"}\n";
        string second = Head + "\"note:2\",\"title\":\"zwei\"}\n";
        byte[] bytes = Encoding.UTF8.GetBytes(what switch
        {
            "torn last line" => first + second[..40],
            "torn in the middle" => first + second[..40] + "\n" + Head + "\"note:3\"}\n",
            "a line over the limit" => first + Head + "\"note:2\",\"title\":\"" + new string('x', 9 << 20) + "\"}\n" + second,
            "bytes that are not text" => first + second.Replace("zwei", "\u0001", StringComparison.Ordinal),
            _ => first + second + new string('\0', 5000),
        });
        bytes.AsSpan().Replace((byte)1, (byte)0xFF);
        string file = store.PathOf("torn.ndjson");
        File.WriteAllBytes(file, bytes);
        string before = StoreDamage.Fingerprint(store.StorePath);
        JsonElement error = store.Run("import", file, "--json").Exits(8).JsonError;
        Assert.Equal($"{file}:{line}", error.GetProperty("place").GetString());
        Assert.Equal(before, StoreDamage.Fingerprint(store.StorePath));
        Assert.Equal(1, store.Run("import", file, "--continue", "--json").Exits(8).Json.GetProperty("records").GetProperty("failed").GetInt32());
    }

    [Fact]
    public void Input_files_that_are_none_end_with_one_error_and_a_pipe_that_is_written_to_is_read()
    {
        using Statestore store = Statestore.Initialised();
        string before = StoreDamage.Fingerprint(store.StorePath);
        foreach ((string what, int exit) in (ReadOnlySpan<(string, int)>)[("pipe", 8), ("directory", 8), ("loop", 7), ("dangling", 3)])
        {
            string path = store.PathOf(what);
            StoreDamage.Replace(path, what);
            foreach (string[] verb in (string[][])[["put", "objects", path], ["inspect", path], ["proof", "check", path, "--root", path], ["repair", "--apply", "--plan", path], ["import", path]])
            {
                Answer answer = store.Run([.. verb, "--json"]);

                // An import of nothing, or of a directory without files, is told differently, but ends.
                Assert.True(answer.Exit == exit || (verb[0] is "import" && answer.Exit is 0 or 3) || (verb[0] is "inspect" or "proof" or "repair" && answer.Exit is 1 or 3 or 7 or 8), $"{what}, {verb[0]}: exit {answer.Exit}\n{answer.Out}{answer.Error}");
                Assert.DoesNotContain("   at ", answer.Error, StringComparison.Ordinal);
                Assert.Equal(before, StoreDamage.Fingerprint(store.StorePath));
            }
        }

        using Process shell = Process.Start(new ProcessStartInfo("bash")
        {
            WorkingDirectory = store.Root,
            ArgumentList = { "-c", "\"$0\" put objects <(sleep 0.3; printf '%s' \"$1\")", Path.Combine(AppContext.BaseDirectory, "statestore"), Head + "\"note:piped\"}" },
            Environment = { ["SOURCEOS_STATE_STORE"] = store.StorePath },
        })!;
        Assert.True(shell.WaitForExit(TimeSpan.FromMinutes(1)), "The program did not end.");
        Assert.Equal(0, shell.ExitCode);
        store.Run("get", "objects", "note:piped").Exits(0);
    }

    private static string Repeat(string text, int times) => string.Concat(Enumerable.Repeat(text, times));
}
