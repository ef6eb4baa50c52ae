// Why this file exists: turning records into questions of policy, the same way for commits, plans, exports and explanations.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>Builds questions.</summary>
internal static class PolicyInputs
{
    private static readonly int s_type = Slots.Of(RecordKind.Object, "object_type");
    private static readonly int s_privacy = Slots.Of(RecordKind.Object, "privacy_class");
    private static readonly int s_visibility = Slots.Of(RecordKind.Object, "sync_visibility");
    private static readonly int s_retention = Slots.Of(RecordKind.Object, "retention_class");
    private static readonly int s_state = Slots.Of(RecordKind.Object, "state");
    private static readonly int s_lane = Slots.Of(RecordKind.Object, "lane");
    private static readonly int s_tags = Slots.Of(RecordKind.Object, "policy_tags");

    private static readonly int s_durability = Slots.Of(RecordKind.Object, "durability");

    /// <summary>What a change of an object asks: the same for whoever asks beforehand and for the writer thread.</summary>
    /// <param name="change">The change.</param>
    /// <param name="body">The new body, or the one that is deleted.</param>
    /// <param name="actor">Who asks.</param>
    /// <param name="profileClass">Class of the object's profile; empty when not known.</param>
    public static PolicyInput[] OfChange(in ProposedChange change, RecordBodyView body, Asker actor, string profileClass)
    {
        bool deletes = change.Action != EventAction.Put;
        PolicyInput input = About(deletes ? PolicyQuestions.Delete : PolicyQuestions.Write, change.Id, body, actor, profileClass, change.Options.Lane.ToString().ToLowerInvariant());
        if (!deletes && change.Options.Lane == Lane.Migration)
        {
            return [input, input with { Question = PolicyQuestions.Migrate }];
        }

        return !deletes && input.ObjectType == "memory_fact" && Slots.Text(body, s_durability) is "" or "durable"
            ? [input, input with { Question = PolicyQuestions.MakeMemoryDurable }]
            : [input];
    }

    /// <summary>A question about an object.</summary>
    /// <param name="question">One of <see cref="PolicyQuestions"/>.</param>
    /// <param name="id">The object.</param>
    /// <param name="body">Its body.</param>
    /// <param name="actor">Who asks.</param>
    /// <param name="profileClass">Class of the object's profile; empty when not known.</param>
    /// <param name="lane">The lane of the change; the object's own when null.</param>
    public static PolicyInput About(string question, string id, RecordBodyView body, Asker actor, string profileClass, string? lane = null) => new()
    {
        Question = question,
        ActorId = actor.Id,
        ActorType = actor.Type,
        ActorTrust = actor.Trust,
        ObjectId = id,
        ObjectType = Slots.Text(body, s_type),
        ProfileId = Slots.Profile(RecordKind.Object, body),
        ProfileClass = profileClass,
        WorkspaceId = Slots.Workspace(RecordKind.Object, body),
        PrivacyClass = Slots.Text(body, s_privacy),
        SyncVisibility = Slots.Text(body, s_visibility),
        RetentionClass = Slots.Text(body, s_retention),
        State = Slots.Text(body, s_state),
        Lane = lane ?? Slots.Text(body, s_lane),
        PolicyTags = Slots.List(body, s_tags),
    };
}

/// <summary>Who asks policy.</summary>
/// <param name="Id">The actor.</param>
/// <param name="Type">Its type.</param>
/// <param name="Trust">Its trust level.</param>
internal readonly record struct Asker(string Id, string Type, string Trust)
{
    /// <summary>An actor of a snapshot; only its identifier when it is not registered.</summary>
    public static Asker Of(StoredRecord? actor, string id) => actor is null ? new Asker(id, "", "") : new Asker(id, actor.Text("actor_type") ?? "", actor.Text("trust_level") ?? "");
}
