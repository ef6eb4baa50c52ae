// Why this file exists: answers the eleven questions about an object from structured state alone. Invariants: nothing is invented: what no record,
// event or rule says is answered with `unknown` and the reason; every answer names its evidence; reads a bounded number of records.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Schemas;

namespace SourceOS.StateStore.Governance.Explain;

/// <summary>Explains objects. Thread-safe: it keeps nothing.</summary>
public static class ObjectExplainer
{
    /// <summary>Explains an object.</summary>
    /// <param name="snapshot">The state to read.</param>
    /// <param name="objectId">The object's identifier.</param>
    /// <param name="atSequence">Explain it as it was then; null for now. Not above the snapshot's sequence.</param>
    /// <returns>The report, or null when there was no such object then.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The sequence is above the snapshot's.</exception>
    /// <exception cref="StateStoreException">The state or the log is damaged.</exception>
    public static ExplainReport? Explain(ReadSnapshot snapshot, string objectId, ulong? atSequence = null)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentException.ThrowIfNullOrEmpty(objectId);
        ulong asOf = atSequence ?? snapshot.Sequence;
        ExplainFacts? facts = ExplainFacts.Gather(snapshot, objectId, asOf);
        return facts is null
            ? null
            : new ExplainReport(objectId, asOf, [What(facts), Schema(facts), Who(facts), Owner(facts), SafeToSync(facts), WhyBlocked(facts), Conflicts(facts), Automatic(facts), Review(facts), Durability(facts), Proof(facts)]);
    }

    private static ExplainAnswer What(ExplainFacts facts)
    {
        string type = facts.Text("object_type") ?? "unknown";
        string state = facts.Record.IsTombstone ? "deleted" : facts.Text("state") ?? "unknown";
        string named = facts.Text("title") ?? facts.Text("path") ?? facts.Record.Id;
        return new ExplainAnswer(1, "What is it?", type, $"It is a {type} named '{named}', in state {state}.", [facts.RecordEvidence]);
    }

    private static ExplainAnswer Schema(ExplainFacts facts)
    {
        string? id = facts.Text("schema_id");
        if (id is null)
        {
            return new ExplainAnswer(2, "Which schema governs it?", "none", "No schema: the record names none.", [facts.RecordEvidence]);
        }

        string version = facts.Text("schema_version") is { } stated ? $" version {stated}" : "";
        return facts.Schema is { } schema
            ? new ExplainAnswer(2, "Which schema governs it?", id, $"Schema {id}{version}, which is registered here.{Drift(facts, schema)}", [facts.RecordEvidence, $"record:schema/{id}@{schema.Sequence}"])
            : new ExplainAnswer(2, "Which schema governs it?", id, $"It names schema {id}{version}, which is not registered here.", [facts.RecordEvidence]);
    }

    private static string Drift(ExplainFacts facts, StoredRecord schema) =>
        string.Concat(SchemaDrift.Between(facts.Record, schema).Take(3).Select(static warning => $" Drift ({warning.Code}): {(warning.Place.Length > 0 ? warning.Place + ": " : "")}{warning.Message}"));

    private static ExplainAnswer Who(ExplainFacts facts)
    {
        if (facts.LastEvent is not { IsErased: false } last)
        {
            return new ExplainAnswer(3, "Who or what last changed it?", "unknown", "The event that last changed it was erased.", [facts.RecordEvidence]);
        }

        string kind = facts.LastActor?.Text("actor_type") is { } type ? $" ({type})" : " (not registered here)";
        string claimed = facts.Text("last_modified_by_actor") is { } stated && stated != last.ActorId ? $" The record keeps '{stated}' as who changed it where it came from." : "";
        string when = last.OccurredAt.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
        List<string> evidence = [$"event:{last.Sequence}"];
        if (facts.LastActor is { } actor)
        {
            evidence.Add($"record:actor/{actor.Id}@{actor.Sequence}");
        }

        return new ExplainAnswer(3, "Who or what last changed it?", last.ActorId, $"Actor {last.ActorId}{kind} did, by {last.Type} at {when}.{claimed}", evidence);
    }

    private static ExplainAnswer Owner(ExplainFacts facts)
    {
        string? device = facts.Text("owning_device");
        string source = "the record says";
        if (device is null && facts.LastEvent is { IsErased: false, DeviceId.Length: > 0 } last)
        {
            device = last.DeviceId;
            source = "its last change was made there; the record itself names no device";
        }

        string? profile = facts.Text("profile_id");
        string value = $"{device ?? "unknown"} / {profile ?? "unknown"}";
        string sentence = $"Device {device ?? "unknown"}{(device is null ? "" : $" ({source})")}, profile {profile ?? "unknown"}.";
        return new ExplainAnswer(4, "Which device and profile own it?", value, sentence, facts.LastEvent is { } change ? [facts.RecordEvidence, $"event:{change.Sequence}"] : [facts.RecordEvidence]);
    }

    private static ExplainAnswer SafeToSync(ExplainFacts facts)
    {
        if (facts.Blocks.Count > 0)
        {
            return new ExplainAnswer(5, "Is it safe to sync?", "no", $"No: {facts.Blocks[0].Sentence}", [.. facts.Blocks.Select(block => block.Evidence)]);
        }

        if (facts.Decision is { } decision && decision.Text("effect") == "allow")
        {
            return new ExplainAnswer(5, "Is it safe to sync?", "yes", $"Yes: policy decision {decision.Id} allows it.", [$"record:decision/{decision.Id}@{decision.Sequence}"]);
        }

        if (facts.Service is { } service && !(service.IsCurrent && service.Effect == "allow"))
        {
            return new ExplainAnswer(5, "Is it safe to sync?", "unknown", $"The policy's rules and the state let it go; {Lower(service.Sentence)}", [facts.RecordEvidence, service.Evidence]);
        }

        if (facts.Policy is { Effect: PolicyEffect.Allow } answer)
        {
            return new ExplainAnswer(5, "Is it safe to sync?", "yes", $"Yes: nothing blocks it, and the policy allows it for its visibility ({facts.Text("sync_visibility") ?? "not stated"}).{(facts.Service is null ? "" : " " + facts.Service.Sentence)}", [facts.RecordEvidence, $"rule:{answer.PolicyId}/{answer.RuleId}", .. facts.Service is null ? Array.Empty<string>() : [facts.Service.Evidence]]);
        }

        return new ExplainAnswer(5, "Is it safe to sync?", "unknown", $"Nothing blocks it, but no policy decision allows it either; its visibility is {facts.Text("sync_visibility") ?? "not stated"}.", [facts.RecordEvidence]);
    }

    private static ExplainAnswer WhyBlocked(ExplainFacts facts) => facts.Blocks.Count == 0
        ? new ExplainAnswer(6, "Why is it blocked?", "not-blocked", $"Nothing in the state blocks it.{(facts.Service is null ? "" : " " + facts.Service.Sentence)}", facts.Service is null ? [facts.RecordEvidence] : [facts.RecordEvidence, facts.Service.Evidence])
        : new ExplainAnswer(6, "Why is it blocked?", facts.Blocks[0].Rule, string.Join(" ", facts.Blocks.Select(block => block.Sentence)), [.. facts.Blocks.Select(block => block.Evidence)]);

    private static string Lower(string sentence) => char.ToLowerInvariant(sentence[0]) + sentence[1..];

    private static ExplainAnswer Conflicts(ExplainFacts facts)
    {
        int open = facts.Conflicts.Count(ExplainFacts.IsOpen);
        string more = facts.ConflictsTruncated ? $" Only the first {ExplainWorld.MaxRead} conflicts of the store were looked at." : "";
        string sentence = facts.Conflicts.Count == 0
            ? $"None is recorded.{more}"
            : $"{open} open of {facts.Conflicts.Count} recorded: {string.Join(", ", facts.Conflicts.Select(conflict => conflict.Id))}.{more}";
        return new ExplainAnswer(7, "What conflicts exist?", open.ToString(CultureInfo.InvariantCulture), sentence, [.. facts.Conflicts.Select(conflict => $"record:conflict/{conflict.Id}@{conflict.Sequence}")]);
    }

    private static ExplainAnswer Automatic(ExplainFacts facts) => new(
        8,
        "What can be repaired automatically?",
        "derived-state",
        $"Its record and index entries: they are folded from event {facts.Record.Sequence} and can be rebuilt from the log.",
        [$"event:{facts.Record.Sequence}", "rule:state-is-derived"]);

    private static ExplainAnswer Review(ExplainFacts facts)
    {
        List<string> reasons = [.. facts.Blocks.Where(block => block.NeedsReview).Select(block => block.Sentence)];
        reasons.AddRange(facts.Conflicts.Where(conflict => ExplainFacts.IsOpen(conflict) && conflict.Text("severity") == "review_required").Select(conflict => $"Conflict {conflict.Id} waits for a decision."));
        reasons.AddRange(facts.Proposals.Select(static proposal => $"Transaction {proposal.Id} of {proposal.Text("actor_id")} is {proposal.Text("status")}."));
        reasons.AddRange(facts.Plans.Where(static plan => plan.Text("retry_policy") == "manual_review_only").Select(static plan => $"Plan {plan.Id} waits for a review."));
        return reasons.Count == 0
            ? new ExplainAnswer(9, "What requires human review?", "nothing", "Nothing does.", [facts.RecordEvidence])
            : new ExplainAnswer(9, "What requires human review?", reasons.Count.ToString(CultureInfo.InvariantCulture), string.Join(" ", reasons.Distinct()), [facts.RecordEvidence]);
    }

    private static ExplainAnswer Durability(ExplainFacts facts)
    {
        string stated = facts.Text("durability") ?? "durable";
        string content = facts.Has("content_hash") ? " Its content stays in the file it was read from; the store keeps its hash." : "";
        return new ExplainAnswer(
            10,
            "Which of its data is durable, rebuildable, disposable?",
            stated,
            $"Durable: its events in the log, the last being {facts.Record.Sequence}. Rebuildable: its record and index entries. Disposable: nothing of it.{content}",
            [$"event:{facts.Record.Sequence}", facts.RecordEvidence]);
    }

    private static ExplainAnswer Proof(ExplainFacts facts)
    {
        // What can be proven of the object does not change when the log grows, so the answer names its event and frame, not the root of the day.
        List<string> evidence = [$"event:{facts.Record.Sequence}"];
        if (facts.LastEvent is not { } last)
        {
            return new ExplainAnswer(11, "Can we prove that a restore of it is intact?", "unknown", "The event that last changed it cannot be read.", evidence);
        }

        evidence.Add($"frame:{last.FrameNumber}");
        return new ExplainAnswer(
            11,
            "Can we prove that a restore of it is intact?",
            "provable",
            $"Yes: event {last.Sequence} stands in frame {last.FrameNumber}, and `statestore prove event {last.Sequence}` proves it against any signed root over more than {last.FrameNumber} frames; a restore ends with the proof of all records.",
            evidence);
    }
}
