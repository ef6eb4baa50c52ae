// Why this file exists: the policy engine that asks a service over HTTP. Invariants: bounded attempts, each bounded in time and bytes; a service that cannot be reached means what
// the model says for the question; one that answers nonsense means no, whatever the question.

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>Asks a policy service. Thread-safe; keeps no connection.</summary>
public sealed class HttpPolicyEngine : IPolicyEngine
{
    /// <summary>The rule that stands in an answer when the service could not be reached.</summary>
    public const string UnreachableRule = "service-unreachable";

    /// <summary>The rule that stands in an answer when what the service said is no answer.</summary>
    public const string UnusableRule = "service-answer";

    private const int FirstBackOffMs = 20;
    private readonly PolicyServiceSettings _settings;
    private readonly PolicyServiceAddress _address;

    /// <summary>Makes an engine; nothing is asked yet.</summary>
    /// <param name="settings">Where the service is.</param>
    /// <exception cref="ArgumentException">The address is not one of loopback, or a number is out of range.</exception>
    public HttpPolicyEngine(PolicyServiceSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.TimeoutMs is < 1 or > PolicyServiceSettings.MaxTimeoutMs || settings.Retries is < 0 or > PolicyServiceSettings.MaxRetries)
        {
            throw new ArgumentException("The time-out or the number of retries is out of range.", nameof(settings));
        }

        _settings = settings;
        _address = PolicyServiceAddress.TryParse(settings.Url, out PolicyServiceAddress? address, out string reason) ? address! : throw new ArgumentException(reason, nameof(settings));
    }

    /// <inheritdoc/>
    public async ValueTask<PolicyAnswer> EvaluateAsync(PolicyInput input, CancellationToken cancellationToken) =>
        (await EvaluateAllAsync([input], cancellationToken).ConfigureAwait(false))[0];

    /// <summary>Answers many questions, some hundred a request.</summary>
    /// <param name="inputs">The questions.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The answers, in the order of the questions.</returns>
    /// <exception cref="OperationCanceledException">The wait was ended.</exception>
    public async Task<IReadOnlyList<PolicyAnswer>> EvaluateAllAsync(IReadOnlyList<PolicyInput> inputs, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        List<PolicyAnswer> answers = new(inputs.Count);
        PolicyCallResult? failed = null;
        foreach (PolicyInput[] part in inputs.Chunk(PolicyServiceDocuments.MaxQuestions))
        {
            // A service that failed one part of a commit is not waited for again by the next.
            PolicyAnswer[]? given = null;
            if (failed is null)
            {
                (given, PolicyCallResult result) = await AskAsync(part, cancellationToken).ConfigureAwait(false);
                failed = given is null ? result : null;
            }

            answers.AddRange(given ?? part.Select(input => Failed(input, failed!.Value)));
        }

        return answers;
    }

    private async Task<(PolicyAnswer[]? Answers, PolicyCallResult Result)> AskAsync(PolicyInput[] inputs, CancellationToken cancellationToken)
    {
        byte[] request = PolicyServiceDocuments.Request(inputs.Select(PolicyServiceDocuments.Question));
        for (int attempt = 0; ; attempt++)
        {
            PolicyCallResult result = await PolicyServiceCall.PostAsync(_address, request, _settings.TimeoutMs, cancellationToken).ConfigureAwait(false);
            if (result.Outcome == PolicyCallOutcome.Answered)
            {
                PolicyAnswer[]? answers = PolicyServiceDocuments.Read(result.Body, inputs.Length, out string fault);
                return (answers, answers is null ? new PolicyCallResult(PolicyCallOutcome.Unusable, default, $"its answer cannot be used: {fault}") : result);
            }

            if (result.Outcome == PolicyCallOutcome.Unusable || attempt == _settings.Retries)
            {
                return (null, result);
            }

            await Task.Delay(FirstBackOffMs << attempt, cancellationToken).ConfigureAwait(false);
        }
    }

    private PolicyAnswer Failed(PolicyInput input, PolicyCallResult result)
    {
        bool unusable = result.Outcome == PolicyCallOutcome.Unusable;
        bool secure = input.Lane == "secure";
        bool denies = unusable || PolicyQuestions.FailsClosed(input.Question, secure ? Format.Lane.Secure : Format.Lane.Normal);
        string meaning = denies ? "The answer is then no." : "The local rules alone decide this question then.";
        return new PolicyAnswer(
            denies ? PolicyEffect.Deny : PolicyEffect.Allow,
            "policy-service",
            "-",
            unusable ? UnusableRule : UnreachableRule,
            $"The policy service at {_settings.Url} {(unusable ? "gave no usable answer" : "could not be reached")}: {result.Fault}. {meaning}",
            "Start or mend the service, or load a policy without it: statestore policy load FILE.");
    }
}
