// Why this file exists: whether an object may leave in a bundle. Invariants: everything that keeps it from being synced keeps it here, with the one exception that a bundle exists for: the objects of an air-gapped profile are
// carried instead of synced, so they are asked whether they may be exported and leave the device, and not whether they may be synced.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>Why an object does not travel.</summary>
/// <param name="ObjectId">The object.</param>
/// <param name="Rule">The rule, a stable name.</param>
/// <param name="Reason">Why, in a sentence.</param>
/// <param name="Remedy">What would let it go, in a sentence.</param>
/// <param name="NeedsReview">Whether a person can let it go.</param>
public sealed record BundleBlock(string ObjectId, string Rule, string Reason, string Remedy, bool NeedsReview);

/// <summary>Judges objects of one snapshot. One thread at a time.</summary>
internal sealed class BundleGate(ReadSnapshot snapshot, string? actorId, DateTimeOffset now)
{
    private const string AirGapped = "air_gapped";
    private static readonly string[] s_questions = [PolicyQuestions.Export, PolicyQuestions.LeaveDevice];
    private readonly ExplainWorld _world = ExplainWorld.Read(snapshot, snapshot.Sequence);
    private readonly SnapshotRights? _rights = actorId is null ? null : new SnapshotRights(snapshot, actorId, now);

    /// <summary>Why an object does not travel; null when it does.</summary>
    internal BundleBlock? Judge(StoredRecord record)
    {
        RecordBodyView body = Slots.Open(record.Body);
        if (_rights?.Check(Capabilities.Export, Slots.Profile(RecordKind.Object, body), Slots.Workspace(RecordKind.Object, body), record.Id) is { } refusal)
        {
            return new BundleBlock(record.Id, refusal.Rule, refusal.Reason, refusal.Remedy, false);
        }

        PolicyInput input = PolicyAsking.Input(snapshot, record, PolicyQuestions.Export, actorId ?? "", null);
        bool isCarriedOnly = input.ProfileClass == AirGapped;
        ExplainFacts? facts = ExplainFacts.Gather(snapshot, record.Id, snapshot.Sequence, _world);
        if (facts?.Blocks.FirstOrDefault(block => !(isCarriedOnly && IsOfPolicyRules(block))) is { } block)
        {
            return new BundleBlock(record.Id, block.Rule, block.Sentence, block.NeedsReview ? "Settle it, then export again." : "Change the object, if that is right.", block.NeedsReview);
        }

        foreach (string question in s_questions)
        {
            PolicyAnswer answer = _world.Policy.Evaluate(input with { Question = question });
            if (answer.Effect != PolicyEffect.Allow && !IsDecided(record.Id, question))
            {
                return new BundleBlock(record.Id, $"policy.{answer.RuleId}", answer.Rationale, answer.Remedy, answer.Effect == PolicyEffect.ReviewRequired);
            }
        }

        return null;
    }

    // What the rules say of syncing is the one block whose evidence is a rule; decisions, states and classes have records as theirs.
    private static bool IsOfPolicyRules(ExplainBlock block) => block.Evidence.StartsWith("rule:", StringComparison.Ordinal);

    private bool IsDecided(string objectId, string question) =>
        _world.Decisions[objectId].Any(decision => DecisionRules.Allows(Slots.Open(decision.Body), question, objectId, now));
}
