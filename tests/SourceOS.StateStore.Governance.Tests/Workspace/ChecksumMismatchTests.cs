// Why this file exists: a file that is not what its record says is one open conflict, seen by everybody and ended only by the file as it is then.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Conflicts;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Tests.Gates;
using SourceOS.StateStore.Governance.Workspace;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

public sealed class ChecksumMismatchTests : IDisposable
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.UtcNow;
    private readonly GovernedFixture _store = new();
    private readonly Tree _tree = new();
    private readonly string _id;

    public ChecksumMismatchTests()
    {
        _tree.Write("dir/file", "good bytes");
        Adopt();
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        _id = Assert.Single(snapshot.Range(RecordKind.Object).ToList(), static record => record.Text("path") == "dir/file").Id;
    }

    public void Dispose()
    {
        _store.Dispose();
        _tree.Dispose();
    }

    [Fact]
    public void A_stream_is_given_out_only_for_the_recorded_bytes()
    {
        using (Stream? stream = WorkspaceReader.OpenFile(_store.Store, _id, out FileCheck? check))
        {
            Assert.Equal(FileVerdict.Matches, check!.Verdict);
            using StreamReader reader = new(stream!);
            Assert.Equal("good bytes", reader.ReadToEnd());
        }

        Rot();
        Assert.Null(WorkspaceReader.OpenFile(_store.Store, _id, out FileCheck? rotten));
        Assert.Equal(FileVerdict.Differs, rotten!.Verdict);
        Assert.NotEqual(rotten.RecordedHash, rotten.FoundHash);
        _tree.Write("dir/file", "longer than before", ageSeconds: 1);
        Assert.Equal(FileVerdict.Changed, WorkspaceReader.Check(_store.Store, _id)!.Verdict);
        File.Delete(_tree.PathOf("dir/file"));
        Assert.Equal(FileVerdict.Missing, WorkspaceReader.Check(_store.Store, _id)!.Verdict);
        _tree.Link("dir/file", "/etc/hostname");
        Assert.Equal(FileVerdict.Missing, WorkspaceReader.Check(_store.Store, _id)!.Verdict);
        File.Delete(_tree.PathOf("dir/file"));
        _tree.Pipe("dir/file");
        Assert.Equal(FileVerdict.Unreadable, WorkspaceReader.Check(_store.Store, _id)!.Verdict);
        Assert.Null(WorkspaceReader.Check(_store.Store, "object:none"));
        Assert.Equal(FileVerdict.NotAFile, WorkspaceReader.Check(_store.Store, WorkspaceId())!.Verdict);
    }

    [Fact]
    public void It_is_one_open_conflict_however_often_it_is_read_and_then_one_storm()
    {
        Rot();
        MismatchRecord first = Record();
        Assert.True(first.IsNew);
        Assert.Equal("conflicted", _store.Get(RecordKind.Object, _id)!.Text("state"));
        StoredRecord conflict = _store.Get(RecordKind.Conflict, first.ConflictId)!;
        Assert.Equal("checksum-mismatch", conflict.Text("conflict_type"));
        using (ReadSnapshot snapshot = _store.Store.OpenSnapshot())
        {
            ExplainReport report = ObjectExplainer.Explain(snapshot, _id)!;
            Assert.Equal("1", report.Answers[6].Value);
            Assert.Contains(first.ConflictId, report.Answers[6].Sentence, StringComparison.Ordinal);
            Assert.Equal("no", report.Answers[4].Value);
        }

        ulong before = _store.Store.VisibleSequence;
        for (int i = 0; i < 20; i++)
        {
            MismatchRecord again = Record();
            Assert.Equal(first.ConflictId, again.ConflictId);
            Assert.False(again.IsNew);
        }

        // Two more sights of their own, then the storm's record.
        Assert.Equal(before + 3, _store.Store.VisibleSequence);
        using ReadSnapshot after = _store.Store.OpenSnapshot();
        Assert.Single(after.Range(RecordKind.Conflict).ToList());
        StoredRecord storm = Assert.Single(after.Range(RecordKind.Observation).ToList());
        Assert.Equal(_id, storm.Text("object_id"));
        Assert.Contains("At least 4 reads", storm.Text("summary"), StringComparison.Ordinal);
    }

    [Fact]
    public void Taking_the_file_as_it_is_reads_it_again()
    {
        Rot();
        string id = Record().ConflictId;
        File.WriteAllText(_tree.PathOf("dir/file"), "the truth of now");
        ConflictOutcome outcome = Resolve(id, "merge");
        Assert.True(outcome.Receipt.IsCommitted, outcome.Receipt.Refusal?.Reason);
        StoredRecord file = _store.Get(RecordKind.Object, _id)!;
        Assert.Equal("active", file.Text("state"));
        Assert.Equal(FileVerdict.Matches, WorkspaceReader.Check(_store.Store, _id)!.Verdict);
        Assert.Equal("resolved", _store.Get(RecordKind.Conflict, id)!.Text("status"));
        Assert.Equal("conflict.settled", Resolve(id, "merge").Receipt.Refusal!.Rule);
        Assert.Equal(0, Adopt().Files.Changed);

        // A mismatch after that is another conflict.
        Rot();
        Assert.True(Record().IsNew);
    }

    [Fact]
    public void The_record_stays_only_when_the_file_is_restored()
    {
        Rot();
        string id = Record().ConflictId;
        Assert.Equal("conflict.not-restored", Resolve(id, "skip").Receipt.Refusal!.Rule);
        Assert.Equal("open", _store.Get(RecordKind.Conflict, id)!.Text("status"));
        _tree.Write("dir/file", "good bytes");
        Assert.True(Resolve(id, "skip").Receipt.IsCommitted);
        Assert.Equal("active", _store.Get(RecordKind.Object, _id)!.Text("state"));
        Assert.Equal(FileVerdict.Matches, WorkspaceReader.Check(_store.Store, _id)!.Verdict);
    }

    [Fact]
    public void A_fork_keeps_what_was_recorded_and_adopting_leaves_it_alone()
    {
        string recorded = HashOf(_store.Get(RecordKind.Object, _id)!);
        Rot();
        string id = Record().ConflictId;
        ConflictOutcome outcome = Resolve(id, "fork");
        Assert.True(outcome.Receipt.IsCommitted, outcome.Receipt.Refusal?.Reason);
        using (ReadSnapshot snapshot = _store.Store.OpenSnapshot())
        {
            StoredRecord fork = Assert.Single(snapshot.Range(RecordKind.Object).ToList(), record => record.Id.StartsWith(_id + "~", StringComparison.Ordinal));
            Assert.Equal(recorded, HashOf(fork));
            Assert.Contains("dir/file", fork.Text("title"), StringComparison.Ordinal);
        }

        Assert.Equal(0, Adopt().Files.Removed);
        Assert.Equal(FileVerdict.Matches, WorkspaceReader.Check(_store.Store, _id)!.Verdict);
    }

    [Fact]
    public void A_file_that_is_gone_proves_neither_side()
    {
        Rot();
        string id = Record().ConflictId;
        File.Delete(_tree.PathOf("dir/file"));
        foreach (string option in ConflictRoom.Options)
        {
            Assert.Equal("conflict.file-not-readable", Resolve(id, option).Receipt.Refusal!.Rule);
        }
    }

    [Fact]
    public void Adopting_a_changed_file_does_not_settle_its_conflict()
    {
        Rot();
        string id = Record().ConflictId;
        File.WriteAllText(_tree.PathOf("dir/file"), "edited since");
        Assert.Equal(1, Adopt().Files.Changed);
        Assert.Equal("conflicted", _store.Get(RecordKind.Object, _id)!.Text("state"));
        Assert.True(Resolve(id, "merge").Receipt.IsCommitted);
        Assert.Equal("active", _store.Get(RecordKind.Object, _id)!.Text("state"));
    }

    [Fact]
    public async Task Who_may_not_write_records_nothing()
    {
        _store.AddActor("actor:reader", """["read"]""");
        Rot();
        MismatchRecord refused = await ChecksumMismatch.RecordAsync(_store.Store, _store.Session("actor:reader"), WorkspaceReader.Check(_store.Store, _id)!, s_now);
        Assert.Equal("", refused.ConflictId);
        Assert.Equal("actor.capability", refused.Receipt!.Refusal!.Rule);
        Assert.Equal("active", _store.Get(RecordKind.Object, _id)!.Text("state"));
    }

    [Fact]
    public void Two_readers_at_once_record_one_conflict()
    {
        Rot();
        FileCheck check = WorkspaceReader.Check(_store.Store, _id)!;
        Parallel.For(0, 8, _ => Assert.NotEqual("", ChecksumMismatch.RecordAsync(_store.Store, _store.Session(), check, s_now).GetAwaiter().GetResult().ConflictId));
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        Assert.Single(snapshot.Range(RecordKind.Conflict).ToList());
    }

    private MismatchRecord Record() => ChecksumMismatch.RecordAsync(_store.Store, _store.Session(), WorkspaceReader.Check(_store.Store, _id)!, DateTimeOffset.UtcNow).GetAwaiter().GetResult();

    private ConflictOutcome Resolve(string id, string option) => ConflictRoom.ResolveAsync(_store.Store, _store.Session(), id, option, "because", s_now).GetAwaiter().GetResult()!;

    private AdoptReport Adopt()
    {
        AdoptReport report = WorkspaceAdapter.AdoptAsync(_store.Store, _store.Session().Identity, _tree.Root).GetAwaiter().GetResult();
        Assert.Null(report.Refusal);
        return report;
    }

    private string WorkspaceId()
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        return snapshot.Range(RecordKind.Object).ToList().Single(static record => record.Text("object_type") == "workspace").Id;
    }

    private static string HashOf(StoredRecord record)
    {
        using System.Text.Json.JsonDocument json = System.Text.Json.JsonDocument.Parse(record.ToJson());
        return json.RootElement.GetProperty("content_hash").GetString()!;
    }

    // Other bytes of the same size at the same time.
    private void Rot()
    {
        string path = _tree.PathOf("dir/file");
        DateTime time = File.GetLastWriteTimeUtc(path);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[0] ^= 1;
        File.WriteAllBytes(path, bytes);
        File.SetLastWriteTimeUtc(path, time);
    }
}
