// Why this file exists: tests of the gates need a store that is set up as `init` does it, sessions of several actors, and short ways to say records. Invariants: the store is verified
// when the fixture is disposed, so no test leaves a store behind that its refusals damaged.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Governance.Tests.Gates;

internal sealed class GovernedFixture : IDisposable
{
    public const string Admin = "actor:admin";
    public const string Device = "device:here";
    public const string Home = "profile:home";
    private readonly TemporaryDirectory _directory = new();

    private readonly IBatchSigner? _signer;

    public GovernedFixture(TimeProvider? clock = null, IBatchSigner? signer = null)
    {
        _signer = signer;
        Path = System.IO.Path.Combine(_directory.Path, "store");
        Store = GovernedStore.Create(Path, new StateStoreOptions { Clock = clock, ReserveBytes = 0, Signer = _signer });
        SetupPlan plan = new(Device, "here", Home, "personal", Admin, "Admin", "identity:admin");
        (_, CommitReceipt? receipt) = StoreSetup.EnsureAsync(Store, plan, (clock ?? TimeProvider.System).GetUtcNow()).GetAwaiter().GetResult();
        Assert.True(receipt!.IsCommitted, receipt.Refusal?.Reason);
    }

    public string Path { get; }

    public StateStore Store { get; private set; }

    public StateSession Session(string actor = Admin, string profile = Home, string device = Device) => Store.OpenSession(new SessionIdentity(actor, device, profile));

    /// <summary>Adds an actor; capabilities and profiles are lists in JSON.</summary>
    public void AddActor(string id, string capabilities = """["read","write"]""", string profiles = """["profile:home"]""", string type = "agent", string more = "")
    {
        Done(Session(), Batch($$"""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"{{id}}","actor_type":"{{type}}","capabilities":{{capabilities}},"profile_scope":{{profiles}},"workspace_scope":["workspace:w"]{{more}}}"""));
    }

    public static string Object(string id, string profile = Home, string more = "") =>
        $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"{{id}}","object_type":"note","profile_id":"{{profile}}","workspace_id":"workspace:w"{{more}}}""";

    public static CommitBatch Batch(params string[] documents)
    {
        CommitBatch batch = new();
        foreach (string document in documents)
        {
            batch.PutJson(Encoding.UTF8.GetBytes(document));
        }

        return batch;
    }

    public static CommitReceipt Try(StateSession session, CommitBatch batch) => session.CommitAsync(batch).AsTask().GetAwaiter().GetResult();

    public static void Done(StateSession session, CommitBatch batch)
    {
        CommitReceipt receipt = Try(session, batch);
        Assert.True(receipt.IsCommitted, $"{receipt.Refusal?.Rule}: {receipt.Refusal?.Reason}");
    }

    /// <summary>Expects a refusal by a rule, an audit event that says so, and nothing else changed.</summary>
    public CommitRefusal Refused(StateSession session, CommitBatch batch, string rule, string eventType = "sync.policy.denied")
    {
        ulong before = Store.VisibleSequence;
        CommitReceipt receipt = Try(session, batch);
        Assert.False(receipt.IsCommitted);
        Assert.Equal(rule, receipt.Refusal!.Rule);
        Assert.NotEqual("", receipt.Refusal.Reason);
        Assert.NotEqual("", receipt.Refusal.Remedy);
        Assert.Equal(before + 1, receipt.AuditSequence);
        Assert.Equal(before + 1, Store.VisibleSequence);
        using ReadSnapshot snapshot = Store.OpenSnapshot();
        StoredEvent audit = snapshot.ReadEvent(receipt.AuditSequence)!;
        Assert.Equal(eventType, audit.Type);
        Assert.Equal(Lane.Audit, audit.Lane);
        Assert.Equal(session.Identity.ActorId, audit.ActorId);
        Assert.Contains($"\"rule\":\"{rule}\"", Encoding.UTF8.GetString(audit.DataJson.Span), StringComparison.Ordinal);
        return receipt.Refusal;
    }

    public StoredRecord? Get(RecordKind kind, string id)
    {
        using ReadSnapshot snapshot = Store.OpenSnapshot();
        return snapshot.Get(kind, id);
    }

    public void Reopen(TimeProvider? clock = null)
    {
        Store.Dispose();
        Store = GovernedStore.Open(Path, new StateStoreOptions { Clock = clock, ReserveBytes = 0, Signer = _signer });
    }

    public void Dispose()
    {
        Store.Dispose();
        _directory.Dispose();
    }
}
