// Why this file exists: asking a policy about an object of a snapshot, as `policy check`, plans and explanations do.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>Asks policies.</summary>
public static class PolicyAsking
{
    /// <summary>Asks about an object.</summary>
    /// <param name="rules">The policy.</param>
    /// <param name="snapshot">The state.</param>
    /// <param name="objectId">The object.</param>
    /// <param name="question">One of <see cref="PolicyQuestions"/>.</param>
    /// <param name="actorId">Who asks.</param>
    /// <param name="asOf">As of this sequence; null for the snapshot's own.</param>
    /// <returns>The answer; null when there is no such object.</returns>
    public static PolicyAnswer? Ask(PolicyRules rules, ReadSnapshot snapshot, string objectId, string question, string actorId, ulong? asOf = null)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(snapshot);
        StoredRecord? record = snapshot.GetAsOf(RecordKind.Object, objectId, asOf ?? snapshot.Sequence);
        return record is null ? null : rules.Evaluate(Input(snapshot, record, question, actorId, asOf));
    }

    /// <summary>Asks about an object, the service that the policy names included.</summary>
    /// <param name="rules">The policy.</param>
    /// <param name="snapshot">The state.</param>
    /// <param name="objectId">The object.</param>
    /// <param name="question">One of <see cref="PolicyQuestions"/>.</param>
    /// <param name="actorId">Who asks.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The answer; null when there is no such object.</returns>
    public static async ValueTask<PolicyAnswer?> AskAsync(
        PolicyRules rules, ReadSnapshot snapshot, string objectId, string question, string actorId, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(snapshot);
        return snapshot.Get(RecordKind.Object, objectId) is { } record
            ? await PolicyEngines.EvaluateAsync(rules, Input(snapshot, record, question, actorId, null), cancellationToken).ConfigureAwait(false)
            : null;
    }

    /// <summary>The question as policy sees it.</summary>
    internal static PolicyInput Input(ReadSnapshot snapshot, StoredRecord record, string question, string actorId, ulong? asOf)
    {
        ulong sequence = asOf ?? snapshot.Sequence;
        RecordBodyView body = Slots.Open(record.Body);
        string profileId = Slots.Profile(RecordKind.Object, body);
        string profileClass = Identifier.IsValid(profileId) ? snapshot.GetAsOf(RecordKind.Profile, profileId, sequence)?.Text("profile_class") ?? "" : "";
        StoredRecord? actor = Identifier.IsValid(actorId) ? snapshot.GetAsOf(RecordKind.Actor, actorId, sequence) : null;
        return PolicyInputs.About(question, record.Id, body, Asker.Of(actor, actorId), profileClass);
    }
}
