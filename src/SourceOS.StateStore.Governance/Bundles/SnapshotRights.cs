// Why this file exists: taking records out, and planning to take them in, is judged before there is a commit, by the same rights that the gates judge by. Invariants: leases and memberships count here as they do in a commit;
// reads one snapshot and keeps nothing beyond it.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>What an actor may do as a snapshot has it. One thread at a time.</summary>
internal sealed class SnapshotRights
{
    private readonly View _view;
    private readonly GateContext _context = new();
    private readonly ActorFacts? _actor;
    private readonly DateTimeOffset _now;

    internal SnapshotRights(ReadSnapshot snapshot, string actorId, DateTimeOffset now)
    {
        _view = new View(snapshot);
        _context.Grants.Load(snapshot);
        _actor = _context.Actors.Find(_view, actorId);
        _now = now;
    }

    /// <summary>Why the actor may not; null when it may.</summary>
    internal CommitRefusal? Check(string capability, string profile = "", string workspace = "", string objectId = "")
    {
        string id = objectId.Length > 0 ? objectId : _actor?.Id ?? "";
        RecordKind kind = objectId.Length > 0 ? RecordKind.Object : RecordKind.Actor;
        return _actor is null or { IsRevoked: true } || _actor.Trust == "quarantined"
            ? Refusals.Of("actor.registered", "The actor is not registered in this store, or revoked, or quarantined.", "Act as another actor: --actor.", kind, id)
            : new Rights(_context, _view, _actor, _now).Check(capability, profile, workspace, kind, id);
    }

    internal sealed class View(ReadSnapshot snapshot) : IStateView
    {
        public ulong Sequence => snapshot.Sequence;

        public ulong CountLive(RecordKind kind) => snapshot.GetStatus().LiveCount(kind);

        public bool TryGet(RecordKind kind, string id, out RecordView record) => snapshot.TryGet(kind, Encoding.UTF8.GetBytes(id), out record);
    }
}
