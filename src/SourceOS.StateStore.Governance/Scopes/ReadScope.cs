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
}

/// <summary>What a reader may see. Immutable, thread-safe.</summary>
public sealed class ReadScope
{
    private readonly HashSet<string>? _profiles;
    private readonly ScopeSet? _workspaces;

    private ReadScope(HashSet<string>? profiles, ScopeSet? workspaces)
    {
        _profiles = profiles;
        _workspaces = workspaces;
    }

    /// <summary>The scope of the store's owner: whoever may read its files sees everything that is in them.</summary>
    public static ReadScope Everything { get; } = new(null, null);

    /// <summary>Whether nothing is hidden.</summary>
    public bool IsEverything => _profiles is null && _workspaces is null;

    /// <summary>The scope of an actor.</summary>
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
        if (actor.IsRevoked)
        {
            return ReadScopeFault.ActorRevoked;
        }

        if (!actor.Capabilities.Contains(Capabilities.Read))
        {
            return ReadScopeFault.NoCapability;
        }

        bool storeWide = actor.Capabilities.Contains(Capabilities.StoreWide) && actor.Profiles.IsAll;
        if (profileId is not null)
        {
            scope = new ReadScope([profileId], actor.Workspaces.IsAll ? null : actor.Workspaces);
            return actor.Profiles.Covers(profileId) ? ReadScopeFault.None : ReadScopeFault.NoProfileInScope;
        }

        HashSet<string>? profiles = storeWide ? null : [.. actor.Profiles.IsAll ? [LocalIdentity.Profile(snapshot) ?? ""] : actor.Profiles.Ids];
        scope = new ReadScope(profiles, storeWide || actor.Workspaces.IsAll ? null : actor.Workspaces);
        return profiles is { Count: 0 } ? ReadScopeFault.NoProfileInScope : ReadScopeFault.None;
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
    public static ReadScope OfProfile(string profileId) => new([profileId], null);

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

    private bool AllowsPlace(string profile, string workspace) =>
        (profile.Length == 0 || _profiles is null || _profiles.Contains(profile)) && (workspace.Length == 0 || _workspaces is null || _workspaces.Covers(workspace));
}
