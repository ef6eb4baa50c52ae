// Why this file exists: what would be transferred, before anything is: a plan says what would go, what is blocked and why, and in which order. Invariants: a plan is made of the state at one sequence and of the policy in force;
// every no has a rule, a sentence and a remedy, and is recorded as a decision that the plan names; making a plan moves nothing.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Plans;

/// <summary>What a plan is about.</summary>
/// <param name="Operation">One of <see cref="PlanRoom.Operations"/>.</param>
/// <param name="ObjectId">One object; or null.</param>
/// <param name="WorkspaceId">A workspace; or null.</param>
/// <param name="ProfileId">A profile; or null.</param>
/// <param name="TargetActor">For whom; empty when nobody is named.</param>
public sealed record PlanRequest(string Operation, string? ObjectId, string? WorkspaceId, string? ProfileId, string TargetActor = "");

/// <summary>An object that a plan leaves out.</summary>
/// <param name="ObjectId">The object.</param>
/// <param name="Rule">The rule.</param>
/// <param name="Reason">Why, in a sentence.</param>
/// <param name="Remedy">What would let it go.</param>
/// <param name="NeedsReview">Whether a person can let it go.</param>
public sealed record PlanBlock(string ObjectId, string Rule, string Reason, string Remedy, bool NeedsReview);

/// <summary>A plan before or after it was stored.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Status">`planned` or `blocked`.</param>
/// <param name="Objects">What would go, in order: what others need goes first.</param>
/// <param name="Blocked">What would not.</param>
/// <param name="Sentence">For people.</param>
/// <param name="IsTruncated">Whether there were more objects than a plan holds.</param>
/// <param name="Receipt">The commit.</param>
public sealed record PlanResult(string Id, string Status, IReadOnlyList<string> Objects, IReadOnlyList<PlanBlock> Blocked, string Sentence, bool IsTruncated, CommitReceipt Receipt);

/// <summary>Makes plans. Thread-safe: it keeps nothing.</summary>
public static class PlanRoom
{
    /// <summary>Most objects of a plan.</summary>
    public const int MaxObjects = 2_000;

    private const int MaxDecisions = 200;
    private const int MaxBlockedStored = 500;

    /// <summary>The classes of operation.</summary>
    public static IReadOnlyList<string> Operations { get; } = ["replicate", "import", "export", "repair", "migrate", "delete", "restore"];

    /// <summary>Makes and stores a plan.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who plans.</param>
    /// <param name="request">What.</param>
    /// <param name="now">Now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The plan; null when it is about an object that does not exist.</returns>
    /// <exception cref="ArgumentException">The operation is not known, or not exactly one of object, workspace and profile is named.</exception>
    public static async Task<PlanResult?> CreateAsync(StateStore store, StateSession session, PlanRequest request, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(request);
        if (!Operations.Contains(request.Operation, StringComparer.Ordinal) || new[] { request.ObjectId, request.WorkspaceId, request.ProfileId }.Count(static id => id is not null) != 1)
        {
            throw new ArgumentException($"A plan has one operation ({string.Join(", ", Operations)}) and is about one object, workspace or profile.", nameof(request));
        }

        List<StoredRecord> going = [];
        List<PlanBlock> blocked = [];
        List<string> dependencies = [];
        bool truncated;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            List<StoredRecord> objects = Select(snapshot, request, session.Identity.ProfileId, out truncated);
            if (request.ObjectId is not null && objects.Count == 0)
            {
                return null;
            }

            ExplainWorld world = ExplainWorld.Read(snapshot, snapshot.Sequence);
            foreach (StoredRecord record in objects)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (Judge(snapshot, world, record, request.Operation, session.Identity.ActorId) is { } block)
                {
                    blocked.Add(block);
                }
                else
                {
                    going.Add(record);
                    AddDependency(dependencies, record);
                }
            }
        }

        return await StoreAsync(session, request, new Draft(going, blocked, dependencies, truncated, now), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Moves a plan to another status, by the rules of its life.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who acts.</param>
    /// <param name="planId">The plan.</param>
    /// <param name="status">The status it shall have.</param>
    /// <param name="error">For `failed`: what went wrong; null otherwise.</param>
    /// <param name="now">Now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt; null when there is no such plan.</returns>
    public static async Task<CommitReceipt?> MoveAsync(StateStore store, StateSession session, string planId, string status, string? error, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        StoredRecord? plan;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            plan = snapshot.Get(RecordKind.Plan, planId);
        }

        if (plan is null or { IsTombstone: true })
        {
            return null;
        }

        byte[] body = Documents.Changed(plan, builder =>
        {
            builder.SetText(s_status, status).SetTime(s_updated, now);
            if (error is not null)
            {
                builder.SetJson(s_error, Documents.Data(writer => writer.WriteString("message"u8, error)));
            }
        });
        string happened = status switch
        {
            "running" => "started",
            "planned" => "created",
            _ => status,
        };
        ChangeOptions options = new() { ExpectedSequence = plan.Sequence, EventType = $"sync.plan.{happened}" };
        return await session.CommitAsync(new CommitBatch().Put(RecordKind.Plan, planId, body, options), CommitWait.Visible, cancellationToken).ConfigureAwait(false);
    }

    private static readonly int s_status = Slots.Of(RecordKind.Plan, "status");
    private static readonly int s_updated = Slots.Of(RecordKind.Plan, "updated_at");
    private static readonly int s_error = Slots.Of(RecordKind.Plan, "last_error");

    private sealed record Draft(List<StoredRecord> Going, List<PlanBlock> Blocked, List<string> Dependencies, bool IsTruncated, DateTimeOffset Now);

    // A session that is bound to a profile plans for the objects of that profile alone.
    private static List<StoredRecord> Select(ReadSnapshot snapshot, PlanRequest request, string profileId, out bool truncated)
    {
        truncated = false;
        if (request.ObjectId is { } id)
        {
            return snapshot.Get(RecordKind.Object, id) is { IsTombstone: false } record ? [record] : [];
        }

        // Objects of a workspace may be in several profiles and need not have a path, so no index has them all.
        List<StoredRecord> found = [];
        RecordEnumerable candidates = request.ProfileId is { } profile ? snapshot.ByIndex(IndexQuery.ProfileAndType(profile)) : snapshot.Range(RecordKind.Object);
        foreach (RecordView view in candidates)
        {
            string owner = Slots.Profile(RecordKind.Object, view.Body);
            bool isVisible = profileId.Length == 0 || owner.Length == 0 || owner == profileId;
            if (!isVisible || (request.WorkspaceId is not null && Slots.Workspace(RecordKind.Object, view.Body) != request.WorkspaceId))
            {
                continue;
            }

            found.Add(view.ToStored());
            if (found.Count > MaxObjects)
            {
                truncated = true;
                return found[..MaxObjects];
            }
        }

        return found;
    }

    private static PlanBlock? Judge(ReadSnapshot snapshot, ExplainWorld world, StoredRecord record, string operation, string actorId)
    {
        if (operation is "replicate" or "export" or "delete")
        {
            if (ExplainFacts.Gather(snapshot, record.Id, snapshot.Sequence, world) is { } known && known.Blocks.FirstOrDefault(block => operation != "delete" || block.Rule.StartsWith("conflict", StringComparison.Ordinal)) is { } found)
            {
                return new PlanBlock(record.Id, found.Rule, found.Sentence, found.NeedsReview ? "Settle it, then plan again." : "Change the object, if that is right.", found.NeedsReview);
            }

            if (operation == "delete" && Gates.RetentionGate.IsHeld(Slots.Open(record.Body)))
            {
                return new PlanBlock(record.Id, "retention.legal-hold", "It is under a legal hold.", $"Clear the hold: statestore hold clear {record.Id}", true);
            }
        }

        foreach (string question in Questions(operation, record))
        {
            PolicyAnswer answer = world.Policy.Evaluate(PolicyAsking.Input(snapshot, record, question, actorId, null));
            if (answer.Effect != PolicyEffect.Allow)
            {
                return new PlanBlock(record.Id, $"policy.{answer.RuleId}", answer.Rationale, answer.Remedy, answer.Effect == PolicyEffect.ReviewRequired);
            }
        }

        return null;
    }

    // Where an object goes follows from its visibility; what is more widely visible is asked about more widely.
    private static string[] Questions(string operation, StoredRecord record) => operation switch
    {
        "replicate" => record.Text("sync_visibility") switch
        {
            "org" => [PolicyQuestions.LeaveDevice, PolicyQuestions.SyncOrganization],
            "public" => [PolicyQuestions.LeaveDevice, PolicyQuestions.SyncRemote],
            _ => [PolicyQuestions.LeaveDevice, PolicyQuestions.SyncWorkspace],
        },
        "export" => [PolicyQuestions.Export, PolicyQuestions.LeaveDevice],
        "repair" => [PolicyQuestions.Repair],
        "migrate" => [PolicyQuestions.Migrate],
        "delete" => [PolicyQuestions.Delete],
        _ => [PolicyQuestions.Write],
    };

    private static void AddDependency(List<string> dependencies, StoredRecord record)
    {
        string? schema = record.Text("schema_id");
        if (!string.IsNullOrEmpty(schema) && !dependencies.Contains(schema, StringComparer.Ordinal) && dependencies.Count < MaxDecisions)
        {
            dependencies.Add(schema);
        }
    }

    private static async Task<PlanResult> StoreAsync(StateSession session, PlanRequest request, Draft draft, CancellationToken cancellationToken)
    {
        // Folders and workspaces hold others, so they go first; the rest goes in the order of its path or name.
        List<string> order = [.. draft.Going.OrderBy(static record => record.Text("object_type") switch { "workspace" => 0, "folder" => 1, _ => 2 })
            .ThenBy(static record => record.Text("path") ?? record.Id, StringComparer.Ordinal).Select(static record => record.Id)];
        string status = order.Count == 0 ? "blocked" : "planned";
        string id = NewId.Of("sync-plan");
        string sentence = Sentence(request, draft, order.Count);
        CommitBatch batch = new();
        string decisionId = AddDecisions(batch, session, draft);
        ReadOnlyMemory<byte> document = Documents.Build(RecordKind.Plan, id, writer =>
        {
            writer.WriteString("source_actor"u8, session.Identity.ActorId);
            Documents.WriteOptional(writer, "target_actor", request.TargetActor);
            Documents.WriteOptional(writer, "profile_id", request.ProfileId ?? session.Identity.ProfileId);
            Documents.WriteOptional(writer, "workspace_id", request.WorkspaceId);
            Documents.WriteList(writer, "object_ids", order);
            writer.WriteString("operation_class"u8, request.Operation);
            Documents.WriteList(writer, "dependencies", draft.Dependencies);
            Documents.WriteOptional(writer, "policy_decision_ref", decisionId);
            writer.WriteString("retry_policy"u8, "bounded_backoff"u8);
            writer.WriteString("conflict_policy"u8, "object_type_specific"u8);
            writer.WriteString("status"u8, status);
            writer.WriteString("user_explanation"u8, sentence);
            writer.WriteString("created_at"u8, Documents.TimeText(draft.Now));
            writer.WriteString("updated_at"u8, Documents.TimeText(draft.Now));
            writer.WriteNull("last_error"u8);
            WriteBlocked(writer, draft.Blocked);
        });
        batch.PutJson(document.Span, new ChangeOptions { ExpectedSequence = 0, EventType = status == "blocked" ? "sync.plan.blocked" : "sync.plan.created" });
        CommitReceipt receipt = await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
        return new PlanResult(id, status, order, draft.Blocked, sentence, draft.IsTruncated, receipt);
    }

    private static string AddDecisions(CommitBatch batch, StateSession session, Draft draft)
    {
        string first = "";
        foreach (PlanBlock block in draft.Blocked.Where(static block => block.Rule.StartsWith("policy.", StringComparison.Ordinal)).Take(MaxDecisions))
        {
            string id = NewId.Of("policy-decision");
            first = first.Length == 0 ? id : first;
            batch.PutJson(Documents.Build(RecordKind.Decision, id, writer =>
            {
                writer.WriteString("effect"u8, block.NeedsReview ? "review_required"u8 : "deny"u8);
                writer.WriteString("rule_id"u8, block.Rule["policy.".Length..]);
                writer.WriteString("actor_id"u8, session.Identity.ActorId);
                writer.WriteString("object_id"u8, block.ObjectId);
                writer.WriteString("rationale"u8, block.Reason);
                writer.WriteString("decided_at"u8, Documents.TimeText(draft.Now));
            }).Span, new ChangeOptions { ExpectedSequence = 0, Lane = Lane.Policy });
        }

        return first;
    }

    private static void WriteBlocked(Utf8JsonWriter writer, List<PlanBlock> blocked)
    {
        writer.WriteStartArray("blocked"u8);
        foreach (PlanBlock block in blocked.Take(MaxBlockedStored))
        {
            writer.WriteStartObject();
            writer.WriteString("object_id"u8, block.ObjectId);
            writer.WriteString("rule"u8, block.Rule);
            writer.WriteString("reason"u8, block.Reason);
            writer.WriteString("remedy"u8, block.Remedy);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteNumber("blocked_count"u8, blocked.Count);
    }

    private static string Sentence(PlanRequest request, Draft draft, int going)
    {
        string what = request.ObjectId ?? request.WorkspaceId ?? request.ProfileId!;
        string more = draft.IsTruncated ? $" Only the first {MaxObjects} objects were looked at." : "";
        return draft.Blocked.Count == 0
            ? $"{going} objects of {what} would go; nothing is blocked.{more}"
            : $"{going} objects of {what} would go; {draft.Blocked.Count} are blocked, first '{draft.Blocked[0].ObjectId}': {draft.Blocked[0].Reason}{more}";
    }
}
