// Why this file exists: tests of bundles need two stores that know nothing of each other, and short ways to carry a file between them. Invariants: both stores are set up as `init` does it, under different profiles and people.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bundles;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Governance.Tests.Gates;
using SourceOS.StateStore.Keys;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Bundles;

internal sealed class BundleWorld : IDisposable
{
    public const string Trip = "profile:trip";
    public const string Person = "actor:traveller";
    public static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;
    public static readonly BundleScope Workspace = new(BundleScopeKind.Workspace, "workspace:w");

    private readonly Lazy<GovernedFixture> _there = new(Fill);
    private readonly Lazy<GovernedFixture> _here = new(static () => new GovernedFixture());

    public GovernedFixture There => _there.Value;

    public GovernedFixture Here => _here.Value;

    // A workspace of three notes by somebody with rights, under a schema and a profile that are not known here.
    private static GovernedFixture Fill()
    {
        GovernedFixture there = new();
        Done(there.Session(profile: ""), Batch(
            $$"""{"schema":"sourceos.profile-record/v1alpha1","profile_id":"{{Trip}}","display_name":"Trip","profile_class":"work"}""",
            $$"""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"{{Person}}","actor_type":"human","display_name":"T","capabilities":["read","write","administer"],"profile_scope":["*"],"workspace_scope":["*"],"trust_level":"user","secret_hint":"x"}""",
            """{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:trip","object_type":"note","schema_version":"v1","json_schema":{"type":"object"}}"""));
        Done(there.Session(Person, Trip), Batch(
            $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"workspace:w","object_type":"workspace","profile_id":"{{Trip}}","workspace_id":"workspace:w"}""",
            Note("note:1"), Note("note:2"), Note("note:3")));
        return there;
    }

    public static string Note(string id, string more = "") =>
        GovernedFixture.Object(id, Trip, $$""","schema_id":"schema:trip","created_by_actor":"{{Person}}","future_field":{"a":[1,2]}{{more}}""");

    public static byte[] Pack(GovernedFixture store, BundleScope? scope = null, ReadScope? reader = null, string? actor = Admin, PrivateKey? key = null) =>
        Pack(store, out _, scope, reader, actor, key)!;

    public static byte[]? Pack(GovernedFixture store, out BundleReport? report, BundleScope? scope = null, ReadScope? reader = null, string? actor = Admin, PrivateKey? key = null)
    {
        using ReadSnapshot snapshot = store.Store.OpenSnapshot();
        BundleExport? export = BundleExport.Prepare(store.Store, snapshot, new BundleRequest(scope ?? Workspace, reader ?? ReadScope.Everything, actor), Now);
        report = export?.Report;
        if (report?.Manifest is null)
        {
            return null;
        }

        using MemoryStream file = new();
        export!.WriteTo(file, key);
        return file.ToArray();
    }

    public static BundlePlan Plan(GovernedFixture store, byte[] bundle, NoteKey? trusted = null)
    {
        using MemoryStream file = new(bundle);
        return BundlePlanner.Plan(store.Store, file, "bundle", trusted);
    }

    public static BundleImportResult Take(GovernedFixture store, byte[] bundle, bool allowOlder = false, string actor = Admin, string bridge = BundleImport.DefaultBridge)
    {
        BundlePlan plan = Plan(store, bundle);
        using MemoryStream file = new(bundle);
        return BundleImport.ApplyAsync(store.Store, file, "bundle", plan, new BundleImportRequest(new SessionIdentity(actor, Device, Home), bridge, allowOlder), Now).GetAwaiter().GetResult();
    }

    public static void Change(GovernedFixture store, string document) => Done(store.Session(profile: ""), Batch(document));

    public static string Json(StoredRecord? record) => Encoding.UTF8.GetString(record!.ToJson());

    public void Dispose()
    {
        foreach (Lazy<GovernedFixture> store in (Lazy<GovernedFixture>[])[_there, _here])
        {
            if (store.IsValueCreated)
            {
                store.Value.Dispose();
            }
        }
    }
}
