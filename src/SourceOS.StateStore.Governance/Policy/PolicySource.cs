// Why this file exists: which policy holds: the one that the store has as a record, else the one that ships with the program. Invariants: the policy that judges a commit
// is the one in the state that the commit finds, so loading a policy takes effect with the very next commit and is rolled back with its own.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>Finds the policy in force.</summary>
public sealed class PolicySource
{
    /// <summary>The object that holds the policy in force.</summary>
    public const string ObjectId = "policy:local";

    private static readonly int s_attributes = Slots.Of(RecordKind.Object, "attributes");
    private static readonly Lazy<PolicyRules> s_shipped = new(LoadShipped);
    private PolicyRules? _loaded;
    private ulong _loadedSequence;

    /// <summary>The policy that ships with the program.</summary>
    public static PolicyRules Shipped => s_shipped.Value;

    /// <summary>The shipped policy's document.</summary>
    public static byte[] ShippedDocument()
    {
        using Stream stream = typeof(PolicySource).Assembly.GetManifestResourceStream("policy/default-policy.json")
            ?? throw new InvalidOperationException("The shipped policy is missing from the assembly.");
        byte[] document = new byte[stream.Length];
        stream.ReadExactly(document);
        return document;
    }

    /// <summary>The policy of a snapshot.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="asOf">As of this sequence; null for the snapshot's own.</param>
    /// <returns>The policy, and the record that holds it; null for the shipped one.</returns>
    /// <exception cref="StateStoreException">StateDamaged when the record does not hold a policy: the gates never let such a one in.</exception>
    public static (PolicyRules Rules, StoredRecord? Record) Of(ReadSnapshot snapshot, ulong? asOf = null)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        StoredRecord? record = asOf is { } sequence ? snapshot.GetAsOf(RecordKind.Object, ObjectId, sequence) : snapshot.Get(RecordKind.Object, ObjectId);
        if (record is null or { IsTombstone: true })
        {
            return (Shipped, null);
        }

        return (Read(Slots.Open(record.Body), out PolicyFault? fault) ?? throw Unusable(fault!), record);
    }

    /// <summary>The document of a policy.</summary>
    /// <param name="record">The record that holds it, as <see cref="Of"/> gave it; null for the shipped one.</param>
    /// <returns>Its JSON.</returns>
    public static byte[] DocumentOf(StoredRecord? record)
    {
        if (record is null)
        {
            return ShippedDocument();
        }

        return Slots.Open(record.Body).TryGetJson(s_attributes, out ReadOnlySpan<byte> attributes) && TryGetPolicy(attributes, out byte[] document) ? document : "null"u8.ToArray();
    }

    /// <summary>Reads the policy out of an object's body.</summary>
    internal static PolicyRules? Read(RecordBodyView body, out PolicyFault? fault)
    {
        if (!body.TryGetJson(s_attributes, out ReadOnlySpan<byte> attributes) || !TryGetPolicy(attributes, out byte[] document))
        {
            fault = new PolicyFault("/attributes/policy", "The object's attributes hold no policy document.");
            return null;
        }

        return PolicyRules.TryParse(document, out PolicyRules? rules, out fault) ? rules : null;
    }

    /// <summary>The policy in force for a commit. Writer thread only.</summary>
    internal PolicyRules InForce(IStateView state)
    {
        if (!state.TryGet(RecordKind.Object, ObjectId, out RecordView record) || record.IsTombstone)
        {
            return Shipped;
        }

        if (_loaded is null || _loadedSequence != record.Sequence)
        {
            _loaded = Read(record.Body, out PolicyFault? fault) ?? throw Unusable(fault!);
            _loadedSequence = record.Sequence;
        }

        return _loaded;
    }

    private static StateStoreException Unusable(PolicyFault fault) => new(
        StateStoreErrorCode.InvalidInput, $"The policy that the store holds cannot be used: {fault.Message}", $"object {ObjectId}, {fault.Place}", "Load a valid one: statestore policy load FILE.");

    private static bool TryGetPolicy(ReadOnlySpan<byte> attributes, out byte[] document)
    {
        document = [];
        Utf8JsonReader reader = new(attributes);
        using JsonDocument json = JsonDocument.ParseValue(ref reader);
        if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("policy", out JsonElement policy) || policy.ValueKind != JsonValueKind.Object)
        {
            return false;
        }

        document = System.Text.Encoding.UTF8.GetBytes(policy.GetRawText());
        return true;
    }

    private static PolicyRules LoadShipped() => PolicyRules.TryParse(ShippedDocument(), out PolicyRules? rules, out PolicyFault? fault)
        ? rules!
        : throw new InvalidOperationException($"The shipped policy is not valid: {fault!.Message} ({fault.Place})");
}
