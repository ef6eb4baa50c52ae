// Why this file exists: the rules of the verdict, in process: what verifies, what blocks, what wants a person, and that evidence says what the verdict says.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.JsonSchema;
using SourceOS.StateStore.Keys;
using SourceOS.StateStore.Readers.Boot;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Boot.Tests;

public sealed class BootCheckTests(SampleStore sample) : IClassFixture<SampleStore>
{
    [Fact]
    public void A_sound_store_is_verified_closed_or_crashed_and_after_a_power_loss()
    {
        BootVerdict closed = Check(sample.Closed);
        Assert.Equal(BootDecision.Verified, closed.Decision);
        Assert.Equal(60ul, closed.Sequence);
        Assert.Equal(64, closed.Root.Length);
        BootVerdict crashed = Check(sample.Crashed);
        Assert.Equal((BootDecision.Verified, closed.Root, "standard"), (crashed.Decision, crashed.Root, crashed.Level));
        Assert.Equal(BootDecision.Verified, BootCheck.Run(Options(sample.Crashed) with { BootId = "another-boot" }).Decision);
    }

    [Fact]
    public void The_quick_level_tells_the_same_root_without_reading_the_log()
    {
        BootVerdict quick = BootCheck.Run(Options(sample.Closed) with { StandardUpToBytes = 0 });
        Assert.Equal(("quick", BootDecision.Verified), (quick.Level, quick.Decision));
        Assert.Equal(Check(sample.Closed).Root, quick.Root);
        Assert.Equal(60ul, quick.Sequence);
    }

    [Fact]
    public void What_is_missing_wants_a_person()
    {
        Assert.Equal("store.missing", Assert.Single(Check(sample.PathOf("nowhere")).Reasons).Code);
        Assert.Equal(BootDecision.ReviewRequired, Check("").Decision);
        Assert.Equal(BootDecision.ReviewRequired, Check("a\0b").Decision);
        string empty = Directory.CreateDirectory(sample.PathOf("empty-" + Guid.NewGuid().ToString("N"))).FullName;
        Assert.NotEqual(BootDecision.Verified, Check(empty).Decision);
    }

    [Fact]
    public void A_flipped_byte_of_a_record_that_counts_blocks()
    {
        // Each record stands in live pages once, so of the places where its text is found at least one counts.
        bool blocked = false;
        byte[] data = File.ReadAllBytes(Path.Combine(sample.Closed, "state", "g1", "data.mdb"));
        byte[] wanted = "object:8"u8.ToArray();
        for (int at = data.AsSpan().IndexOf(wanted); at >= 0; at = Next(data, wanted, at))
        {
            string copy = sample.Copy(sample.Closed);
            byte[] flipped = [.. data];
            flipped[at + wanted.Length + 60] ^= 1;
            File.WriteAllBytes(Path.Combine(copy, "state", "g1", "data.mdb"), flipped);
            blocked |= Check(copy).Decision == BootDecision.Blocked;
        }

        Assert.True(blocked);
    }

    [Fact]
    public void Any_damage_of_the_log_or_superblock_is_never_verified()
    {
        foreach ((string file, int at) in (IEnumerable<(string, int)>)[("STORE", 20), ("events/segment-00000000.log", 24_000), ("events/segment-00000000.log", 10)])
        {
            string copy = sample.Copy(sample.Closed);
            string path = Path.Combine(copy, file);
            byte[] bytes = File.ReadAllBytes(path);
            bytes[at] ^= 0x10;
            File.WriteAllBytes(path, bytes);
            BootVerdict verdict = Check(copy);
            Assert.True(verdict.Decision != BootDecision.Verified, $"{file} at {at}: {verdict.DecisionText}");
            Assert.NotEmpty(verdict.Reasons);
        }
    }

    [Fact]
    public void A_store_that_was_rolled_back_or_replaced_does_not_continue_the_signed_root()
    {
        using PrivateKey key = PrivateKey.Generate();
        NoteKey verifier = new("boot-test", key.PublicKey);
        BootVerdict now = Check(sample.Closed);
        string origin = Checkpoint.OriginOf(Guid.Parse(now.StoreId));
        byte[] Note(string from, ulong size, string root) => key.SignNote(new Checkpoint(from, size, Hash(root)).ToText(), "boot-test").Encode();
        BootVerdict With(byte[] note, string keys) => BootCheck.Run(Options(sample.Closed) with { MinimumRootNote = note, RootKeys = keys });
        string trusted = verifier.ToString();
        Assert.Equal(BootDecision.Verified, With(Note(origin, now.Size, now.Root), trusted).Decision);
        Assert.Equal((BootDecision.Blocked, "store.rolled-back"), Worst(With(Note(origin, now.Size + 1, now.Root), trusted)));
        Assert.Equal(BootDecision.Blocked, With(Note(origin, now.Size, new string('0', 64)), trusted).Decision);
        Assert.Equal((BootDecision.Blocked, "root.other-store"), Worst(With(Note(Checkpoint.OriginOf(Guid.Empty), now.Size, now.Root), trusted)));
        Assert.Equal(BootDecision.Blocked, With(Note(origin, now.Size - 5, new string('0', 64)), trusted).Decision);
        Assert.Equal("root.no-key", Code(With(Note(origin, now.Size, now.Root), "")));
        using PrivateKey stranger = PrivateKey.Generate();
        Assert.Equal((BootDecision.Blocked, "root.signature"), Worst(With(Note(origin, now.Size, now.Root), new NoteKey("boot-test", stranger.PublicKey).ToString())));
        Assert.Equal("root.note", Code(With("no note"u8.ToArray(), trusted)));
    }

    [Fact]
    public void Evidence_is_what_its_schema_wants_and_says_what_the_verdict_says()
    {
        if (Repository.Interop is not { } interop)
        {
            Console.WriteLine("skipped: ../shared/interop is not there");
            return;
        }

        byte[] schema = File.ReadAllBytes(Path.Combine(interop, "schemas", "trust-chain-boot-verification-evidence.v0.1.schema.json"));
        CompiledSchema compiled = SchemaRegistry.Create().Register(new SchemaDocument(null, schema)).Schemas[0];
        foreach ((string store, string decision, bool allowed) in (IEnumerable<(string, string, bool)>)[(sample.Closed, "verified", true), (sample.PathOf("nowhere"), "review_required", false)])
        {
            byte[] evidence = BootJson.Evidence(Check(store), new BootEvidenceOptions { ReleaseSet = "boot-release-set://test@1" });
            SchemaEvaluationResult result = compiled.Evaluate(evidence);
            Assert.True(result.IsValid, string.Join("; ", result.Errors.Select(static error => $"{error.InstanceLocation}: {error.Message}")));
            using JsonDocument json = JsonDocument.Parse(evidence);
            Assert.Equal(decision, json.RootElement.GetProperty("decision").GetString());
            Assert.Equal(allowed, json.RootElement.GetProperty("effects").GetProperty("boot_allowed").GetBoolean());
            Assert.True(json.RootElement.GetProperty("effects").GetProperty("rollback_allowed").GetBoolean());
            Assert.Equal(evidence, BootJson.Evidence(Check(store), new BootEvidenceOptions { ReleaseSet = "boot-release-set://test@1" }));
        }
    }

    [Fact]
    public void Random_and_damaged_stores_always_get_an_answer()
    {
        Random random = new(20_261_126);
        string[] files = [.. Directory.EnumerateFiles(sample.Closed, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(sample.Closed, file)).Order(StringComparer.Ordinal)];
        int answered = 0;
        for (int round = 0; round < 60; round++)
        {
            string copy = sample.Copy(round % 2 == 0 ? sample.Closed : sample.Crashed);
            string file = Path.Combine(copy, files[random.Next(files.Length)]);
            byte[] bytes = File.Exists(file) ? File.ReadAllBytes(file) : [];
            switch (random.Next(4))
            {
                case 0:
                    File.Delete(file);
                    break;
                case 1:
                    File.WriteAllBytes(file, bytes[..random.Next(bytes.Length + 1)]);
                    break;
                case 2:
                    random.NextBytes(bytes);
                    File.WriteAllBytes(file, bytes);
                    break;
                default:
                    for (int i = 0; i < 20 && bytes.Length > 0; i++)
                    {
                        bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                    }

                    File.WriteAllBytes(file, bytes);
                    break;
            }

            BootVerdict verdict = Check(copy);
            Assert.Contains(verdict.ExitCode, (int[])[0, 10, 20]);
            Assert.DoesNotContain(verdict.Reasons, static reason => reason.Code == "check.failed");
            Directory.Delete(copy, recursive: true);
            answered++;
        }

        Assert.Equal(60, answered);
    }

    private static BootVerdict Check(string path) => BootCheck.Run(Options(path));

    private static BootCheckOptions Options(string path) => new() { StorePath = path, BudgetMs = 60_000 };

    private static Hash256 Hash(string text) => Hash256.TryParse(text, out Hash256 hash) ? hash : throw new ArgumentException("Not a hash.", nameof(text));

    private static (BootDecision, string) Worst(BootVerdict verdict) => (verdict.Decision, verdict.Reasons[0].Code);

    private static string Code(BootVerdict verdict) => Assert.Single(verdict.Reasons).Code;

    private static int Next(byte[] data, byte[] wanted, int at)
    {
        int found = data.AsSpan(at + 1).IndexOf(wanted);
        return found < 0 ? -1 : at + 1 + found;
    }
}
