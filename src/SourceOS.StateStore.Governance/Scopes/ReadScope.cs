// Why this file exists: profiles are boundaries for reading too: what a reader's scope does not cover is not listed, not found and not told of in the log. Invariants: a record of another profile and a record that does not
// exist are the same to a reader; seeing the whole store takes the capability `store_wide`; an event whose profile is not known any more, because it was erased, is seen by store-wide readers alone.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Scopes;

/// <summary>Why nobody can read.</summary>
public enum ReadScopeFault
{
    /// <summary>There is no fault.</summary>
    None = 0,

    /// <summary>The actor is not registered.</summary>
    ActorNotRegistered = 1,

    /// <summary>The actor is revoked.</summary>
    ActorRevoked = 2,

    /// <summary>The actor does not hold the capability `read`.</summary>
    NoCapability = 3,

    /// <summary>The profile asked for, or every profile, is outside the actor's scope.</summary>
    NoProfileInScope = 4,

    /// <summary>The actor is quarantined.</summary>
    ActorQuarantined = 5,

    /// <summary>This device is revoked or quarantined, and the actor may not see the whole store.</summary>
    DeviceNotTrusted = 6,
}

/// <summary>What a reader may see. Immutable, thread-safe.</summary>
public sealed class ReadScope
{
    private readonly Grant[] _grants;

    private ReadScope(Grant[] grants, DateTimeOffset? validUntil = null)
    {
        _grants = grants;
        ValidUntil = validUntil ?? DateTimeOffset.MaxValue;
    }

    /// <summary>The scope of the store's owner: whoever may read its files sees everything that is in them.</summary>
    public static ReadScope Everything { get; } = new([new Grant(null, null)]);

    /// <summary>Whether nothing is hidden.</summary>
    public bool IsEverything => _grants is [{ Profiles: null, Workspaces: null }];

    /// <summary>When the scope becomes narrower by itself, because a lease runs out; the highest time when it does not. Records of actors, leases, memberships and devices may change it at any sequence.</summary>
    public DateTimeOffset ValidUntil { get; }

    /// <summary>Whether an event may change what readers see, so that who follows the log asks for the scope again.</summary>
    /// <param name="item">The event.</param>
    /// <returns>True when it may.</returns>
    public static bool MayChangeBy(StoredEvent item)
    {
        ArgumentNullException.ThrowIfNull(item);
        return item.SubjectKind is RecordKind.Actor or RecordKind.Lease or RecordKind.Membership or RecordKind.Device or RecordKind.Profile;
    }

    /// <summary>The scope of an actor: profiles and workspaces of its record, workspaces it is a member of, and leases of the capability `read` that have not run out, as the gates count them for writing.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="actorId">The actor.</param>
    /// <param name="profileId">Only this profile; null for all in the actor's scope.</param>
    /// <param name="scope">The scope when there is no fault.</param>
    /// <returns>Why not, or no fault.</returns>
    public static ReadScopeFault Resolve(ReadSnapshot snapshot, string actorId, string? profileId, out ReadScope scope)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        scope = Everything;
        if (!snapshot.TryGet(RecordKind.Actor, System.Text.Encoding.UTF8.GetBytes(actorId), out RecordView record))
        {
            return ReadScopeFault.ActorNotRegistered;
        }

        ActorFacts actor = ActorFacts.Of(actorId, record.Sequence, record.IsTombstone, record.Body);
        bool reads = actor.Capabilities.Contains(Capabilities.Read);
        bool storeWide = reads && actor.Capabilities.Contains(Capabilities.StoreWide) && actor.Profiles.IsAll;
        if (actor.IsRevoked || actor.Trust == "quarantined")
        {
            return actor.IsRevoked ? ReadScopeFault.ActorRevoked : ReadScopeFault.ActorQuarantined;
        }

        if (!storeWide && !IsDeviceTrusted(snapshot))
        {
            return ReadScopeFault.DeviceNotTrusted;
        }

        ReadGrants grants = new(snapshot, actor);
        List<Grant> found = [];
        if (reads)
        {
            found.Add(grants.Own(storeWide && profileId is null));
        }

        found.AddRange(grants.Leased(out DateTimeOffset validUntil));
        if (found.Count == 0)
        {
            return ReadScopeFault.NoCapability;
        }

        if (profileId is not null)
        {
            found = [.. found.Where(grant => grant.Reach?.Covers(profileId) != false).Select(grant => grant with { Profiles = [profileId] })];
        }

        scope = new ReadScope([.. found], validUntil);
        return found.TrueForAll(static grant => grant.Profiles is { Count: 0 }) ? ReadScopeFault.NoProfileInScope : ReadScopeFault.None;
    }

    /// <summary>What a door shows: the scope of the actor that it was told to read as, else that of the user's own actor. Who may read the store's files and is nobody in it sees what is in them.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="actorId">The actor that was named; null when none was.</param>
    /// <param name="profileId">Only this profile; null for all in the scope.</param>
    /// <param name="userName">The operating system's user, for the actor when none was named.</param>
    /// <param name="scope">The scope when there is no fault.</param>
    /// <returns>Why not, or no fault.</returns>
    public static ReadScopeFault OfCaller(ReadSnapshot snapshot, string? actorId, string? profileId, string userName, out ReadScope scope)
    {
        ReadScopeFault fault = Resolve(snapshot, actorId ?? LocalIdentity.ActorOfUser(userName), profileId, out scope);
        if (fault == ReadScopeFault.ActorNotRegistered && actorId is null)
        {
            scope = profileId is null ? Everything : OfProfile(profileId);
            return ReadScopeFault.None;
        }

        return fault;
    }

    /// <summary>A scope of one profile, for the store's owner.</summary>
    /// <param name="profileId">The profile.</param>
    /// <returns>The scope.</returns>
    public static ReadScope OfProfile(string profileId) => new([new Grant([profileId], null)]);

    /// <summary>Whether a record may be seen.</summary>
    /// <param name="record">The record.</param>
    /// <returns>True when it may. Records that belong to no profile, such as schemas, may.</returns>
    public bool Allows(RecordView record) => IsEverything || Allows(record.Kind, record.Body);

    /// <summary>Whether a record may be seen.</summary>
    /// <param name="record">The record.</param>
    /// <returns>True when it may.</returns>
    public bool Allows(StoredRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return IsEverything || Allows(record.Kind, Slots.Open(record.Body));
    }

    /// <summary>Whether an event may be seen.</summary>
    /// <param name="item">The event.</param>
    /// <returns>True when it may.</returns>
    public bool Allows(StoredEvent item)
    {
        ArgumentNullException.ThrowIfNull(item);
        if (IsEverything)
        {
            return true;
        }

        return !item.IsErased && AllowsPlace(item.ProfileId, item.WorkspaceId)
            && (item.Image.IsEmpty || item.SubjectKind is not { } kind || Allows(kind, Slots.Open(item.Image)));
    }

    private bool Allows(RecordKind kind, RecordBodyView body) => AllowsPlace(Slots.Profile(kind, body), Slots.Workspace(kind, body));

    private bool AllowsPlace(string profile, string workspace)
    {
        foreach (Grant grant in _grants)
        {
            if ((profile.Length == 0 || grant.Profiles is null || grant.Profiles.Contains(profile)) && (workspace.Length == 0 || grant.Workspaces is null || grant.Workspaces.Covers(workspace)))
            {
                return true;
            }
        }

        return false;
    }

    // Writing on such a device is refused whoever writes; reading is left to whoever may see the whole store, who has to find out what happened.
    private static bool IsDeviceTrusted(ReadSnapshot snapshot) => LocalIdentity.DeviceEvenRevoked(snapshot) is not { } id
        || (snapshot.Get(RecordKind.Device, id) is { IsTombstone: false } device && !Slots.Has(Slots.Open(device.Body), Slots.Device.RevokedAt) && device.Text("device_state") is not ("revoked" or "quarantined"));
}
