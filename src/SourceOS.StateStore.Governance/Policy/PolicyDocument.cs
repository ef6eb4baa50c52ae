// Why this file exists: reading a policy document, strictly: a misspelt word in a policy must not mean "no rule". Invariants: every bound is checked before anything is
// built; the first fault ends the reading and names its place.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>A policy document as it was read.</summary>
internal sealed class PolicyDocument
{
    /// <summary>Most bytes a document can have.</summary>
    public const int MaxBytes = 1 << 20;

    private const int MaxRules = 4096;
    private const int MaxValues = 1024;
    private const int MaxTextLength = 1024;

    private static readonly Dictionary<string, Func<PolicyInput, string>?> s_conditions = new(StringComparer.Ordinal)
    {
        ["actor_id"] = static input => input.ActorId,
        ["actor_type"] = static input => input.ActorType,
        ["actor_trust"] = static input => input.ActorTrust,
        ["object_id"] = static input => input.ObjectId,
        ["object_type"] = static input => input.ObjectType,
        ["profile_id"] = static input => input.ProfileId,
        ["profile_class"] = static input => input.ProfileClass,
        ["workspace_id"] = static input => input.WorkspaceId,
        ["privacy_class"] = static input => input.PrivacyClass,
        ["sync_visibility"] = static input => input.SyncVisibility,
        ["retention_class"] = static input => input.RetentionClass,
        ["state"] = static input => input.State,
        ["lane"] = static input => input.Lane,
        ["policy_tags"] = null,
    };

    private readonly HashSet<string> _ruleIds = new(StringComparer.Ordinal);

    public PolicyFault? Fault { get; private set; }

    public string Id { get; private set; } = "";

    public string Version { get; private set; } = "";

    public PolicyServiceSettings? Service { get; private set; }

    public bool RequiresSignatures { get; private set; }

    public List<PolicyRules.Rule> Rules { get; } = [];

    public Dictionary<string, PolicyEffect> Defaults { get; } = new(StringComparer.Ordinal);

    public static PolicyDocument Read(ReadOnlySpan<byte> utf8Json)
    {
        PolicyDocument document = new();
        if (utf8Json.Length > MaxBytes)
        {
            document.Refuse("", $"The document has {utf8Json.Length} bytes; a policy has at most {MaxBytes}.");
            return document;
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(utf8Json.ToArray(), new JsonDocumentOptions { MaxDepth = 16 });
            document.ReadRoot(json.RootElement);
        }
        catch (JsonException exception)
        {
            document.Refuse("", $"The document is not JSON: {exception.Message}");
        }
        catch (InvalidOperationException)
        {
            // Text that is not valid Unicode shows only when it is read.
            document.Refuse("", "The document holds text that is not valid UTF-8 or UTF-16.");
        }

        return document;
    }

    private void ReadRoot(JsonElement root)
    {
        if (!IsObject(root, "") || !Names(root, "", ["schema", "policy_id", "version", "description", "service", "require_signatures", "defaults", "rules"]))
        {
            return;
        }

        if (Text(root, "schema", "") is var schema && schema != PolicyRules.Schema)
        {
            Refuse("/schema", $"The document's schema is '{schema}', not '{PolicyRules.Schema}'.");
            return;
        }

        Id = Text(root, "policy_id", "");
        Version = Text(root, "version", "");
        if (root.TryGetProperty("service", out JsonElement service) && IsObject(service, "/service") && Names(service, "/service", ["url", "timeout_ms", "retries"]))
        {
            ReadService(service);
        }

        if (root.TryGetProperty("require_signatures", out JsonElement required))
        {
            RequiresSignatures = required.ValueKind == JsonValueKind.True;
            if (required.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            {
                Refuse("/require_signatures", "'require_signatures' must be true or false.");
            }
        }

        if (root.TryGetProperty("defaults", out JsonElement defaults) && IsObject(defaults, "/defaults"))
        {
            foreach (JsonProperty item in defaults.EnumerateObject())
            {
                Known(item.Name, PolicyQuestions.All, $"/defaults/{item.Name}", "question");
                Defaults[item.Name] = Effect(item.Value, $"/defaults/{item.Name}");
            }
        }

        if (!root.TryGetProperty("rules", out JsonElement rules) || rules.ValueKind != JsonValueKind.Array || rules.GetArrayLength() > MaxRules)
        {
            Refuse("/rules", $"'rules' must be a list of at most {MaxRules} rules.");
            return;
        }

        int index = 0;
        foreach (JsonElement rule in rules.EnumerateArray())
        {
            ReadRule(rule, $"/rules/{index++}");
        }
    }

    private void ReadService(JsonElement service)
    {
        string url = Text(service, "url", "/service");
        if (Fault is null && !PolicyServiceAddress.TryParse(url, out _, out string reason))
        {
            Refuse("/service/url", reason);
        }

        Service = new PolicyServiceSettings(
            url,
            Number(service, "timeout_ms", PolicyServiceSettings.MaxTimeoutMs, 1) ?? PolicyServiceSettings.DefaultTimeoutMs,
            Number(service, "retries", PolicyServiceSettings.MaxRetries, 0) ?? PolicyServiceSettings.DefaultRetries);
    }

    private int? Number(JsonElement parent, string name, int most, int least)
    {
        if (!parent.TryGetProperty(name, out JsonElement value))
        {
            return null;
        }

        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= least && number <= most)
        {
            return number;
        }

        Refuse($"/service/{name}", $"'{name}' must be a whole number from {least} to {most}.");
        return null;
    }

    private void ReadRule(JsonElement rule, string place)
    {
        if (Fault is not null || !IsObject(rule, place) || !Names(rule, place, ["id", "questions", "effect", "when", "rationale", "remedy"]))
        {
            return;
        }

        string id = Text(rule, "id", place);
        if (!_ruleIds.Add(id))
        {
            Refuse($"{place}/id", $"There is another rule '{id}'.");
        }

        HashSet<string> questions = Values(rule, "questions", place);
        foreach (string question in questions)
        {
            Known(question, PolicyQuestions.All, $"{place}/questions", "question");
        }

        List<PolicyRules.Condition> conditions = [];
        if (rule.TryGetProperty("when", out JsonElement when) && IsObject(when, $"{place}/when"))
        {
            foreach (JsonProperty condition in when.EnumerateObject())
            {
                if (Known(condition.Name, s_conditions.Keys, $"{place}/when/{condition.Name}", "condition"))
                {
                    conditions.Add(new PolicyRules.Condition(condition.Name, s_conditions[condition.Name], Values(when, condition.Name, $"{place}/when")));
                }
            }
        }

        PolicyEffect effect = rule.TryGetProperty("effect", out JsonElement stated) ? Effect(stated, $"{place}/effect") : Effect(default, $"{place}/effect");
        Rules.Add(new PolicyRules.Rule(id, questions, effect, Text(rule, "rationale", place), rule.TryGetProperty("remedy", out _) ? Text(rule, "remedy", place) : "", conditions));
    }

    private PolicyEffect Effect(JsonElement value, string place)
    {
        switch (value.ValueKind == JsonValueKind.String ? value.GetString() : null)
        {
            case "allow": return PolicyEffect.Allow;
            case "deny": return PolicyEffect.Deny;
            case "review_required": return PolicyEffect.ReviewRequired;
            default:
                Refuse(place, "An effect is allow, deny or review_required.");
                return PolicyEffect.Deny;
        }
    }

    private HashSet<string> Values(JsonElement parent, string name, string place)
    {
        HashSet<string> values = new(StringComparer.Ordinal);
        if (!parent.TryGetProperty(name, out JsonElement list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() is 0 or > MaxValues)
        {
            Refuse($"{place}/{name}", $"'{name}' must be a list of 1 to {MaxValues} texts.");
            return values;
        }

        foreach (JsonElement item in list.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.String || item.GetString()!.Length > MaxTextLength)
            {
                Refuse($"{place}/{name}", $"'{name}' must hold texts of at most {MaxTextLength} characters.");
                return values;
            }

            values.Add(item.GetString()!);
        }

        return values;
    }

    private string Text(JsonElement parent, string name, string place)
    {
        if (parent.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 and <= MaxTextLength } text)
        {
            return text;
        }

        Refuse($"{place}/{name}", $"'{name}' must be a text of 1 to {MaxTextLength} characters.");
        return "";
    }

    private bool Known(string name, IEnumerable<string> all, string place, string what)
    {
        bool known = all.Contains(name, StringComparer.Ordinal);
        if (!known)
        {
            Refuse(place, $"'{name}' is not a {what}. There are: {string.Join(", ", all)}.");
        }

        return known;
    }

    private bool Names(JsonElement element, string place, string[] known)
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (!Known(property.Name, known, $"{place}/{property.Name}", "word of the policy language here"))
            {
                return false;
            }
        }

        return true;
    }

    private bool IsObject(JsonElement element, string place)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            Refuse(place, "A JSON object is expected here.");
            return false;
        }

        // Of two equal names a reader may take either, so a policy has none.
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (!names.Add(property.Name))
            {
                Refuse($"{place}/{property.Name}", $"The name '{property.Name}' stands here twice.");
                return false;
            }
        }

        return true;
    }

    private void Refuse(string place, string message) => Fault ??= new PolicyFault(place.Length == 0 ? "/" : place, message);
}
