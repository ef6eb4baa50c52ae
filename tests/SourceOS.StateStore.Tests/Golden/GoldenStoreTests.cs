// Why this file exists: a store that was written once must be read for ever, and damage must keep its name. The golden store is those bytes. Invariants: what is
// expected is written down beside the bytes and read by three readers; the files change only when SOURCEOS_GOLDEN_WRITE asks for it.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Tests.Golden;

public sealed class GoldenStoreTests : IDisposable
{
    private const string StoreFile = GoldenContent.Format1 + ".store";
    private const string AnswersFile = GoldenContent.Format1 + ".answers";
    private const string DamageFile = GoldenContent.Format1 + "-damaged.changes";

    // The engine and the verifier go on finding these exact things: the places are chosen by what stands there, so that a store made again gets the same.
    private static readonly string[] s_findings =
    [
        "store.superblock.slot Error Rebuildable auto", "log.segment.header Error Rebuildable auto", "log.slot.torn Warning Rebuildable auto", "log.segment.reserved Error Rebuildable auto",
        "log.filler Error Rebuildable auto", "log.entry.prefix Error Rebuildable auto", "log.frame.body-crc Error Durable person", "log.tail.torn Info Disposable auto",
        "state.record.envelope Error Rebuildable auto", "state.table.digest Error Rebuildable auto", "state.counts Error Rebuildable auto", "state.entry.extra Error Rebuildable auto",
    ];

    private readonly TestDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void The_engine_reads_the_golden_store_and_changes_no_byte_by_reading()
    {
        GoldenFiles.Unpack(StoreFile, _directory.StorePath);
        string before = LiveStore.Fingerprint(_directory.StorePath);
        Assert.Equal(Expected(), GoldenAnswers.OfEngine(_directory.StorePath));
        Assert.Equal(before, LiveStore.Fingerprint(_directory.StorePath));
    }

    [Fact]
    public void The_verifier_finds_nothing_in_it()
    {
        GoldenFiles.Unpack(StoreFile, _directory.StorePath);
        foreach (VerificationLevel level in (VerificationLevel[])[VerificationLevel.Quick, VerificationLevel.Standard])
        {
            VerificationReport report = StoreVerifier.Run(_directory.StorePath, new VerifyOptions { Level = level });
            Assert.Empty(report.Findings);
            Assert.Equal(VerificationVerdict.Clean, report.Verdict);
        }

        VerificationReport whole = StoreVerifier.Run(_directory.StorePath);
        Assert.True(whole.IsComplete);
        Assert.Equal(whole.BytesOwned, whole.BytesChecked);
        Assert.StartsWith($"store: {whole.StoreId} root {whole.LogRoot} frames {whole.FramesChecked} sequence {whole.EventsChecked}", Expected()[0], StringComparison.Ordinal);
    }

    [Fact]
    public void The_second_reader_reads_the_same()
    {
        GoldenFiles.Unpack(StoreFile, _directory.StorePath);
        Assert.Equal(Expected(), GoldenAnswers.OfSecondReader(_directory.StorePath));
    }

    [Fact]
    public async Task It_is_written_on_and_its_state_follows_from_its_log()
    {
        GoldenFiles.Unpack(StoreFile, _directory.StorePath);
        Directory.Delete(Path.Combine(_directory.StorePath, "state"), recursive: true);
        await using (StateStore store = StateStore.Open(_directory.StorePath, LiveStore.Options()))
        {
            Assert.True(store.Recovery!.StateRebuilt);
        }

        Assert.Equal(Expected(), GoldenAnswers.OfEngine(_directory.StorePath));
        await using (StateStore store = StateStore.Open(_directory.StorePath, LiveStore.Options()))
        {
            ulong before = store.VisibleSequence;
            CommitReceipt receipt = await store.OpenSession(LiveStore.Identity).CommitAsync(new CommitBatch().Put(RecordKind.Object, "note:1", RoundTripTests.ObjectBody("note", "later")));
            Assert.Equal(before + 1, receipt.LastSequence);
        }

        Assert.Empty(StoreVerifier.Run(_directory.StorePath).Findings);
    }

    [Fact]
    public void The_damaged_twin_gives_exactly_its_findings()
    {
        GoldenFiles.Unpack(StoreFile, _directory.StorePath);
        GoldenFiles.Apply(GoldenFiles.Changes(DamageFile), _directory.StorePath);
        VerificationReport report = StoreVerifier.Run(_directory.StorePath);
        Assert.Equal(GoldenFiles.Values(DamageFile, "finding"), report.Findings.Select(Line));
        Assert.Equal(s_findings.Order(StringComparer.Ordinal), report.Findings.Select(Weight).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(GoldenFiles.Values(DamageFile, "verdict").Single(), report.Verdict.ToString());
    }

    [Fact]
    public void The_damaged_twin_pleases_no_other_reader_and_is_not_written_on()
    {
        GoldenFiles.Unpack(StoreFile, _directory.StorePath);
        GoldenFiles.Apply(GoldenFiles.Changes(DamageFile), _directory.StorePath);
        string before = LiveStore.Fingerprint(_directory.StorePath);
        Assert.NotEqual("[]", System.Text.Json.Nodes.JsonNode.Parse(GoldenAnswers.Read(_directory.StorePath, "--records")[0])!["findings"]!.ToJsonString());
        StateStoreException refusal = Assert.Throws<StateStoreException>(() => StateStore.Open(_directory.StorePath, LiveStore.Options()).Dispose());
        Assert.Equal(StateStoreErrorCode.LogDamaged, refusal.Code);
        Assert.Equal(before, LiveStore.Fingerprint(_directory.StorePath));
    }

    [Fact]
    public async Task A_store_made_today_says_the_same_and_is_damaged_alike()
    {
        await GoldenContent.MakeAsync(_directory.StorePath);
        if (Environment.GetEnvironmentVariable("SOURCEOS_GOLDEN_WRITE") == "1")
        {
            Directory.CreateDirectory(GoldenFiles.PathOf(""));
            File.WriteAllText(GoldenFiles.PathOf(StoreFile), "# Written by tests/SourceOS.StateStore.Tests/Golden; see README.md.\n" + GoldenFiles.Pack(_directory.StorePath));
            File.WriteAllLines(GoldenFiles.PathOf(AnswersFile), GoldenAnswers.OfEngine(_directory.StorePath));
        }

        Assert.Equal(Expected().Skip(1), GoldenAnswers.OfEngine(_directory.StorePath).Skip(1));
        List<GoldenChange> changes = GoldenDamage.Choose(_directory.StorePath);
        GoldenFiles.Apply(changes, _directory.StorePath);
        VerificationReport report = StoreVerifier.Run(_directory.StorePath);
        if (Environment.GetEnvironmentVariable("SOURCEOS_GOLDEN_WRITE") == "1")
        {
            StringBuilder text = new("# Written by tests/SourceOS.StateStore.Tests/Golden; see README.md.\n");
            changes.ForEach(change => text.Append(CultureInfo.InvariantCulture, $"change: {change.File} {change.Offset} {change.Was:x2} {change.Becomes:x2}\n"));
            report.Findings.ToList().ForEach(finding => text.Append(CultureInfo.InvariantCulture, $"finding: {Line(finding)}\n"));
            File.WriteAllText(GoldenFiles.PathOf(DamageFile), text.Append(CultureInfo.InvariantCulture, $"verdict: {report.Verdict}\n").ToString());
        }

        Assert.Equal(s_findings.Order(StringComparer.Ordinal), report.Findings.Select(Weight).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
    }

    private static List<string> Expected() => GoldenFiles.Lines(AnswersFile);

    private static string Weight(Finding finding) => $"{finding.Code} {finding.Severity} {finding.Class} {(finding.AutoRepair ? "auto" : "person")}";

    private static string Line(Finding finding) => $"{Weight(finding)} at {finding.Place}";
}
