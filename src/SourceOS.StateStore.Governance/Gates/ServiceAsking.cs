// Why this file exists: a policy service is asked before a commit enters the queue, and its answers are judged on the writer thread. Invariants: an answer counts for exactly the question
// that was asked: the writer thread builds the question again from the state that the commit finds and looks the answer up by its bytes; a question that nobody asked is refused.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Asks the policy service of the policy in force for commits on their way in. Thread-safe.</summary>
internal sealed class ServiceAsking
{
    // Whether the newest policy that was ever seen may name a service: a store without one pays nothing for the question.
    private volatile bool _mayHaveService;

    /// <summary>Takes in what the store holds when it is opened.</summary>
    public void Load(ReadSnapshot snapshot) => _mayHaveService = snapshot.Get(RecordKind.Object, PolicySource.ObjectId) is not null;

    /// <summary>A commit may put another policy in force. Writer thread.</summary>
    public void PolicyMayChange() => _mayHaveService = true;

    /// <summary>Asks about what is proposed; null when there is no service, or nothing to ask.</summary>
    public async ValueTask<object?> AskAsync(StateStore store, SessionIdentity session, IReadOnlyList<ProposedChange> changes, CancellationToken cancellationToken)
    {
        if (!_mayHaveService)
        {
            return null;
        }

        List<PolicyInput> inputs = [];
        PolicyServiceSettings? service;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            PolicyRules rules = PolicySource.Of(snapshot).Rules;
            service = rules.Service;
            if (service is not null)
            {
                Gather(snapshot, rules, session, changes, inputs);
            }
        }

        if (service is null || inputs.Count == 0)
        {
            return null;
        }

        IReadOnlyList<PolicyAnswer> answers = await new HttpPolicyEngine(service).EvaluateAllAsync(inputs, cancellationToken).ConfigureAwait(false);
        Dictionary<string, PolicyAnswer> told = new(StringComparer.Ordinal);
        for (int index = 0; index < inputs.Count; index++)
        {
            told[PolicyServiceDocuments.Question(inputs[index])] = answers[index];
        }

        return told;
    }

    /// <summary>The service's answer to a question that the writer thread built.</summary>
    public static PolicyAnswer Told(object? prepared, PolicyInput input) =>
        prepared is Dictionary<string, PolicyAnswer> told && told.TryGetValue(PolicyServiceDocuments.Question(input), out PolicyAnswer? answer) ? answer : new PolicyAnswer(
            PolicyEffect.Deny, "policy-service", "-", "service-moved", "What the policy service was asked about changed before the commit was judged.", "Send the commit again: it is asked about anew.");

    private static void Gather(ReadSnapshot snapshot, PolicyRules rules, SessionIdentity session, IReadOnlyList<ProposedChange> changes, List<PolicyInput> inputs)
    {
        StoredRecord? actor = Identifier.IsValid(session.ActorId) ? snapshot.Get(RecordKind.Actor, session.ActorId) : null;
        Asker asker = Asker.Of(actor, session.ActorId);
        foreach (ProposedChange change in changes)
        {
            if (change.Kind != RecordKind.Object || change.Action == EventAction.None || change.Id == PolicySource.ObjectId)
            {
                continue;
            }

            bool deletes = change.Action != EventAction.Put;
            StoredRecord? record = deletes ? snapshot.Get(RecordKind.Object, change.Id) : null;
            if (deletes && record is null)
            {
                continue;
            }

            RecordBodyView body = Slots.Open(deletes ? record!.Body : change.Body);
            string profileId = Slots.Profile(RecordKind.Object, body);
            string profileClass = Identifier.IsValid(profileId) ? snapshot.Get(RecordKind.Profile, profileId)?.Text("profile_class") ?? "" : "";
            foreach (PolicyInput input in PolicyInputs.OfChange(change, body, asker, profileClass))
            {
                // What the rules deny is not told to anyone outside.
                if (rules.Evaluate(input).Effect != PolicyEffect.Deny)
                {
                    inputs.Add(input);
                }
            }
        }
    }
}
