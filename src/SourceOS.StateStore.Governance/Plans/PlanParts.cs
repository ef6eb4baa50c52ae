// Why this file exists: the parts of a plan that its making, its moves and its explanation share: what it is about, how often it was started, what the policy service said. Invariants: every answer of a service that a plan followed
// is written down with the plan, by policy and version; asking is bounded by the service's own settings; a service that cannot be reached means what the question says.

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Plans;

/// <summary>What a policy service said of a plan's objects.</summary>
/// <param name="PolicyId">Which policy it named; `policy-service` when it could not be asked.</param>
/// <param name="PolicyVersion">Which version of it.</param>
/// <param name="AskedAt">When it was asked.</param>
/// <param name="Asked">Objects it was asked about.</param>
/// <param name="Allowed">Objects it let go.</param>
/// <param name="Note">What people should know, such as that it could not be reached; empty otherwise.</param>
internal sealed record ServiceWord(string PolicyId, string PolicyVersion, DateTimeOffset AskedAt, int Asked, int Allowed, string Note)
{
    /// <summary>Writes it into an open plan document.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("policy_service"u8);
        writer.WriteString("policy_id"u8, PolicyId);
        writer.WriteString("policy_version"u8, PolicyVersion);
        writer.WriteString("asked_at"u8, Documents.TimeText(AskedAt));
        writer.WriteNumber("asked"u8, Asked);
        writer.WriteNumber("allowed"u8, Allowed);
        writer.WriteString("note"u8, Note);
        writer.WriteEndObject();
    }

    /// <summary>Reads it from a plan; null when that holds none.</summary>
    public static ServiceWord? Of(StoredRecord plan)
    {
        using JsonDocument json = JsonDocument.Parse(plan.ToJson());
        if (!json.RootElement.TryGetProperty("policy_service", out JsonElement word) || word.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        string Text(string name) => word.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
        return new ServiceWord(Text("policy_id"), Text("policy_version"), DateTimeOffset.TryParse(Text("asked_at"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset at) ? at : default, 0, 0, Text("note"));
    }
}

/// <summary>Parts of plans.</summary>
internal static class PlanParts
{
    /// <summary>The field of a decision that says which plan wrote it down: such a one repeats what policy said and decides nothing.</summary>
    public const string PlanField = "plan_id";

    private const int FirstBackOffSeconds = 30;
    private static readonly int s_status = Slots.Of(RecordKind.Plan, "status");
    private static readonly int s_updated = Slots.Of(RecordKind.Plan, "updated_at");
    private static readonly int s_created = Slots.Of(RecordKind.Plan, "created_at");
    private static readonly int s_error = Slots.Of(RecordKind.Plan, "last_error");

    /// <summary>A block by policy.</summary>
    public static PlanBlock Block(string objectId, string question, PolicyAnswer answer) =>
        new(objectId, $"policy.{answer.RuleId}", answer.Rationale, answer.Remedy, answer.Effect == PolicyEffect.ReviewRequired) { Question = question, PolicyId = answer.PolicyId, PolicyVersion = answer.PolicyVersion };

    /// <summary>Asks the service about what the rules let go, and moves what it does not let go to the blocked ones.</summary>
    public static async Task<ServiceWord> AskAsync(PolicyServiceSettings service, List<StoredRecord> going, List<PlanBlock> blocked, List<PolicyInput> inputs, List<int> inputsOf, DateTimeOffset now, CancellationToken cancellationToken)
    {
        IReadOnlyList<PolicyAnswer> answers = await new HttpPolicyEngine(service).EvaluateAllAsync(inputs, cancellationToken).ConfigureAwait(false);
        int asked = going.Count;
        List<StoredRecord> allowed = [];
        string note = "";
        PolicyAnswer? named = null;
        int at = 0;
        for (int index = 0; index < going.Count; index++)
        {
            PlanBlock? block = null;
            for (int end = at + inputsOf[index]; at < end; at++)
            {
                PolicyAnswer answer = answers[at];
                bool isHeard = answer.RuleId is not (HttpPolicyEngine.UnreachableRule or HttpPolicyEngine.UnusableRule);
                named ??= isHeard ? answer : null;
                note = note.Length == 0 && !isHeard ? answer.Rationale : note;
                block ??= answer.Effect == PolicyEffect.Allow ? null : Block(going[index].Id, inputs[at].Question, answer);
            }

            if (block is null)
            {
                allowed.Add(going[index]);
            }
            else
            {
                blocked.Add(block);
            }
        }

        going.Clear();
        going.AddRange(allowed);
        return new ServiceWord(named?.PolicyId ?? "policy-service", named?.PolicyVersion ?? "-", now, asked, allowed.Count, note);
    }

    /// <summary>Everything a plan is about: what would go, and what was blocked as far as it is written down.</summary>
    public static IReadOnlyList<string> ObjectsOf(StoredRecord plan)
    {
        List<string> ids = [];
        using JsonDocument json = JsonDocument.Parse(plan.ToJson());
        if (json.RootElement.TryGetProperty("object_ids", out JsonElement going) && going.ValueKind == JsonValueKind.Array)
        {
            ids.AddRange(going.EnumerateArray().Where(static id => id.ValueKind == JsonValueKind.String).Select(static id => id.GetString()!));
        }

        ids.AddRange(BlockedOf(json.RootElement));
        return ids;
    }

    /// <summary>What a plan was made for: object, workspace or profile; empty when it does not say.</summary>
    public static string ScopeOf(StoredRecord plan) => Text(plan, "scope");

    /// <summary>Whether a plan names an object among what it blocked.</summary>
    public static bool Blocks(StoredRecord plan, string objectId)
    {
        // Most plans do not name it at all, and that shows without reading their documents.
        if (plan.Body.Span.IndexOf(System.Text.Encoding.UTF8.GetBytes(objectId)) < 0 && !objectId.Any(static c => c is '"' or '\\' || c > '~'))
        {
            return false;
        }

        using JsonDocument json = JsonDocument.Parse(plan.ToJson());
        return BlockedOf(json.RootElement).Contains(objectId, StringComparer.Ordinal);
    }

    /// <summary>How often a plan was started.</summary>
    public static int AttemptsOf(StoredRecord plan)
    {
        using JsonDocument json = JsonDocument.Parse(plan.ToJson());
        return json.RootElement.TryGetProperty("attempts", out JsonElement attempts) && attempts.TryGetInt32(out int count) && count >= 0 ? count : 0;
    }

    /// <summary>When a plan was made; null when it does not say.</summary>
    public static DateTimeOffset? CreatedAt(StoredRecord plan) => Slots.Open(plan.Body).TryGetTime(s_created, out long micros) ? DateTimeOffset.UnixEpoch.AddMicroseconds(micros) : null;

    /// <summary>The plan that wrote a decision down; empty when none did.</summary>
    public static string PlanOf(StoredRecord decision) => Text(decision, PlanField);

    /// <summary>A plan's body at another status.</summary>
    public static byte[] Moved(StoredRecord plan, string status, string? error, int attempts, DateTimeOffset now)
    {
        byte[] document = JsonEdit.Set(plan.ToJson(), "attempts", writer => writer.WriteNumberValue(attempts));
        if (!RecordJson.TryParse(document, out _, out _, out byte[]? body, out RecordJsonFault fault))
        {
            throw new StateStoreException(StateStoreErrorCode.InvalidInput, $"The plan cannot be changed: {fault.Message}", $"plan {plan.Id}", "Plan it again: statestore plan create.");
        }

        StoredRecord counted = plan with { Body = body };
        return Documents.Changed(counted, builder =>
        {
            builder.SetText(s_status, status).SetTime(s_updated, now);
            if (error is not null)
            {
                DateTimeOffset again = now.AddSeconds(FirstBackOffSeconds * Math.Pow(2, Math.Max(0, attempts - 1)));
                builder.SetJson(s_error, Documents.Data(writer =>
                {
                    writer.WriteString("message"u8, error);
                    writer.WriteNumber("attempt"u8, attempts);
                    writer.WriteString("not_before"u8, Documents.TimeText(again));
                }));
            }
        });
    }

    private static string Text(StoredRecord record, string name)
    {
        using JsonDocument json = JsonDocument.Parse(record.ToJson());
        return json.RootElement.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
    }

    private static List<string> BlockedOf(JsonElement plan)
    {
        List<string> ids = [];
        if (plan.TryGetProperty("blocked", out JsonElement blocked) && blocked.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in blocked.EnumerateArray())
            {
                if (item.ValueKind == JsonValueKind.Object && item.TryGetProperty("object_id", out JsonElement id) && id.ValueKind == JsonValueKind.String)
                {
                    ids.Add(id.GetString()!);
                }
            }
        }

        return ids;
    }
}
