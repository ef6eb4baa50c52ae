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
public sealed record PlanBlock(string ObjectId, string Rule, string Reason, string Remedy, bool NeedsReview)
{
    /// <summary>The question that policy answered; empty when policy was not what blocks it.</summary>
    public string Question { get; init; } = "";

    /// <summary>Which policy answered.</summary>
    public string PolicyId { get; init; } = "";

    /// <summary>Which version of it.</summary>
    public string PolicyVersion { get; init; } = "";
}

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

    /// <summary>How often a plan is started at most.</summary>
    public const int MaxAttempts = 8;

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

        if (await DraftAsync(store, session, request, null, now, cancellationToken).ConfigureAwait(false) is not { } draft)
        {
            return null;
        }

        return await StoreAsync(session, request, draft, null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Plans a failed or blocked plan again: what it is about is judged anew, by the state and the policy of now.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who plans.</param>
    /// <param name="planId">The plan.</param>
    /// <param name="now">Now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The plan as it is now; null when there is no such plan.</returns>
    public static async Task<PlanResult?> RetryAsync(StateStore store, StateSession session, string planId, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        StoredRecord plan;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            if (snapshot.Get(RecordKind.Plan, planId) is not { IsTombstone: false } found)
            {
                return null;
            }

            plan = found;
        }

        string operation = plan.Text("operation_class") ?? "";
        string status = plan.Text("status") ?? "";
        if (status is not ("failed" or "blocked" or "planned") || !Operations.Contains(operation, StringComparer.Ordinal))
        {
            CommitRefusal refusal = new("plan.retry", $"The plan is {status}, of the operation '{operation}'; only a failed, blocked or planned one of a known operation is judged again.", "Make a new plan: statestore plan create.", RecordKind.Plan, planId);
            return new PlanResult(planId, status, [], [], refusal.Reason, false, CommitReceipt.Refused(CommitStatus.Denied, refusal));
        }

        string? workspace = plan.Text("workspace_id") is { Length: > 0 } named ? named : null;
        PlanRequest request = new(operation, null, workspace, plan.Text("profile_id"), plan.Text("target_actor") ?? "");
        bool isByName = workspace is null && PlanParts.ScopeOf(plan) != "profile";
        Draft draft = (await DraftAsync(store, session, request, isByName ? PlanParts.ObjectsOf(plan) : null, now, cancellationToken).ConfigureAwait(false))!;
        return await StoreAsync(session, request, draft, plan, cancellationToken).ConfigureAwait(false);
    }

    // What the state and the local rules say is judged on one snapshot; a policy service is asked afterwards, without one.
    private static async Task<Draft?> DraftAsync(StateStore store, StateSession session, PlanRequest request, IReadOnlyList<string>? objectIds, DateTimeOffset now, CancellationToken cancellationToken)
    {
        List<StoredRecord> going = [];
        List<PlanBlock> blocked = [];
        List<PolicyInput> inputs = [];
        List<int> inputsOf = [];
        PolicyServiceSettings? service;
        bool truncated;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            List<StoredRecord> objects = Select(snapshot, request, objectIds, session.Identity.ProfileId, out truncated);
            if (request.ObjectId is not null && objects.Count == 0)
            {
                return null;
            }

            ExplainWorld world = ExplainWorld.Read(snapshot, snapshot.Sequence);
            service = world.Policy.Service;
            foreach (StoredRecord record in objects)
            {
                cancellationToken.ThrowIfCancellationRequested();
                PolicyInput[] asked = [.. Questions(request.Operation, record).Select(question => PolicyAsking.Input(snapshot, record, question, session.Identity.ActorId, null))];
                if (Judge(snapshot, world, record, request.Operation, asked, now) is { } block)
                {
                    blocked.Add(block);
                    continue;
                }

                going.Add(record);
                inputs.AddRange(asked);
                inputsOf.Add(asked.Length);
            }
        }

        ServiceWord? word = service is null || going.Count == 0 ? null : await PlanParts.AskAsync(service, going, blocked, inputs, inputsOf, now, cancellationToken).ConfigureAwait(false);
        List<string> dependencies = [];
        going.ForEach(record => AddDependency(dependencies, record));
        return new Draft(going, blocked, dependencies, truncated, now) { Service = word };
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

        int attempts = PlanParts.AttemptsOf(plan) + (status == "running" ? 1 : 0);
        if (status == "running" && attempts > MaxAttempts)
        {
            return CommitReceipt.Refused(CommitStatus.Denied, new CommitRefusal("plan.attempts", $"The plan was started {MaxAttempts} times already.", "Find out why it fails; then plan it again: statestore plan create.", RecordKind.Plan, planId));
        }

        byte[] body = PlanParts.Moved(plan, status, error, attempts, now);
        string happened = status switch
        {
            "running" => "started",
            "planned" => "created",
            _ => status,
        };
        ChangeOptions options = new() { ExpectedSequence = plan.Sequence, EventType = $"sync.plan.{happened}" };
        return await session.CommitAsync(new CommitBatch().Put(RecordKind.Plan, planId, body, options), CommitWait.Visible, cancellationToken).ConfigureAwait(false);
    }

    private sealed record Draft(List<StoredRecord> Going, List<PlanBlock> Blocked, List<string> Dependencies, bool IsTruncated, DateTimeOffset Now)
    {
        /// <summary>What the policy service said; null when there is none, or nothing to ask.</summary>
        public ServiceWord? Service { get; init; }
    }

    // A session that is bound to a profile plans for the objects of that profile alone.
    private static List<StoredRecord> Select(ReadSnapshot snapshot, PlanRequest request, IReadOnlyList<string>? objectIds, string profileId, out bool truncated)
    {
        truncated = false;
        if (objectIds is not null)
        {
            return [.. objectIds.Where(Identifier.IsValid).Distinct(StringComparer.Ordinal).Take(MaxObjects).Select(id => snapshot.Get(RecordKind.Object, id)).OfType<StoredRecord>().Where(static record => !record.IsTombstone)];
        }

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

    private static PlanBlock? Judge(ReadSnapshot snapshot, ExplainWorld world, StoredRecord record, string operation, PolicyInput[] asked, DateTimeOffset now)
    {
        if (operation is "replicate" or "export" or "delete")
        {
            // What an earlier plan wrote down of policy is not asked: policy itself is, below.
            if (ExplainFacts.Gather(snapshot, record.Id, snapshot.Sequence, world) is { } known
                && known.Blocks.FirstOrDefault(block => !block.IsPolicyNow && (operation != "delete" || block.Rule.StartsWith("conflict", StringComparison.Ordinal))) is { } found)
            {
                return new PlanBlock(record.Id, found.Rule, found.Sentence, found.NeedsReview ? "Settle it, then plan again." : "Change the object, if that is right.", found.NeedsReview);
            }

            if (operation == "delete" && Gates.RetentionGate.IsHeld(Slots.Open(record.Body)))
            {
                return new PlanBlock(record.Id, "retention.legal-hold", "It is under a legal hold.", $"Clear the hold: statestore hold clear {record.Id}", true);
            }
        }

        foreach (PolicyInput input in asked)
        {
            PolicyAnswer answer = world.Policy.Evaluate(input);
            if (answer.Effect != PolicyEffect.Allow && !IsDecided(world, record.Id, input.Question, now))
            {
                return PlanParts.Block(record.Id, input.Question, answer);
            }
        }

        return null;
    }

    // A recorded decision of an administrator that names this object and this question stands above the rules, as it does in a commit.
    private static bool IsDecided(ExplainWorld world, string objectId, string question, DateTimeOffset now) =>
        world.Decisions[objectId].Any(decision => DecisionRules.Allows(Slots.Open(decision.Body), question, objectId, now));

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

    private static async Task<PlanResult> StoreAsync(StateSession session, PlanRequest request, Draft draft, StoredRecord? earlier, CancellationToken cancellationToken)
    {
        // Folders and workspaces hold others, so they go first; the rest goes in the order of its path or name.
        List<string> order = [.. draft.Going.OrderBy(static record => record.Text("object_type") switch { "workspace" => 0, "folder" => 1, _ => 2 })
            .ThenBy(static record => record.Text("path") ?? record.Id, StringComparer.Ordinal).Select(static record => record.Id)];
        string status = order.Count == 0 ? "blocked" : "planned";
        string id = earlier?.Id ?? NewId.Of("sync-plan");
        string sentence = Sentence(request, draft, order.Count);
        CommitBatch batch = new();
        string decisionId = AddDecisions(batch, session, draft, id);
        ReadOnlyMemory<byte> document = Documents.Build(RecordKind.Plan, id, writer =>
        {
            writer.WriteString("source_actor"u8, earlier?.Text("source_actor") ?? session.Identity.ActorId);
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
            writer.WriteString("created_at"u8, Documents.TimeText(earlier is null ? draft.Now : PlanParts.CreatedAt(earlier) ?? draft.Now));
            writer.WriteString("updated_at"u8, Documents.TimeText(draft.Now));
            writer.WriteNull("last_error"u8);
            writer.WriteNumber("attempts"u8, earlier is null ? 0 : PlanParts.AttemptsOf(earlier));
            WriteBlocked(writer, draft.Blocked);
            writer.WriteString("scope"u8, earlier is not null ? PlanParts.ScopeOf(earlier) : request.ObjectId is not null ? "object" : request.WorkspaceId is not null ? "workspace" : "profile");
            draft.Service?.Write(writer);
        });
        batch.PutJson(document.Span, new ChangeOptions { ExpectedSequence = earlier?.Sequence ?? 0, EventType = status == "blocked" ? "sync.plan.blocked" : "sync.plan.created" });
        CommitReceipt receipt = await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
        return new PlanResult(id, status, order, draft.Blocked, sentence, draft.IsTruncated, receipt);
    }

    private static string AddDecisions(CommitBatch batch, StateSession session, Draft draft, string planId)
    {
        string first = "";
        foreach (PlanBlock block in draft.Blocked.Where(static block => block.Rule.StartsWith("policy.", StringComparison.Ordinal)).Take(MaxDecisions))
        {
            string id = NewId.Of("policy-decision");
            first = first.Length == 0 ? id : first;
            batch.PutJson(Documents.Build(RecordKind.Decision, id, writer =>
            {
                writer.WriteString("effect"u8, block.NeedsReview ? "review_required"u8 : "deny"u8);
                writer.WriteString("question"u8, block.Question);
                writer.WriteString("policy_id"u8, block.PolicyId);
                writer.WriteString("policy_version"u8, block.PolicyVersion);
                writer.WriteString("rule_id"u8, block.Rule["policy.".Length..]);
                writer.WriteString(PlanParts.PlanField, planId);
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
        string what = request.ObjectId ?? request.WorkspaceId ?? request.ProfileId ?? "the store";
        string more = draft.IsTruncated ? $" Only the first {MaxObjects} objects were looked at." : "";
        return draft.Blocked.Count == 0
            ? $"{going} objects of {what} would go; nothing is blocked.{more}"
            : $"{going} objects of {what} would go; {draft.Blocked.Count} are blocked, first '{draft.Blocked[0].ObjectId}': {draft.Blocked[0].Reason}{more}";
    }
}
