// Why this file exists: giving up durable data is a decision, and a store that has keys asks for it to be signed. Invariants: an approval is for one plan of one store; only a live key of a live actor who may repair counts; a store without such keys has nobody to ask, and says in
// the report that the approval was not signed.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bundles;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Repair;

/// <summary>Signed approvals of repairs. Thread-safe: it keeps nothing.</summary>
public static class RepairApproval
{
    /// <summary>The name that approvals are signed under.</summary>
    public const string NoteName = "sourceos-statestore-repair-approval";

    /// <summary>The text that is signed.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="storeId">The store.</param>
    /// <returns>The text, each line with a newline.</returns>
    public static string TextOf(RepairPlan plan, Guid storeId)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return string.Create(
            CultureInfo.InvariantCulture, $"sourceos-statestore-repair-approval/1\nstore {storeId:D}\nplan {plan.PlanHash}\nlost-events {plan.LostEvents}\nlost-records {plan.LostRecords}\n");
    }

    /// <summary>Signs an approval.</summary>
    /// <param name="plan">The plan that was looked at.</param>
    /// <param name="storeId">The store.</param>
    /// <param name="key">The approver's key.</param>
    /// <returns>The signed note.</returns>
    /// <exception cref="StateStoreException">NativeLibraryMissing.</exception>
    public static byte[] Sign(RepairPlan plan, Guid storeId, PrivateKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.SignNote(TextOf(plan, storeId), NoteName).Encode();
    }

    /// <summary>Makes the judge of a repair.</summary>
    /// <param name="approval">A signed approval that was brought along; null when there is none.</param>
    /// <param name="keys">Keys of this machine that may sign on the spot; null for none.</param>
    /// <returns>The judge.</returns>
    public static RepairConsent Judge(byte[]? approval, KeyRoom? keys) => (plan, storeId, kept) =>
    {
        List<(NoteKey Key, string ActorId)> approvers = Approvers(kept);
        if (approval is null && keys is not null && approvers.Count > 0)
        {
            using PrivateKey? signer = SignerAmong(keys, kept, approvers);
            approval = signer is null ? null : Sign(plan, storeId, signer);
        }

        if (approval is null)
        {
            return approvers.Count == 0 ? RepairConsentAnswer.Unsigned : Refuse(
                $"The repair gives up durable data, and the store has keys of {approvers.Count} who may repair; none of them signed an approval.", "Have one of them run: statestore repair approve -o FILE; then: statestore repair --apply --accept-loss --approval FILE");
        }

        return Check(approval, TextOf(plan, storeId), approvers);
    };

    /// <summary>Who may approve: the live keys of live actors with the capability `repair`.</summary>
    /// <param name="snapshot">The records.</param>
    /// <returns>Keys under the name of approvals, and their actors.</returns>
    public static List<(NoteKey Key, string ActorId)> Approvers(ReadSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        List<(NoteKey, string)> approvers = [];
        foreach (KnownKey key in KeyRoom.List(snapshot).Where(static key => !key.IsRevoked))
        {
            if (MayRepair(snapshot, key.ActorId))
            {
                approvers.Add((new NoteKey(NoteName, key.PublicKey.Span), key.ActorId));
            }
        }

        return approvers;
    }

    /// <summary>Whether an actor may repair, as a commit would judge it: registered, neither revoked nor quarantined, with the capability or a lease of it.</summary>
    internal static bool MayRepair(ReadSnapshot snapshot, string actorId, DateTimeOffset? now = null) =>
        new SnapshotRights(snapshot, actorId, now ?? DateTimeOffset.UtcNow).Check(Capabilities.Repair) is null;

    private static PrivateKey? SignerAmong(KeyRoom keys, ReadSnapshot kept, List<(NoteKey Key, string ActorId)> approvers)
    {
        PrivateKey? signer = keys.LoadSigner(kept);
        if (signer is not null && approvers.Exists(approver => signer.PublicKey.SequenceEqual(approver.Key.PublicKey)))
        {
            return signer;
        }

        signer?.Dispose();
        return null;
    }

    private static RepairConsentAnswer Check(byte[] approval, string expected, List<(NoteKey Key, string ActorId)> approvers)
    {
        if (!SignedNote.TryParse(approval, out SignedNote? note, out string reason))
        {
            return Refuse($"The approval cannot be read: {reason}.", "Make one with: statestore repair approve");
        }

        if (!string.Equals(note.Text, expected, StringComparison.Ordinal))
        {
            return Refuse("The approval is of another plan, or of another store.", "Look at the plan as it is now, and approve that one: statestore repair approve");
        }

        foreach ((NoteKey key, string actorId) in approvers)
        {
            NoteVerdict verdict = note.Verify(key);
            if (verdict == NoteVerdict.CannotCheck)
            {
                throw new StateStoreException(StateStoreErrorCode.NativeLibraryMissing, Ed25519.MissingReason);
            }

            if (verdict == NoteVerdict.Verified)
            {
                return new RepairConsentAnswer(null, "", note.ToString(), actorId);
            }
        }

        return Refuse("The approval is not signed by a live key of an actor who may repair.", "Have somebody sign it who may: statestore actors, statestore keys list");
    }

    private static RepairConsentAnswer Refuse(string why, string next) => new(why, next, "", "");
}
