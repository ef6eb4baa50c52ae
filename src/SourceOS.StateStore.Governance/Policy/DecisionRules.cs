// Why this file exists: what a recorded policy decision allows, judged in one place. Invariants: a decision allows what it names and nothing else: one question, one object,
// until it expires.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>Reads decisions.</summary>
internal static class DecisionRules
{
    /// <summary>Whether a decision allows something.</summary>
    public static bool Allows(RecordBodyView body, string question, string objectId, DateTimeOffset now) =>
        !IsExpired(body, now)
        && Slots.Text(body, Slots.Decision.Effect) == "allow"
        && Slots.Text(body, Slots.Decision.Question) == question
        && Slots.Text(body, Slots.Decision.Object) == objectId;

    // An expiry that cannot be read is one that has passed.
    private static bool IsExpired(RecordBodyView body, DateTimeOffset now) =>
        Slots.Has(body, Slots.Decision.ExpiresAt)
        && (!body.TryGetTime(Slots.Decision.ExpiresAt, out long micros) || DateTimeOffset.UnixEpoch.AddMicroseconds(micros) <= now);
}
