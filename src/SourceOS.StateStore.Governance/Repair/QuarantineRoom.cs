// Why this file exists: letting go of what was set aside gives up the last copy of it, so it takes somebody who may repair. Invariants: judged before anything is read for removal; the rule has a name and says what would make it pass.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;

namespace SourceOS.StateStore.Governance.Repair;

/// <summary>Lets quarantine entries go. Thread-safe: it keeps nothing.</summary>
public static class QuarantineRoom
{
    /// <summary>Lets an entry go.</summary>
    /// <param name="session">Who lets it go; needs the capability `repair`.</param>
    /// <param name="content">What was looked at.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt; a refused one changed nothing.</returns>
    /// <exception cref="ArgumentException">The entry is not what was looked at.</exception>
    /// <exception cref="StateStoreException">As <see cref="StoreRepair.ReleaseQuarantineAsync"/>.</exception>
    public static async Task<CommitReceipt> ReleaseAsync(StateSession session, QuarantineContent content, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(content);
        if (!MayRepair(session))
        {
            return CommitReceipt.Refused(
                CommitStatus.Denied,
                new CommitRefusal("scope.capability", $"Letting go of what is in quarantine needs the capability '{Capabilities.Repair}', which '{session.Identity.ActorId}' does not have.", "Act as an actor who has it, or have it granted.", RecordKind.Report, "quarantine:" + content.Id));
        }

        return await StoreRepair.ReleaseQuarantineAsync(session, content, cancellationToken).ConfigureAwait(false);
    }

    private static bool MayRepair(StateSession session)
    {
        using ReadSnapshot snapshot = session.Store.OpenSnapshot();
        return RepairApproval.MayRepair(snapshot, session.Identity.ActorId);
    }
}
