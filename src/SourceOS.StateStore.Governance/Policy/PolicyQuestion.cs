// Why this file exists: the questions that policy answers and what a rule can look at, as data, the same for the local rules and a policy service.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>Names of the questions.</summary>
public static class PolicyQuestions
{
    /// <summary>May it be read?</summary>
    public const string Read = "read";

    /// <summary>May it be written?</summary>
    public const string Write = "write";

    /// <summary>May it be deleted?</summary>
    public const string Delete = "delete";

    /// <summary>May it leave this device?</summary>
    public const string LeaveDevice = "leave_device";

    /// <summary>May it be synced within its workspace?</summary>
    public const string SyncWorkspace = "sync_workspace";

    /// <summary>May it be synced within the organization?</summary>
    public const string SyncOrganization = "sync_org";

    /// <summary>May it be synced to a remote?</summary>
    public const string SyncRemote = "sync_remote";

    /// <summary>May its fields be indexed?</summary>
    public const string IndexField = "index_field";

    /// <summary>May this memory become durable?</summary>
    public const string MakeMemoryDurable = "make_memory_durable";

    /// <summary>May this model artefact be shared?</summary>
    public const string ShareModelArtifact = "share_model_artifact";

    /// <summary>May it be exported?</summary>
    public const string Export = "export";

    /// <summary>May it be migrated?</summary>
    public const string Migrate = "migrate";

    /// <summary>May durable state be repaired?</summary>
    public const string Repair = "repair";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } =
        [Read, Write, Delete, LeaveDevice, SyncWorkspace, SyncOrganization, SyncRemote, IndexField, MakeMemoryDurable, ShareModelArtifact, Export, Migrate, Repair];

    /// <summary>Whether a policy that cannot be asked means no (`model.md`: secure, repair, export, migration, delete), whatever leaves the device included.</summary>
    /// <param name="question">The question.</param>
    /// <param name="lane">The lane of the change.</param>
    /// <returns>True when the answer is then deny.</returns>
    public static bool FailsClosed(string question, Lane lane) => lane == Lane.Secure || question is not (Read or Write or IndexField);
}

/// <summary>What a question is about. Empty text means not applicable.</summary>
public sealed record PolicyInput
{
    /// <summary>One of <see cref="PolicyQuestions"/>.</summary>
    public required string Question { get; init; }

    /// <summary>Who asks.</summary>
    public string ActorId { get; init; } = "";

    /// <summary>The actor's type.</summary>
    public string ActorType { get; init; } = "";

    /// <summary>The actor's trust level.</summary>
    public string ActorTrust { get; init; } = "";

    /// <summary>The object.</summary>
    public string ObjectId { get; init; } = "";

    /// <summary>Its type.</summary>
    public string ObjectType { get; init; } = "";

    /// <summary>Its profile.</summary>
    public string ProfileId { get; init; } = "";

    /// <summary>Its profile's class.</summary>
    public string ProfileClass { get; init; } = "";

    /// <summary>Its workspace.</summary>
    public string WorkspaceId { get; init; } = "";

    /// <summary>Its privacy class.</summary>
    public string PrivacyClass { get; init; } = "";

    /// <summary>Its visibility.</summary>
    public string SyncVisibility { get; init; } = "";

    /// <summary>Its retention class.</summary>
    public string RetentionClass { get; init; } = "";

    /// <summary>Its state.</summary>
    public string State { get; init; } = "";

    /// <summary>Its lane.</summary>
    public string Lane { get; init; } = "";

    /// <summary>Its policy tags.</summary>
    public IReadOnlyList<string> PolicyTags { get; init; } = [];
}

/// <summary>What policy answers.</summary>
public enum PolicyEffect
{
    /// <summary>Yes.</summary>
    Allow = 1,

    /// <summary>A person decides.</summary>
    ReviewRequired = 2,

    /// <summary>No.</summary>
    Deny = 3,
}

/// <summary>An answer of policy.</summary>
/// <param name="Effect">The answer.</param>
/// <param name="PolicyId">Which policy.</param>
/// <param name="PolicyVersion">Which version of it.</param>
/// <param name="RuleId">Which of its rules; `default` when none matched.</param>
/// <param name="Rationale">Why, in a sentence.</param>
/// <param name="Remedy">What would make it pass, in a sentence; may be empty.</param>
public sealed record PolicyAnswer(PolicyEffect Effect, string PolicyId, string PolicyVersion, string RuleId, string Rationale, string Remedy)
{
    /// <summary>The effect as records spell it.</summary>
    public string EffectText => Effect switch
    {
        PolicyEffect.Allow => "allow",
        PolicyEffect.Deny => "deny",
        _ => "review_required",
    };
}

/// <summary>Answers questions of policy. Thread-safe.</summary>
public interface IPolicyEngine
{
    /// <summary>Answers a question.</summary>
    /// <param name="input">The question and what it is about.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The answer; an engine that cannot be reached answers as <see cref="PolicyQuestions.FailsClosed"/> says and never throws for that.</returns>
    ValueTask<PolicyAnswer> EvaluateAsync(PolicyInput input, CancellationToken cancellationToken);
}
