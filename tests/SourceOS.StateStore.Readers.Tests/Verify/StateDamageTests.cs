// Why this file exists: the state can be wrong in ways that leave every page and every check right; each has its own finding. Invariants:
// each test changes one thing in a sound state, and hides it as well as that thing can be hidden.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Tests.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Verify;

public sealed class StateDamageTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly TestLog _log;

    public StateDamageTests()
    {
        _log = TestStores.Log(_directory.Path, 40);
        _log.Save();
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void An_entry_that_was_lost_shows_in_the_digest()
    {
        foreach (StateTable table in new[] { StateTable.Records, StateTable.Index, StateTable.Surrogates, StateTable.Frames })
        {
            TestState state = new(_log);
            state.Entries[table].Remove(state.Entries[table].Keys.ElementAt(5));
            List<string> codes = Codes(state);
            Assert.Contains("state.table.digest", codes);
        }
    }

    [Fact]
    public void An_older_value_shows_in_the_digest()
    {
        TestState state = new(_log);
        TestState old = new(_log, _log.Frames.FindLastIndex(_log.Frames.Count - 2, static f => f.Header.IsLastOfCommit) + 1);
        byte[] key = TestState.RecordKey(RecordKind.Object, "object-000000");
        Assert.NotEqual(state.Entries[StateTable.Records][key], old.Entries[StateTable.Records][key]);
        state.Entries[StateTable.Records][key] = old.Entries[StateTable.Records][key];
        VerificationReport report = Report(state);
        Assert.Equal(VerificationVerdict.Damaged, report.Verdict);
        Finding digest = Assert.Single(report.Findings, static f => f.Code == "state.table.digest");
        Assert.Equal("records", digest.Place.Table);
    }

    [Fact]
    public void A_missing_index_entry_is_named_by_its_record_even_when_the_digest_was_made_again()
    {
        TestState state = new(_log);
        byte[] key = state.Entries[StateTable.Index].Keys.First(static k => k[0] == (byte)ObjectIndex.LastActor);
        state.Entries[StateTable.Index].Remove(key);
        state.Resum();
        Finding finding = Assert.Single(Report(state).Findings);
        Assert.Equal(("state.entry.missing", "index"), (finding.Code, finding.Place.Table));
        Assert.StartsWith("object/object-", finding.Place.Record, StringComparison.Ordinal);
        Assert.True(finding.AutoRepair);
    }

    [Fact]
    public void An_index_entry_that_follows_from_nothing_is_named()
    {
        TestState state = new(_log);
        byte[] key = [.. state.Entries[StateTable.Index].Keys.First(static k => k[0] == (byte)ObjectIndex.StateUpdated)];
        key[12] ^= 1;
        byte[] check = new byte[8];
        Tables.WriteCheck(StateTable.Index, key, check);
        state.Entries[StateTable.Index][key] = check;
        state.Resum();
        Finding finding = Assert.Single(Report(state).Findings);
        Assert.Equal(("state.entry.extra", Convert.ToHexStringLower(key)), (finding.Code, finding.Place.Record));
    }

    [Fact]
    public void A_surrogate_that_is_missing_or_leads_elsewhere_is_named()
    {
        TestState missing = new(_log);
        byte[] number = missing.Entries[StateTable.Surrogates].Keys.ElementAt(3);
        missing.Entries[StateTable.Surrogates].Remove(number);
        missing.Resum();
        Assert.Contains(Report(missing).Findings, static f => f.Code == "state.entry.missing" && f.Place.Table == "surrogates");

        TestState crossed = new(_log);
        byte[] other = crossed.Entries[StateTable.Surrogates].Keys.ElementAt(4);
        byte[] value = [.. crossed.Entries[StateTable.Surrogates][other]];
        Tables.WriteCheck(StateTable.Surrogates, number, value);
        crossed.Entries[StateTable.Surrogates][number] = value;
        crossed.Resum();
        List<Finding> findings = [.. Report(crossed).Findings];
        Assert.Contains(findings, static f => f.Code == "state.entry.missing" && f.Place.Table == "surrogates");
        Assert.Contains(findings, static f => f.Code == "state.entry.extra" && f.Place.Table == "surrogates");
    }

    [Fact]
    public void The_mark_for_boot_is_held_against_its_index()
    {
        TestState missing = new(_log);
        missing.Entries[StateTable.Index].Remove(missing.Entries[StateTable.Index].Keys.First(static k => k[0] == (byte)ObjectIndex.BootCritical));
        missing.Resum();
        Finding finding = Assert.Single(Report(missing).Findings);
        Assert.Equal(("state.entry.missing", "index"), (finding.Code, finding.Place.Table));
        Assert.StartsWith("actor/actor-", finding.Place.Record, StringComparison.Ordinal);
        Assert.Equal("state.boot-critical", Assert.Single(Report(missing, new VerifyOptions { Level = VerificationLevel.Quick }).Findings).Code);

        // An entry for a record that has no mark, with everything that vouches for it.
        TestState extra = new(_log);
        byte[] key = [.. extra.Entries[StateTable.Index].Keys.First(static k => k[0] == (byte)ObjectIndex.BootCritical)];
        key[8] = (byte)(_log.LastSequence - 1);
        byte[] check = new byte[8];
        Tables.WriteCheck(StateTable.Index, key, check);
        extra.Entries[StateTable.Index].Add(key, check);
        extra.Resum();
        Assert.Equal(("state.entry.extra", Convert.ToHexStringLower(key)), Assert.Single(Report(extra).Findings.Select(static f => (f.Code, f.Place.Record))));
        Assert.Contains(Report(extra, new VerifyOptions { Level = VerificationLevel.Quick }).Findings, static f => f.Code == "state.boot-critical");
    }

    [Fact]
    public void A_value_under_another_key_fails_its_check()
    {
        TestState state = new(_log);
        byte[] a = TestState.RecordKey(RecordKind.Object, "object-000010");
        byte[] b = TestState.RecordKey(RecordKind.Object, "object-000011");
        SortedDictionary<byte[], byte[]> records = state.Entries[StateTable.Records];
        (records[a], records[b]) = (records[b], records[a]);
        state.Resum();
        List<Finding> findings = [.. Report(state).Findings.Where(static f => f.Code == "state.record.envelope")];
        Assert.Equal(["object/object-000010", "object/object-000011"], findings.Select(static f => f.Place.Record).Order());

        TestState frames = new(_log);
        SortedDictionary<byte[], byte[]> table = frames.Entries[StateTable.Frames];
        table[table.Keys.ElementAt(2)] = table.Values.ElementAt(3);
        frames.Resum();
        Assert.Contains(Report(frames).Findings, static f => f.Code == "state.entry.check" && f.Place.Table == "frames");
    }

    [Fact]
    public void A_malformed_body_in_a_valid_envelope_is_named()
    {
        TestState state = new(_log);
        byte[] key = TestState.RecordKey(RecordKind.Actor, "actor-2");
        byte[] value = new byte[RecordEnvelope.LengthBytes + 9];
        RecordEnvelope.Write(key, false, true, 2, 2, "nonsense!"u8, value);
        state.Header.BootCritical = state.Header.BootCritical.Without(key, state.Entries[StateTable.Records][key]).With(key, value);
        state.Entries[StateTable.Records][key] = value;
        state.Resum();
        Finding finding = Assert.Single(Report(state).Findings);
        Assert.Equal(("state.record.body", "actor/actor-2"), (finding.Code, finding.Place.Record));
    }

    [Fact]
    public void A_record_from_nowhere_is_noticed()
    {
        TestState state = new(_log);
        byte[] key = TestState.RecordKey(RecordKind.Actor, "actor-99");
        byte[] body = new RecordBodyBuilder().SetText(2, "ghost").Build();
        byte[] value = new byte[RecordEnvelope.LengthBytes + body.Length];
        RecordEnvelope.Write(key, false, false, _log.LastSequence + 5, _log.LastSequence + 5, body, value);
        state.Entries[StateTable.Records][key] = value;
        state.Resum();
        List<string> codes = Codes(state);
        Assert.Contains("state.counts", codes);
        Assert.Contains("state.position", codes);
        Assert.Contains("state.entry.missing", codes);
    }

    [Fact]
    public void Frames_are_held_against_the_log()
    {
        TestState state = new(_log);
        SortedDictionary<byte[], byte[]> frames = state.Entries[StateTable.Frames];
        byte[] key = frames.Keys.ElementAt(7);
        Assert.True(FrameEntry.TryDecode(key, frames[key], out FrameEntry entry));
        byte[] value = new byte[FrameEntry.EncodedLengthBytes];
        (entry with { Address = entry.Address + 4 }).Encode(key, value);
        frames[key] = value;
        state.Resum();
        List<Finding> findings = [.. Report(state).Findings];
        Assert.Equal(["state.entry.extra", "state.table.digest"], findings.Select(static f => f.Code).Order());
        Assert.All(findings, static f => Assert.Equal("frames", f.Place.Table));
        Assert.Equal(entry.FrameNumber, findings.Single(static f => f.Code == "state.entry.extra").Place.FrameNumber);

        TestState shorter = new(_log);
        shorter.Entries[StateTable.Frames].Remove(key);
        shorter.Resum();
        Finding missing = Assert.Single(Report(shorter).Findings, static f => f.Code == "state.entry.missing");
        Assert.Equal(_log.Frames[7].Header.FirstSequence, missing.Place.FirstSequence);
        Assert.Equal(_log.Frames[7].Header.LastSequence, missing.Place.LastSequence);
    }

    [Fact]
    public void The_header_is_held_against_the_log()
    {
        AssertHeader("state.position", static header => header.LastCommitId++);
        AssertHeader("state.position", static header => header.WriterEpoch++);
        AssertHeader("state.position", static header => header.CommitTimeMicros++);
        AssertHeader("state.position", static header => header.LastSequence++);
        AssertHeader("log.forked", static header => header.ChainHead = Checksum.Sha256("x"u8));
        AssertHeader("log.forked", static header => header.LogPosition -= 4);
        AssertHeader("state.counts", static header => header.Lanes[0] = header.Lanes[0] with { Events = 1 });
        AssertHeader("state.counts", static header => header.Lanes[6] = header.Lanes[6] with { LastTimeMicros = 1 });
        AssertHeader("state.boot-critical", static header => header.BootCritical = header.BootCritical with { Records = 1 });
        AssertHeader("state.boot-critical", static header => header.BootCritical = header.BootCritical with { Sum = 1 });
        AssertHeader("state.counts", static header => header.Kinds[1] = header.Kinds[1] with { Live = 1 });
        AssertHeader("state.header", static header => header.Kinds[25] = new KindCount(1, 0));
        AssertHeader("state.header", static header => header.StoreId = new StoreId(new byte[16] { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }));
        TestState frontier = new(_log);
        frontier.Header.Frontier.Set(frontier.Header.FrameCount, new Hash256[frontier.Header.Frontier.HashCount]);
        Assert.Equal(["state.position"], Codes(frontier));
    }

    [Fact]
    public void A_state_of_another_generation_and_parts_that_are_missing_are_named()
    {
        TestState state = new(_log);
        state.Write(generation: 2);
        Directory.Move(_log.Layout.GenerationPath(2), _log.Layout.GenerationPath(1));
        Assert.Equal("state.header", Assert.Single(TestStores.Verify(_log).Findings).Code);

        Directory.Delete(_log.Layout.GenerationPath(1), recursive: true);
        Assert.Equal("state.missing", Assert.Single(TestStores.Verify(_log).Findings).Code);

        new TestState(_log).Write(withDigest: false);
        Assert.Equal("state.digest", Assert.Single(TestStores.Verify(_log).Findings).Code);
        Directory.Delete(_log.Layout.GenerationPath(1), recursive: true);

        new TestState(_log).Write(withHeader: false);
        Assert.Equal("state.header", Assert.Single(TestStores.Verify(_log).Findings).Code);
        Directory.Delete(_log.Layout.GenerationPath(1), recursive: true);

        TestState without = new(_log);
        without.Entries.Remove(StateTable.Surrogates);
        List<string> codes = Codes(without);
        Assert.Contains("state.table", codes);
    }

    [Fact]
    public void Keys_and_tables_that_are_not_part_of_a_state_are_named()
    {
        TestState state = new(_log);
        state.Entries[StateTable.Meta]["extra"u8.ToArray()] = [1];
        Assert.Equal(["state.table"], Codes(state));
    }

    [Fact]
    public void Damaged_pages_are_named_and_nothing_durable_is_blamed()
    {
        new TestState(_log).Write();
        MemoryFiles files = MemoryFiles.Load(_directory.Path);
        string path = _log.Layout.StateDataPath(1);
        byte[] whole = files.Files[path];
        VerifyOptions options = new() { DegreeOfParallelism = 1, Files = files };
        for (int page = 0; page < whole.Length / 4096; page++)
        {
            files.Files[path] = [.. whole];
            files.Files[path].AsSpan(page * 4096, 4096).Clear();
            VerificationReport report = TestStores.Verify(_log, options);
            Assert.True(report.Verdict is VerificationVerdict.Clean or VerificationVerdict.Damaged, TestStores.Describe(report));
            Assert.All(report.Findings, static f => Assert.Equal(FindingClass.Rebuildable, f.Class));
        }

        for (int length = 0; length < whole.Length; length += 1024)
        {
            files.Files[path] = whole[..length];
            VerificationReport report = TestStores.Verify(_log, options);
            Assert.NotEqual(VerificationVerdict.Unsafe, report.Verdict);
            Assert.NotEmpty(report.Findings);
        }
    }

    [Fact]
    public void Many_findings_are_counted_and_the_worst_are_kept()
    {
        TestState state = new(_log);
        foreach (byte[] key in state.Entries[StateTable.Index].Keys.ToList())
        {
            state.Entries[StateTable.Index][key] = new byte[8];
        }

        VerificationReport report = Report(state, new VerifyOptions { MaxFindings = 5, DegreeOfParallelism = 1 });
        Assert.Equal(5, report.Findings.Count);
        Assert.True(report.FindingCount >= state.Entries[StateTable.Index].Count);
        Assert.Equal(VerificationVerdict.Damaged, report.Verdict);
    }

    [Fact]
    public void The_quick_level_sees_a_damaged_tip()
    {
        TestState state = new TestState(_log).Write();
        VerifyOptions quick = new() { Level = VerificationLevel.Quick };
        Assert.Empty(TestStores.Verify(_log, quick).Findings);
        TestFrame tip = _log.Frames[^1];
        _log.At(tip.End - 8, 1)[0] ^= 1;
        _log.Save();
        VerificationReport report = TestStores.Verify(_log, quick);
        Assert.Equal((VerificationVerdict.Unsafe, "log.forked"), (report.Verdict, Assert.Single(report.Findings).Code));
        _log.At(tip.End - 8, 1)[0] ^= 1;
        _log.Save();

        Directory.Delete(_log.Layout.GenerationPath(1), recursive: true);
        report = TestStores.Verify(_log, quick);
        Assert.Equal(VerificationVerdict.Damaged, report.Verdict);
        Assert.False(report.IsComplete);

        // The state is behind, and a frame that it has yet to fold is damaged.
        int folded = _log.Frames.FindIndex(20, static f => f.Header.IsLastOfCommit) + 1;
        new TestState(_log, folded).Write();
        Assert.Empty(TestStores.Verify(_log, quick).Findings);
        _log.At(_log.Frames[folded + 2].Address + 100, 1)[0] ^= 1;
        _log.Save();
        report = TestStores.Verify(_log, quick);
        Assert.Equal((VerificationVerdict.Unsafe, "log.range.damaged"), (report.Verdict, Assert.Single(report.Findings).Code));
    }

    private List<string> Codes(TestState state) => [.. Report(state).Findings.Select(static f => f.Code).Distinct()];

    private VerificationReport Report(TestState state, VerifyOptions? options = null)
    {
        if (Directory.Exists(_log.Layout.GenerationPath(1)))
        {
            Directory.Delete(_log.Layout.GenerationPath(1), recursive: true);
        }

        state.Write();
        VerificationReport report = TestStores.Verify(_log, options);
        Assert.NotEmpty(report.Findings);
        return report;
    }

    private void AssertHeader(string code, Action<StateHeader> change)
    {
        TestState state = new(_log);
        change(state.Header);
        List<string> codes = Codes(state);
        Assert.Contains(code, codes);
    }
}
