// Why this file exists: a command or a daemon acts on this device, in a profile, as someone; the store says which. Invariants: this device is the first
// that the store registered as local and did not revoke, and likewise the profile, so records that come in later never take their place;
// an actor that is not registered, or revoked, is never acted as.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Bootstrap;

/// <summary>Why nobody can be acted as.</summary>
public enum LocalIdentityFault
{
    /// <summary>There is no fault.</summary>
    None = 0,

    /// <summary>The store has no record of the actor.</summary>
    ActorNotRegistered = 1,

    /// <summary>The actor was revoked or deleted.</summary>
    ActorRevoked = 2,

    /// <summary>No profile is in the actor's scope.</summary>
    NoProfileInScope = 3,
}

/// <summary>Which profile a session is bound to.</summary>
/// <param name="Given">The profile that the caller asked for; null when it did not.</param>
/// <param name="OfRecord">The profile of the record that the session is for; null or empty when it has none, or there are several records.</param>
/// <param name="PrefersStoreWide">Whether the session is for records of several profiles, and its actor may act without being bound to one.</param>
public readonly record struct ProfileChoice(string? Given = null, string? OfRecord = null, bool PrefersStoreWide = false);

/// <summary>Finds who acts, on which device, in which profile.</summary>
public static class LocalIdentity
{
    private static readonly int DeviceRevokedAt = Slots.Device.RevokedAt;
    private static readonly int DeviceTrust = Slots.Device.Trust;
    private static readonly int ProfileRevokedAt = Slots.ProfileFields.RevokedAt;

    /// <summary>The actor that stands for a user of the operating system.</summary>
    /// <param name="userName">The user's name; empty when it is not known.</param>
    /// <returns>An identifier.</returns>
    public static string ActorOfUser(string userName) => "actor:" + NameOfUser(userName);

    /// <summary>The identity that stands for a user of the operating system.</summary>
    /// <param name="userName">The user's name; empty when it is not known.</param>
    /// <returns>An identifier.</returns>
    public static string IdentityOfUser(string userName) => "identity:" + NameOfUser(userName);

    /// <summary>This device, as the store registered it.</summary>
    /// <param name="snapshot">The state.</param>
    /// <returns>Its identifier, or null when there is none.</returns>
    public static string? Device(ReadSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return First(snapshot, RecordKind.Device, static (_, body) =>
            IsNotRevoked(body, DeviceRevokedAt) && body.TryGetText(DeviceTrust, out ReadOnlySpan<byte> trust) && trust.SequenceEqual("local"u8));
    }

    /// <summary>This device also when it was revoked and no other took its place; null when the store never had one.</summary>
    /// <param name="snapshot">The state.</param>
    public static string? DeviceEvenRevoked(ReadSnapshot snapshot) => Device(snapshot)
        ?? First(snapshot, RecordKind.Device, static (_, body) => body.TryGetText(DeviceTrust, out ReadOnlySpan<byte> trust) && trust.SequenceEqual("local"u8));

    /// <summary>The profile that commands act in unless they say otherwise.</summary>
    /// <param name="snapshot">The state.</param>
    /// <returns>Its identifier, or null when there is none.</returns>
    public static string? Profile(ReadSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return First(snapshot, RecordKind.Profile, static (_, body) => IsNotRevoked(body, ProfileRevokedAt));
    }

    /// <summary>Who acts, and in which profile: the one asked for; else that of the record, when it is in the actor's scope; else the first registered one that is.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="actorId">The actor.</param>
    /// <param name="choice">Which profile.</param>
    /// <param name="identity">The identity to open a session with, when there is no fault.</param>
    /// <returns>Why not, or no fault.</returns>
    public static LocalIdentityFault Resolve(ReadSnapshot snapshot, string actorId, ProfileChoice choice, out SessionIdentity identity)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(actorId);
        // A revoked device stays this device until another takes its place: acting on none would walk around the revocation.
        identity = new SessionIdentity(actorId, DeviceEvenRevoked(snapshot) ?? "");
        if (!snapshot.TryGet(RecordKind.Actor, Encoding.UTF8.GetBytes(actorId), out RecordView record))
        {
            return LocalIdentityFault.ActorNotRegistered;
        }

        ActorFacts actor = ActorFacts.Of(actorId, record.Sequence, record.IsTombstone, record.Body);
        if (actor.IsRevoked)
        {
            return LocalIdentityFault.ActorRevoked;
        }

        string? profile = choice.Given ?? ChooseProfile(snapshot, actor, choice);
        identity = identity with { ProfileId = profile ?? "" };
        return profile is null ? LocalIdentityFault.NoProfileInScope : LocalIdentityFault.None;
    }

    private static string? ChooseProfile(ReadSnapshot snapshot, ActorFacts actor, ProfileChoice choice)
    {
        bool storeWide = actor.Capabilities.Contains(Capabilities.StoreWide);
        if (choice.PrefersStoreWide && storeWide)
        {
            return "";
        }

        if (!string.IsNullOrEmpty(choice.OfRecord) && actor.Profiles.Covers(choice.OfRecord) && Identifier.IsValid(choice.OfRecord))
        {
            return choice.OfRecord;
        }

        return First(snapshot, RecordKind.Profile, (id, body) => IsNotRevoked(body, ProfileRevokedAt) && actor.Profiles.Covers(id))
            ?? actor.Profiles.Ids.Where(static id => id != "*").Order(StringComparer.Ordinal).FirstOrDefault()
            ?? (storeWide ? "" : null);
    }

    private delegate bool BodyTest(string id, RecordBodyView body);

    private static string? First(ReadSnapshot snapshot, RecordKind kind, BodyTest isWanted)
    {
        string? first = null;
        ulong surrogate = ulong.MaxValue;
        foreach (RecordView record in snapshot.Range(kind))
        {
            string id = Encoding.UTF8.GetString(record.Id);
            if (record.Surrogate < surrogate && isWanted(id, record.Body))
            {
                surrogate = record.Surrogate;
                first = id;
            }
        }

        return first;
    }

    private static bool IsNotRevoked(RecordBodyView body, int slot) => body.TagOf(slot) is FieldTag.Absent or FieldTag.Null;

    private static string NameOfUser(string userName)
    {
        ArgumentNullException.ThrowIfNull(userName);
        string name = userName.Length == 0 ? "unknown-user" : userName;
        return Identifier.IsValid("identity:" + name) ? name : "unnamed-user";
    }
}
