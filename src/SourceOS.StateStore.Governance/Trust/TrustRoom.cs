// Why this file exists: taking trust back and lending it: revocations of actors, devices, profiles and leases, and the granting of leases. Invariants: each is one commit that holds the
// changed record and a record of the change with actor, reason and what was before; the sequence that was looked at is the one that is changed.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Trust;

/// <summary>What a lease shall give.</summary>
/// <param name="ActorId">To whom.</param>
/// <param name="Capability">Which capability.</param>
/// <param name="ExpiresAt">Until when.</param>
/// <param name="Profiles">In which profiles; empty for those of the actor's own scope.</param>
/// <param name="Workspaces">In which workspaces; empty for those of the actor's own scope.</param>
/// <param name="DecisionId">The decision that allowed it; empty when there is none.</param>
public sealed record LeaseRequest(string ActorId, string Capability, DateTimeOffset ExpiresAt, IReadOnlyList<string> Profiles, IReadOnlyList<string> Workspaces, string DecisionId = "");

/// <summary>Changes trust. Thread-safe: it keeps nothing.</summary>
public static class TrustRoom
{
    /// <summary>Kinds that can be revoked here; keys have their own room.</summary>
    public static IReadOnlyList<RecordKind> Revocable { get; } = [RecordKind.Actor, RecordKind.Device, RecordKind.Profile, RecordKind.Identity, RecordKind.Membership, RecordKind.Lease];

    /// <summary>Revokes a record, effective with this commit.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who acts.</param>
    /// <param name="kind">One of <see cref="Revocable"/>.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="reason">Why, for people; may be empty.</param>
    /// <param name="now">The time of the revocation.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt; null when there is no such record or it is revoked already.</returns>
    /// <exception cref="ArgumentException">The kind cannot be revoked here.</exception>
    public static async Task<CommitReceipt?> RevokeAsync(
        StateStore store, StateSession session, RecordKind kind, string id, string reason, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        if (!Revocable.Contains(kind))
        {
            throw new ArgumentException($"A {RecordKinds.Get(kind).Name} cannot be revoked here.", nameof(kind));
        }

        int revokedAt = Slots.Of(kind, "revoked_at");
        StoredRecord? record = Find(store, kind, id);
        if (record is null or { IsTombstone: true } || Slots.Has(Slots.Open(record.Body), revokedAt))
        {
            return null;
        }

        byte[] body = Documents.Changed(record, builder =>
        {
            builder.SetTime(revokedAt, now);
            if (kind == RecordKind.Device)
            {
                builder.SetText(Slots.Device.State, "revoked");
            }
        });
        string name = RecordKinds.Get(kind).Name;
        CommitBatch batch = new CommitBatch()
            .Put(kind, id, body, new ChangeOptions { EventType = $"sync.{name}.revoked", ExpectedSequence = record.Sequence, Lane = Lane.Secure })
            .PutJson(Change(name, id, "revoked", record.Sequence, session.Identity.ActorId, reason, now).Span, new ChangeOptions { Lane = Lane.Secure, ExpectedSequence = 0 });
        return await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Grants a lease.</summary>
    /// <param name="session">Who grants it.</param>
    /// <param name="request">What it gives.</param>
    /// <param name="now">The time of the grant.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The lease's identifier, and the receipt.</returns>
    /// <exception cref="ArgumentException">The lease would end before it begins.</exception>
    public static async Task<(string LeaseId, CommitReceipt Receipt)> GrantAsync(StateSession session, LeaseRequest request, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(request);
        if (request.ExpiresAt <= now)
        {
            throw new ArgumentException("A lease ends after it begins.", nameof(request));
        }

        string id = NewId.Of("lease");
        ReadOnlyMemory<byte> document = Documents.Build(RecordKind.Lease, id, writer =>
        {
            writer.WriteString("actor_id"u8, request.ActorId);
            writer.WriteString("capability"u8, request.Capability);
            Documents.WriteList(writer, "workspace_scope", request.Workspaces);
            Documents.WriteList(writer, "profile_scope", request.Profiles);
            writer.WriteString("granted_by"u8, session.Identity.ActorId);
            Documents.WriteOptional(writer, "policy_decision_ref", request.DecisionId);
            writer.WriteString("created_at"u8, Documents.TimeText(now));
            writer.WriteString("expires_at"u8, Documents.TimeText(request.ExpiresAt));
            writer.WriteNull("revoked_at"u8);
        });
        CommitBatch batch = new CommitBatch().PutJson(document.Span, new ChangeOptions { ExpectedSequence = 0, Lane = Lane.Secure });
        return (id, await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false));
    }

    private static StoredRecord? Find(StateStore store, RecordKind kind, string id)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return snapshot.Get(kind, id);
    }

    private static ReadOnlyMemory<byte> Change(string kind, string id, string change, ulong previous, string actorId, string reason, DateTimeOffset now) =>
        Documents.Build(RecordKind.Trust, NewId.Of("trust-change"), writer =>
        {
            writer.WriteString("subject_id"u8, id);
            writer.WriteString("change"u8, $"{kind}.{change}");
            writer.WriteString("previous"u8, $"record:{kind}/{id}@{previous}");
            writer.WriteString("actor_id"u8, actorId);
            Documents.WriteOptional(writer, "reason", reason);
            writer.WriteString("created_at"u8, Documents.TimeText(now));
        });
}
