// Why this file exists: a repair that gives up durable data needs somebody's yes, and who may give it is a rule of governance; this is the seam between the two. Invariants: asked once, with the records that are kept in sight, before anything of the store is changed; what it says is part of
// the report.

namespace SourceOS.StateStore;

/// <summary>What somebody says to a repair that gives up durable data.</summary>
/// <param name="Refusal">Why it may not be done; null when it may.</param>
/// <param name="Next">What to do when it may not.</param>
/// <param name="Approval">The approval as it is kept in the report, a signed note; empty when it is not signed.</param>
/// <param name="ApprovedBy">The actor who approved; empty when that is the one who repairs.</param>
public sealed record RepairConsentAnswer(string? Refusal, string Next, string Approval, string ApprovedBy)
{
    /// <summary>Yes, without a signature.</summary>
    public static RepairConsentAnswer Unsigned { get; } = new(null, "", "", "");
}

/// <summary>Judges a repair that gives up durable data.</summary>
/// <param name="plan">The plan.</param>
/// <param name="storeId">The store.</param>
/// <param name="kept">The records that the repair will keep, in which keys and actors are found.</param>
/// <returns>The answer.</returns>
public delegate RepairConsentAnswer RepairConsent(RepairPlan plan, Guid storeId, ReadSnapshot kept);
