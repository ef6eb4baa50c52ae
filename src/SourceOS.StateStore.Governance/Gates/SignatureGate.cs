// Why this file exists: privileged writes of those who have a key are signed, or do not happen. Invariants: a signature that does not hold is never recorded, needed or not; who has a key cannot
// leave it out; a store without keys, whose policy does not demand any, works as if this gate were not there.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Signing;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Signatures on privileged writes.</summary>
internal sealed class SignatureGate(GateContext context) : ICommitGate
{
    public GateDecision Evaluate(ProposedCommit commit, IStateView state)
    {
        // The keys that count are those before the commit, so what it adds is noted only when it was judged.
        bool isDemanded = context.Policy.InForce(state).RequiresSignatures;
        CommitRefusal? refusal = context.Keys.Any || isDemanded || CarriesSignature(commit) ? Judge(commit, state, isDemanded) : null;
        context.Keys.Note(commit);
        return refusal is null ? GateDecision.Allow : GateDecision.Deny(refusal);
    }

    private static bool CarriesSignature(ProposedCommit commit)
    {
        foreach (ProposedChange change in commit.Changes)
        {
            // Ordinary writes carry no data, so they stay as cheap as they are.
            if (!change.Options.DataJson.IsEmpty && Privileges.IsPrivileged(change.Action, change.Kind, change.Id, change.Body) != false
                && ChangeSignature.TryRead(change.Options.DataJson.Span, out _) != SignatureForm.Absent)
            {
                return true;
            }
        }

        return false;
    }

    private CommitRefusal? Judge(ProposedCommit commit, IStateView state, bool isDemanded)
    {
        List<KnownKey>? keys = null;
        foreach (ProposedChange change in commit.Changes)
        {
            if (!Privileges.IsPrivileged(change, state))
            {
                continue;
            }

            keys ??= context.Keys.ActiveOf(commit.Session.ActorId, state);
            if (Judge(commit, change, state, new Demand(keys, isDemanded)) is { } refusal)
            {
                return refusal;
            }
        }

        return null;
    }

    private CommitRefusal? Judge(ProposedCommit commit, in ProposedChange change, IStateView state, in Demand demand)
    {
        string actor = commit.Session.ActorId;
        SignatureForm form = ChangeSignature.TryRead(change.Options.DataJson.Span, out ChangeSignature signature);
        if (form == SignatureForm.Absent)
        {
            return demand.Keys.Count > 0 ? Unsigned(change, $"Actor '{actor}' signs its privileged writes with {demand.Keys[0].Id}; {Refusals.Name(change)} comes without a signature.")
                : demand.IsByPolicy ? Unsigned(change, $"The policy demands signatures on privileged writes; {Refusals.Name(change)} comes without one.")
                : null;
        }

        if (form == SignatureForm.Malformed)
        {
            return Refusals.Of("signature.malformed", $"What stands in the place of the signature of {Refusals.Name(change)} is none.", "Sign it as format-spec/signatures.md says, or leave it out for the store's own programs to sign.", change);
        }

        KnownKey? key = demand.Keys.Find(one => one.Id == signature.KeyId) ?? FirstKey(commit, change, state, demand, signature.KeyId);
        if (key is null)
        {
            return Refusals.Of(
                "signature.key", $"{Refusals.Name(change)} is signed with {signature.KeyId}, {WhyNot(signature.KeyId, actor, state)}.", "Sign with a key of the acting actor that is registered for changes and not revoked: statestore keys list.", change);
        }

        if (!Ed25519.IsAvailable)
        {
            return Refusals.Of("signature.unchecked", $"The signature of {Refusals.Name(change)} cannot be checked: {Ed25519.MissingReason}", $"Install {Ed25519.DebianPackage}.", change);
        }

        ulong previous = state.TryGet(change.Kind, change.Id, out RecordView record) ? record.Sequence : 0;
        SignedChange subject = new(context.StoreId, change.Action, change.Kind, change.Id, previous, actor, change.Action == EventAction.Put ? change.Body : default);
        return signature.Holds(subject, key.PublicKey.Span) ? null : Refusals.Of(
            "signature.invalid",
            $"The signature of {Refusals.Name(change)} by {key.Id} does not hold for this change at sequence {previous}.",
            "Read the record again and sign exactly what is committed: store, record, its sequence now, body and event data.",
            change);
    }

    // The first key of an actor vouches for itself. Where the policy demands signatures, only the first of the whole store does: a later one is registered by somebody who has one.
    private KnownKey? FirstKey(ProposedCommit commit, in ProposedChange change, IStateView state, in Demand demand, string keyId)
    {
        if (change.Kind != RecordKind.Key || change.Action != EventAction.Put || change.Id != keyId || demand.Keys.Count > 0
            || state.TryGet(RecordKind.Key, change.Id, out _) || (demand.IsByPolicy && context.Keys.HasActive(state)))
        {
            return null;
        }

        KnownKey? key = KeyRoom.ToKey(new StoredRecord(change.Kind, change.Id, 0, 0, false, false, change.Body));
        return key is not null && KeyRoom.IsActive(key, commit.Session.ActorId) && PrivateKey.IdOf(key.PublicKey.Span) == key.Id ? key : null;
    }

    private static string WhyNot(string keyId, string actor, IStateView state) => SigningKeys.Find(keyId, state) switch
    {
        null => "which is not registered here",
        { IsRevoked: true } => "which is revoked",
        { Purpose: not KeyRoom.ChangesPurpose } key => $"which is for '{key.Purpose}' and not for changes",
        { } key when key.ActorId != actor => $"which belongs to '{key.ActorId}' and not to '{actor}'",
        _ => "which cannot sign this",
    };

    private static CommitRefusal Unsigned(in ProposedChange change, string reason) => Refusals.Of(
        "signature.required", reason, "Do it where the actor's private key is (SOURCEOS_STATE_KEYS names its folder); without a key yet: statestore keys create --purpose changes.", change);

    private readonly record struct Demand(List<KnownKey> Keys, bool IsByPolicy);
}
