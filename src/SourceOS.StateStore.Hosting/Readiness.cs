// Why this file exists: one rule from a store's status and the quick check to one word and one sentence, for probes, health checks and the page. Invariants: the worse of the two counts.

using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Hosting;

/// <summary>Whether a store can be used. Immutable.</summary>
/// <param name="Status">`healthy`, `degraded`, `repairing`, `unsafe` or `uninitialized`.</param>
/// <param name="Severity">`info`, `warning`, `error` or `critical`.</param>
/// <param name="Summary">In a sentence.</param>
/// <param name="Next">What to do; empty when there is nothing.</param>
public sealed record Readiness(string Status, string Severity, string Summary, string Next)
{
    /// <summary>Whether whoever asks may go on.</summary>
    public bool IsReady => Status is "healthy" or "degraded" or "repairing";

    /// <summary>Asks the store.</summary>
    /// <param name="access">The store.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The answer.</returns>
    public static async Task<Readiness> OfAsync(StateStoreAccess access, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(access);
        StoreGlance glance;
        try
        {
            glance = access.Read(StoreGlance.Of);
        }
        catch (StateStoreException exception)
        {
            DoorError error = DoorError.Of(exception, access.Options.StorePath);
            string health = DoorError.HealthOf(exception.Code);
            return health == "uninitialized" ? new Readiness(health, "warning", "Local state store is not initialized.", error.Next)
                : new Readiness(health, health == "unsafe" ? "critical" : "error", error.Message, error.Next);
        }

        return Of(glance, await WorstAsync(access, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>The report that counts: the quick check's, unless that is clean and the last check of the whole store is not.</summary>
    /// <param name="access">The store.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The report.</returns>
    public static async Task<VerificationReport> WorstAsync(StateStoreAccess access, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(access);
        VerificationReport quick = await access.CheckAsync(cancellationToken).ConfigureAwait(false);
        return quick.Verdict == VerificationVerdict.Clean && access.LastFullCheck is { } full && (full.Verdict != VerificationVerdict.Clean || full.LastSequence >= quick.LastSequence) ? full : quick;
    }

    /// <summary>The rule.</summary>
    /// <param name="glance">The status.</param>
    /// <param name="report">What the check found.</param>
    /// <returns>The answer.</returns>
    public static Readiness Of(StoreGlance glance, VerificationReport report)
    {
        ArgumentNullException.ThrowIfNull(glance);
        ArgumentNullException.ThrowIfNull(report);
        if (report.Verdict != VerificationVerdict.Clean)
        {
            string what = report.Findings.Count > 0 ? $"{report.Findings[0].Message} [{report.Findings[0].Place}]" : "The check did not pass.";
            return report.Verdict == VerificationVerdict.Unsafe ? new Readiness("unsafe", "critical", what, "statestore doctor") : new Readiness("degraded", "error", what, "statestore doctor");
        }

        return glance.HealthWord == "healthy"
            ? new Readiness("healthy", "info", "All required state integrity invariants pass.", glance.NextAction)
            : new Readiness(glance.HealthWord, glance.HealthWord == "unsafe" ? "critical" : "error", glance.NextAction, glance.NextAction);
    }
}
