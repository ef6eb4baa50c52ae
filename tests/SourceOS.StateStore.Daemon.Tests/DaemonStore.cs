// Why this file exists: a store with two profiles, a person and an agent, closed, for a daemon to be started on. Invariants: made through the gates, as any other.

using System.Text;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Daemon.Tests;

internal sealed class DaemonStore : IDisposable
{
    public const string Admin = "actor:admin";
    public const string Bot = "actor:bot";
    public const string Home = "profile:home";
    public const string Work = "profile:work";
    private readonly TemporaryDirectory _directory = new();

    public DaemonStore(bool isInitialised = true)
    {
        Path = System.IO.Path.Combine(_directory.Path, "store");
        if (isInitialised)
        {
            Initialise();
        }
    }

    public string Root => _directory.Path;

    public string Path { get; }

    public void Initialise()
    {
        using StateStore store = GovernedStore.Create(Path, new StateStoreOptions { ReserveBytes = 0 });
        SetupPlan plan = new("device:here", "here", Home, "personal", Admin, "Admin", "identity:admin");
        (_, CommitReceipt? receipt) = StoreSetup.EnsureAsync(store, plan, DateTimeOffset.UtcNow).GetAwaiter().GetResult();
        Assert.True(receipt!.IsCommitted);
        StateSession admin = store.OpenSession(new SessionIdentity(Admin, "device:here", Home));
        Done(admin, $$"""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"{{Bot}}","actor_type":"agent","capabilities":["read"],"profile_scope":["{{Home}}"],"workspace_scope":["workspace:w"]}""");
        Done(admin, Object("note:shown", Home, ""","title":"<script>alert('x')</script>" """));
        StateSession wide = store.OpenSession(new SessionIdentity(Admin, "device:here"));
        Done(wide, $$"""{"schema":"sourceos.profile-record/v1alpha1","profile_id":"{{Work}}","profile_class":"work"}""");
        Done(wide, Object("note:secret", Work, ""","title":"hidden" """));
    }

    /// <summary>Writes as the administrator; nobody else may hold the store.</summary>
    public ulong Write(params string[] documents)
    {
        using StateStore store = GovernedStore.Open(Path, new StateStoreOptions { ReserveBytes = 0 });
        return Done(store.OpenSession(new SessionIdentity(Admin, "device:here")), documents);
    }

    public static string Object(string id, string profile = Home, string more = "") =>
        $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"{{id}}","object_type":"note","profile_id":"{{profile}}","workspace_id":"workspace:w"{{more}}}""";

    public void Dispose() => _directory.Dispose();

    private static ulong Done(StateSession session, params string[] documents)
    {
        CommitBatch batch = new();
        foreach (string document in documents)
        {
            batch.PutJson(Encoding.UTF8.GetBytes(document));
        }

        CommitReceipt receipt = session.CommitAsync(batch).AsTask().GetAwaiter().GetResult();
        Assert.True(receipt.IsCommitted, $"{receipt.Refusal?.Rule}: {receipt.Refusal?.Reason}");
        return receipt.LastSequence;
    }
}
