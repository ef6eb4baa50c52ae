// Why this file exists: the local policy: a list of rules in a JSON document, compiled once. Invariants: of the rules that match, the stronger effect decides (deny, then
// review, then allow), so adding a rule never weakens another and their order never matters; a document with anything unknown in it is refused whole.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>Why a policy document is refused.</summary>
/// <param name="Place">Where in the document, as a JSON pointer.</param>
/// <param name="Message">What is wrong, in a sentence.</param>
public sealed record PolicyFault(string Place, string Message);

/// <summary>A compiled local policy. Immutable, thread-safe.</summary>
public sealed class PolicyRules : IPolicyEngine
{
    /// <summary>The `schema` text of a policy document.</summary>
    public const string Schema = "sourceos.policy-rules/v1alpha1";

    /// <summary>Most bytes a document can have.</summary>
    public const int MaxDocumentBytes = PolicyDocument.MaxBytes;

    private readonly Rule[] _rules;
    private readonly Dictionary<string, PolicyEffect> _defaults;

    private PolicyRules(string id, string version, Rule[] rules, Dictionary<string, PolicyEffect> defaults)
    {
        Id = id;
        Version = version;
        _rules = rules;
        _defaults = defaults;
    }

    /// <summary>The policy's identifier.</summary>
    public string Id { get; }

    /// <summary>Its version.</summary>
    public string Version { get; }

    /// <summary>The policy service that is asked beside the rules; null when there is none.</summary>
    public PolicyServiceSettings? Service { get; private init; }

    /// <summary>Whether every privileged write needs a signature, also of actors that have no key (docs/policy.md).</summary>
    public bool RequiresSignatures { get; private init; }

    /// <summary>How many rules it has.</summary>
    public int Count => _rules.Length;

    /// <summary>Compiles a document (docs/policy.md).</summary>
    /// <param name="utf8Json">The document.</param>
    /// <param name="rules">The policy when it is valid.</param>
    /// <param name="fault">Why it is not.</param>
    /// <returns>Whether it is valid.</returns>
    public static bool TryParse(ReadOnlySpan<byte> utf8Json, out PolicyRules? rules, out PolicyFault? fault)
    {
        rules = null;
        PolicyDocument document = PolicyDocument.Read(utf8Json);
        fault = document.Fault;
        if (fault is not null)
        {
            return false;
        }

        rules = new PolicyRules(document.Id, document.Version, [.. document.Rules], document.Defaults) { Service = document.Service, RequiresSignatures = document.RequiresSignatures };
        return true;
    }

    /// <summary>Answers a question.</summary>
    /// <param name="input">The question and what it is about.</param>
    /// <returns>The answer.</returns>
    public PolicyAnswer Evaluate(PolicyInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Rule? decided = null;
        foreach (Rule rule in _rules)
        {
            if ((decided is null || rule.Effect > decided.Effect) && rule.Matches(input))
            {
                decided = rule;
            }
        }

        if (decided is not null)
        {
            return new PolicyAnswer(decided.Effect, Id, Version, decided.Id, decided.Rationale, decided.Remedy);
        }

        PolicyEffect effect = _defaults.GetValueOrDefault(input.Question, PolicyEffect.Deny);
        return new PolicyAnswer(effect, Id, Version, "default", $"No rule matches; the policy's default for '{input.Question}' applies.", effect == PolicyEffect.Allow ? "" : "Add a rule that allows it, or ask for a review.");
    }

    /// <summary>Whether this policy is provably nowhere weaker than another: it has every rule of the other with at least its effect, no rule that allows what the other does not, and no weaker default.</summary>
    /// <param name="other">The other policy.</param>
    /// <returns>True when that is proven; false also when it is merely not proven.</returns>
    public bool IsAtLeastAsStrongAs(PolicyRules other)
    {
        ArgumentNullException.ThrowIfNull(other);
        bool defaults = PolicyQuestions.All.All(question => _defaults.GetValueOrDefault(question, PolicyEffect.Deny) >= other._defaults.GetValueOrDefault(question, PolicyEffect.Deny));
        bool rules = other._rules.All(rule => _rules.Any(own => own.Effect >= rule.Effect && own.MatchesAllOf(rule)));
        bool service = other.Service is null || Service == other.Service;
        return service && defaults && rules && _rules.Where(Weakens).All(rule => other._rules.Any(known => known.Effect <= rule.Effect && known.MatchesAllOf(rule)));
    }

    // A rule below a default opens what would be closed without it.
    private bool Weakens(Rule rule) => rule.Questions.Any(question => rule.Effect < _defaults.GetValueOrDefault(question, PolicyEffect.Deny));

    /// <inheritdoc/>
    public ValueTask<PolicyAnswer> EvaluateAsync(PolicyInput input, CancellationToken cancellationToken) => ValueTask.FromResult(Evaluate(input));

    internal sealed record Rule(string Id, HashSet<string> Questions, PolicyEffect Effect, string Rationale, string Remedy, IReadOnlyList<Condition> Conditions)
    {
        // Matches whatever the other matches.
        public bool MatchesAllOf(Rule other) => Questions.IsSupersetOf(other.Questions) && Conditions.All(condition => other.Conditions.Any(condition.IsWiderThan));

        public bool Matches(PolicyInput input)
        {
            if (!Questions.Contains(input.Question))
            {
                return false;
            }

            foreach (Condition condition in Conditions)
            {
                if (!condition.Holds(input))
                {
                    return false;
                }
            }

            return true;
        }
    }

    internal sealed record Condition(string Name, Func<PolicyInput, string>? Field, HashSet<string> Values)
    {
        // Fewer conditions with more values match more.
        public bool IsWiderThan(Condition other) => Name == other.Name && Values.IsSupersetOf(other.Values);

        // A condition without a field is about the tags, of which one must be listed.
        public bool Holds(PolicyInput input) => Field is null ? input.PolicyTags.Any(Values.Contains) : Values.Contains(Field(input));
    }
}
