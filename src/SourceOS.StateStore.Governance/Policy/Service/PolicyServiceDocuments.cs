// Why this file exists: the request and the answer of a policy service as JSON (docs/policy.md). Invariants: equal questions are equal bytes, so that the bytes are the reference by which
// an answer is found again; an answer with anything unknown, doubled or missing in it is no answer.

using System.Buffers;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>Writes requests and reads answers.</summary>
internal static class PolicyServiceDocuments
{
    public const string RequestSchema = "sourceos.policy-request/v1alpha1";
    public const string AnswerSchema = "sourceos.policy-answer/v1alpha1";
    public const int MaxQuestions = 256;
    private const int MaxTextLength = 1024;

    /// <summary>One question, as it stands in a request.</summary>
    public static string Question(PolicyInput input)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("question"u8, input.Question);
            foreach ((string name, string value) in Fields(input))
            {
                if (value.Length > 0)
                {
                    writer.WriteString(name, value);
                }
            }

            if (input.PolicyTags.Count > 0)
            {
                writer.WriteStartArray("policy_tags"u8);
                foreach (string tag in input.PolicyTags)
                {
                    writer.WriteStringValue(tag);
                }

                writer.WriteEndArray();
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>A request of some questions.</summary>
    public static byte[] Request(IEnumerable<string> questions) =>
        Encoding.UTF8.GetBytes($$"""{"schema":"{{RequestSchema}}","questions":[{{string.Join(',', questions)}}]}""");

    /// <summary>Reads the answers to as many questions; null when the document is not that.</summary>
    public static PolicyAnswer[]? Read(ReadOnlyMemory<byte> utf8Json, int count, out string fault)
    {
        fault = "";
        try
        {
            using JsonDocument json = JsonDocument.Parse(utf8Json, new JsonDocumentOptions { MaxDepth = 8 });
            return ReadRoot(json.RootElement, count);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            fault = exception is FormatException ? exception.Message : "it is not JSON, or holds text that is not valid";
            return null;
        }
    }

    private static PolicyAnswer[] ReadRoot(JsonElement root, int count)
    {
        Names(root, ["schema", "policy_id", "version", "answers"], "the answer");
        Check(Text(root, "schema") == AnswerSchema, $"its schema is not '{AnswerSchema}'");
        string policy = Text(root, "policy_id");
        string version = Text(root, "version");
        Check(root.TryGetProperty("answers", out JsonElement list) && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() == count, $"'answers' is not a list of {count}");
        PolicyAnswer[] answers = new PolicyAnswer[count];
        int index = 0;
        foreach (JsonElement item in list.EnumerateArray())
        {
            Names(item, ["effect", "rule", "rationale", "remedy"], $"answer {index}");
            PolicyEffect effect = Text(item, "effect") switch
            {
                "allow" => PolicyEffect.Allow,
                "deny" => PolicyEffect.Deny,
                "review_required" => PolicyEffect.ReviewRequired,
                _ => throw new FormatException($"the effect of answer {index} is not allow, deny or review_required"),
            };
            string rule = Text(item, "rule");
            Check(Identifier.IsValid(rule), $"the rule of answer {index} is not an identifier");
            answers[index++] = new PolicyAnswer(effect, policy, version, $"service.{rule}", Text(item, "rationale"), item.TryGetProperty("remedy", out _) ? Text(item, "remedy") : "");
        }

        return answers;
    }

    private static void Names(JsonElement element, string[] known, string what)
    {
        Check(element.ValueKind == JsonValueKind.Object, $"{what} is not an object");
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (JsonProperty property in element.EnumerateObject())
        {
            Check(seen.Add(property.Name), $"{what} holds a name twice");
            Check(known.Contains(property.Name, StringComparer.Ordinal), $"{what} holds a name that is not known");
        }
    }

    private static string Text(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 and <= MaxTextLength } text
            ? text : throw new FormatException($"'{name}' is not a text of 1 to {MaxTextLength} characters");

    private static void Check(bool holds, string fault)
    {
        if (!holds)
        {
            throw new FormatException(fault);
        }
    }

    private static (string Name, string Value)[] Fields(PolicyInput input) =>
    [
        ("actor_id", input.ActorId),
        ("actor_type", input.ActorType),
        ("actor_trust", input.ActorTrust),
        ("object_id", input.ObjectId),
        ("object_type", input.ObjectType),
        ("profile_id", input.ProfileId),
        ("profile_class", input.ProfileClass),
        ("workspace_id", input.WorkspaceId),
        ("privacy_class", input.PrivacyClass),
        ("sync_visibility", input.SyncVisibility),
        ("retention_class", input.RetentionClass),
        ("state", input.State),
        ("lane", input.Lane),
    ];
}
