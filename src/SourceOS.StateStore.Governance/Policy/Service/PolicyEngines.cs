// Why this file exists: a policy in force is its rules and, where its document names one, a service: both are asked and the stronger answer holds. Invariants: a service never opens
// what the rules close; what the rules deny is not asked outside.

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>The whole policy in force, service included. Thread-safe: it keeps nothing.</summary>
public static class PolicyEngines
{
    /// <summary>Answers a question by the rules and by the service that they name.</summary>
    /// <param name="rules">The policy.</param>
    /// <param name="input">The question.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The stronger of both answers; the rules' own when they are equally strong.</returns>
    public static async ValueTask<PolicyAnswer> EvaluateAsync(PolicyRules rules, PolicyInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(rules);
        PolicyAnswer local = rules.Evaluate(input);
        return local.Effect == PolicyEffect.Deny || rules.Service is null
            ? local
            : Stronger(local, await new HttpPolicyEngine(rules.Service).EvaluateAsync(input, cancellationToken).ConfigureAwait(false));
    }

    internal static PolicyAnswer Stronger(PolicyAnswer local, PolicyAnswer service) => service.Effect > local.Effect ? service : local;
}
