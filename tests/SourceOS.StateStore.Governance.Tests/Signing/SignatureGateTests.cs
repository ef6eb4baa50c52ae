// Why this file exists: who has a key for changes signs privileged writes without being asked, and cannot leave it out; a store without keys works as it always did. Invariants: each refusal is recorded and told with what would make it pass; the
// check of the log agrees with the gate on every store that is made here.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Retention;
using SourceOS.StateStore.Governance.Signing;
using SourceOS.StateStore.Governance.Tests.Gates;
using SourceOS.StateStore.Governance.Trust;
using SourceOS.StateStore.Keys;
using SourceOS.StateStore.Testing;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Signing;

public sealed class SignatureGateTests : IDisposable
{
    private readonly TemporaryDirectory _keys = new();
    private readonly GovernedFixture _store;
    private readonly KeyFolder _folder;
    private bool _isAway;

    public SignatureGateTests()
    {
        _folder = new KeyFolder(Path.Combine(_keys.Path, "keys"));
        _store = new GovernedFixture(signer: new Switched(this, new ChangeSigner(_folder)));
    }

    private sealed class Switched(SignatureGateTests test, ChangeSigner signer) : IBatchSigner
    {
        public bool IsIdle => test._isAway;

        public IReadOnlyList<SignedData> Sign(StateStore store, SessionIdentity session, IReadOnlyList<ProposedChange> changes) => signer.Sign(store, session, changes);
    }

    [Fact]
    public void Without_keys_nothing_is_asked_and_nothing_is_signed()
    {
        Done(_store.Session(), Batch(Person("identity:1")));
        SignatureReport report = SignatureCheck.Run(_store.Store);
        Assert.Equal(0UL, report.FindingCount);
        Assert.Equal(0UL, report.Valid);
        Assert.True(report.Unsigned > 25);
    }

    [Fact]
    public async Task With_a_key_every_privileged_write_is_signed_without_being_told()
    {
        string key = await CreateAsync();
        Done(_store.Session(), Batch(Person("identity:1")));
        Done(_store.Session(), Batch(GovernedFixture.Object("note:1")));
        await HoldRoom.SetAsync(_store.Store, _store.Session(), "note:1", true, "court");
        await PolicyRoom.LoadAsync(_store.Session(), PolicySource.ShippedDocument(), DateTimeOffset.UtcNow);
        _store.AddActor("actor:gone");
        await TrustRoom.RevokeAsync(_store.Store, _store.Session(), RecordKind.Actor, "actor:gone", "left", DateTimeOffset.UtcNow);

        SignatureReport report = SignatureCheck.Run(_store.Store);
        Assert.Equal(0UL, report.FindingCount);
        Assert.Equal(7UL, report.Valid);
        StoredEvent hold = Last("sync.hold.set");
        Assert.Contains("\"reason\":\"court\"", Encoding.UTF8.GetString(hold.DataJson.Span), StringComparison.Ordinal);
        Assert.Contains(key, Encoding.UTF8.GetString(hold.DataJson.Span), StringComparison.Ordinal);
        Assert.Equal(SignatureForm.Absent, ChangeSignature.TryRead(Last("sync.object.created").DataJson.Span, out _));
    }

    [Fact]
    public async Task Who_has_a_key_cannot_leave_the_signature_out()
    {
        await CreateAsync();
        Done(_store.Session(), Batch(GovernedFixture.Object("note:1")));
        _isAway = true;
        CommitRefusal refusal = _store.Refused(_store.Session(), Batch(Person("identity:1")), "signature.required");
        Assert.Contains("keys create --purpose changes", refusal.Remedy, StringComparison.Ordinal);
        _store.Refused(_store.Session(), Batch(GovernedFixture.Object("note:1", more: ""","legal_hold":true""")), "signature.required");
        Done(_store.Session(), Batch(GovernedFixture.Object("note:1", more: ""","title":"an ordinary write" """)));
        Assert.Equal(0UL, SignatureCheck.Run(_store.Store).FindingCount);
    }

    [Fact]
    public async Task A_signature_that_does_not_hold_is_refused()
    {
        await CreateAsync();
        using PrivateKey key = Load();
        using PrivateKey stranger = PrivateKey.Generate();
        Done(_store.Session(), Batch(Person("identity:1")));
        ulong now = _store.Get(RecordKind.Identity, "identity:1")!.Sequence;
        byte[] body = Body(Person("identity:1", "B"));
        SignedChange right = new(_store.Store.Id, EventAction.Put, RecordKind.Identity, "identity:1", now, Admin, body);
        _store.Refused(_store.Session(), Signed(body, right with { PreviousSequence = now - 1 }, key), "signature.invalid");
        _store.Refused(_store.Session(), Signed(body, right with { StoreId = Guid.NewGuid() }, key), "signature.invalid");
        Assert.Equal("signature.invalid", Try(_store.Session(), Signed(body, right with { Body = Body(Person("identity:1")) }, key)).Refusal!.Rule);
        _store.Refused(_store.Session(), Signed(body, right, stranger), "signature.key");
        _store.Refused(_store.Session(), new CommitBatch().Put(RecordKind.Identity, "identity:1", body, new ChangeOptions { DataJson = """{"signature":1}"""u8.ToArray() }), "signature.malformed");
        Done(_store.Session(), Signed(body, right, key));

        // The same bytes a second time are about a sequence that is past.
        Assert.Equal("signature.invalid", Try(_store.Session(), Signed(body, right, key)).Refusal!.Rule);
    }

    [Fact]
    public async Task A_revoked_key_signs_nothing_and_a_rotated_one_hands_over()
    {
        string first = await CreateAsync();
        KeyChange rotated = (await new KeyRoom(_folder).RotateAsync(_store.Store, _store.Session(), first))!;
        Assert.True(rotated.Receipt.IsCommitted, rotated.Receipt.Refusal?.Reason);
        Done(_store.Session(), Batch(Person("identity:1")));
        Assert.Contains(rotated.KeyId, Encoding.UTF8.GetString(Last("sync.identity.registered").DataJson.Span), StringComparison.Ordinal);
        using PrivateKey old = _folder.Load(first);
        byte[] body = Body(Person("identity:2"));
        CommitRefusal refusal = _store.Refused(_store.Session(), Signed(body, new SignedChange(_store.Store.Id, EventAction.Put, RecordKind.Identity, "identity:2", 0, Admin, body), old), "signature.key");
        Assert.Contains("revoked", refusal.Reason, StringComparison.Ordinal);
        Assert.Equal(0UL, SignatureCheck.Run(_store.Store).FindingCount);
    }

    [Fact]
    public async Task A_policy_can_demand_signatures_of_everybody()
    {
        await CreateAsync();
        _store.AddActor("actor:second", """["read","write","administer","migrate_schema","store_wide","delete"]""", """["*"]""", "human", ""","identity_id":"identity:admin" """);
        await PolicyRoom.LoadAsync(_store.Session(), """{"schema":"sourceos.policy-rules/v1alpha1","policy_id":"p","version":"1","require_signatures":true,"defaults":{"write":"allow","delete":"allow","migrate":"allow"},"rules":[]}"""u8.ToArray(), DateTimeOffset.UtcNow);
        _store.Reopen();
        CommitRefusal refusal = _store.Refused(_store.Session("actor:second"), Batch("""{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:x","object_type":"x","schema_version":"v1"}"""), "signature.required");
        Assert.Contains("policy", refusal.Reason, StringComparison.Ordinal);

        // A first key of one's own is not enough where others have keys: somebody who has one registers it.
        KeyChange own = await new KeyRoom(_folder).CreateAsync(_store.Store, _store.Session("actor:second"), KeyRoom.ChangesPurpose);
        Assert.Equal("signature.key", own.Receipt.Refusal!.Rule);
        KeyChange given = await new KeyRoom(_folder).CreateAsync(_store.Store, _store.Session(), KeyRoom.ChangesPurpose, "actor:second");
        Assert.True(given.Receipt.IsCommitted, given.Receipt.Refusal?.Reason);
        Done(_store.Session("actor:second"), Batch("""{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:x","object_type":"x","schema_version":"v1"}"""));
        Assert.Equal(0UL, SignatureCheck.Run(_store.Store).FindingCount);
    }

    [Theory]
    [InlineData("\"yes\"")]
    [InlineData("1")]
    [InlineData("null")]
    public void What_a_policy_says_of_signatures_is_read_strictly(string value) =>
        Assert.False(PolicyRules.TryParse(Encoding.UTF8.GetBytes($$"""{"schema":"sourceos.policy-rules/v1alpha1","policy_id":"p","version":"1","require_signatures":{{value}},"rules":[]}"""), out _, out _));

    [Fact]
    public async Task What_went_round_the_gates_is_found_in_the_log()
    {
        await CreateAsync();
        using PrivateKey key = Load();
        _store.Store.Dispose();
        byte[] body = Body(Person("identity:forged"));
        SignedChange right = new(Guid.NewGuid(), EventAction.Put, RecordKind.Identity, "identity:forged", 0, Admin, body);
        using (StateStore bare = StateStore.Open(_store.Path, new StateStoreOptions { ReserveBytes = 0 }))
        {
            StateSession session = bare.OpenSession(new SessionIdentity(Admin, Device, Home));
            Done(session, Batch(Person("identity:unsigned")));
            Done(session, Signed(body, right, key));
            Done(session, new CommitBatch().PutJson(Encoding.UTF8.GetBytes(Person("identity:strange")), new ChangeOptions { DataJson = """{"signature":{}}"""u8.ToArray() }));
        }

        _store.Reopen();
        SignatureReport report = SignatureCheck.Run(_store.Store);
        Assert.Equal(["signature.required", "signature.invalid", "signature.malformed"], report.Findings.Select(static finding => finding.Rule));
        Assert.Equal(1UL, report.Valid);
    }

    private async Task<string> CreateAsync()
    {
        KeyChange change = await new KeyRoom(_folder).CreateAsync(_store.Store, _store.Session(), KeyRoom.ChangesPurpose);
        Assert.True(change.Receipt.IsCommitted, change.Receipt.Refusal?.Reason);
        return change.KeyId;
    }

    private PrivateKey Load()
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        return new KeyRoom(_folder).LoadChangesKey(snapshot, Admin)!;
    }

    private StoredEvent Last(string type)
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        return snapshot.ReadEvents(1).Last(item => item.Type == type);
    }

    private static CommitBatch Signed(byte[] body, in SignedChange change, PrivateKey key) =>
        new CommitBatch().Put(change.Kind, change.Id, body, new ChangeOptions { DataJson = ChangeSignature.Attach(change, default, key) });

    private static byte[] Body(string document)
    {
        Assert.True(RecordJson.TryParse(Encoding.UTF8.GetBytes(document), out _, out _, out byte[]? body, out _));
        return body;
    }

    private static string Person(string id, string name = "A") =>
        $$"""{"schema":"sourceos.identity-record/v1alpha1","identity_id":"{{id}}","identity_type":"user","display_name":"{{name}}"}""";

    public void Dispose()
    {
        _store.Dispose();
        _keys.Dispose();
    }
}
