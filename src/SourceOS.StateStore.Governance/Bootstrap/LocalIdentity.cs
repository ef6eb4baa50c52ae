// Why this file exists: a command or a daemon acts on this device, in a profile, as someone; the store says which. Invariants: this device is the first
// that the store registered as local and did not revoke, and likewise the profile, so records that come in later never take their place;
// an actor that is not registered, or revoked, is never acted as.

using SourceOS.StateStore.Format;

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
}

/// <summary>Finds who acts, on which device, in which profile.</summary>
public static class LocalIdentity
{
    private static readonly int ActorRevokedAt = Slot(RecordKind.Actor, "revoked_at");
    private static readonly int DeviceRevokedAt = Slot(RecordKind.Device, "revoked_at");
    private static readonly int DeviceTrust = Slot(RecordKind.Device, "trust_level");
    private static readonly int ProfileRevokedAt = Slot(RecordKind.Profile, "revoked_at");

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
        return First(snapshot, RecordKind.Device, static body =>
            IsNotRevoked(body, DeviceRevokedAt) && body.TryGetText(DeviceTrust, out ReadOnlySpan<byte> trust) && trust.SequenceEqual("local"u8));
    }

    /// <summary>The profile that commands act in unless they say otherwise.</summary>
    /// <param name="snapshot">The state.</param>
    /// <returns>Its identifier, or null when there is none.</returns>
    public static string? Profile(ReadSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return First(snapshot, RecordKind.Profile, static body => IsNotRevoked(body, ProfileRevokedAt));
    }

    /// <summary>Who acts.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="actorId">The actor.</param>
    /// <param name="identity">The identity to open a session with, when there is no fault.</param>
    /// <returns>Why not, or no fault.</returns>
    public static LocalIdentityFault Resolve(ReadSnapshot snapshot, string actorId, out SessionIdentity identity)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(actorId);
        identity = new SessionIdentity(actorId, Device(snapshot) ?? "", Profile(snapshot) ?? "");
        if (!snapshot.TryGet(RecordKind.Actor, System.Text.Encoding.UTF8.GetBytes(actorId), out RecordView actor))
        {
            return LocalIdentityFault.ActorNotRegistered;
        }

        return actor.IsTombstone || !IsNotRevoked(actor.Body, ActorRevokedAt) ? LocalIdentityFault.ActorRevoked : LocalIdentityFault.None;
    }

    private delegate bool BodyTest(RecordBodyView body);

    private static string? First(ReadSnapshot snapshot, RecordKind kind, BodyTest isWanted)
    {
        string? first = null;
        ulong surrogate = ulong.MaxValue;
        foreach (RecordView record in snapshot.Range(kind))
        {
            if (record.Surrogate < surrogate && isWanted(record.Body))
            {
                surrogate = record.Surrogate;
                first = System.Text.Encoding.UTF8.GetString(record.Id);
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

    private static int Slot(RecordKind kind, string name) => RecordKinds.Get(kind).TryGetField(name, out KnownField? field)
        ? field.Slot
        : throw new InvalidOperationException($"The format has no field '{name}'.");
}
