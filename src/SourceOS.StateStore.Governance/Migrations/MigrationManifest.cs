// Why this file exists: what a migration does, as people write it, sign it and keep it: from which version of a schema to which, and by which steps. Invariants: a manifest that can be read is valid by the JSON Schema that
// ships with the program; its steps are a closed set, each bounded by the size of the object it works on; nothing but its canonical form is signed.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.JsonSchema;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>One version of a schema.</summary>
/// <param name="SchemaId">The schema's identifier.</param>
/// <param name="Version">The version.</param>
public sealed record SchemaVersion(string SchemaId, string Version)
{
    /// <summary>Both in one text.</summary>
    /// <returns>For people.</returns>
    public override string ToString() => $"{SchemaId} {Version}";
}

/// <summary>What becomes of an object with a value that a step does not fit.</summary>
public enum UnfitPolicy
{
    /// <summary>The object stays as it is and is listed.</summary>
    Refuse = 1,

    /// <summary>The object is put into quarantine, otherwise as it is.</summary>
    Quarantine = 2,

    /// <summary>The value stays as it is; the object goes on to the next step.</summary>
    Leave = 3,
}

/// <summary>Why a manifest is refused.</summary>
/// <param name="Place">Where in it, as a JSON pointer.</param>
/// <param name="Message">What is wrong, in a sentence.</param>
public sealed record ManifestFault(string Place, string Message);

/// <summary>A manifest that was read. Immutable, thread-safe.</summary>
public sealed class MigrationManifest
{
    /// <summary>The `schema` text of a manifest.</summary>
    public const string Schema = "sourceos.migration-manifest/v1alpha1";

    /// <summary>Most bytes a manifest can have.</summary>
    public const int MaxBytes = 512 << 10;

    private static readonly Lazy<CompiledSchema> s_schema = new(Compile);

    private MigrationManifest(JsonElement root, byte[] canonical)
    {
        Canonical = canonical;
        Hash = Checksum.Sha256(canonical);
        Id = root.GetProperty("migration_id").GetString()!;
        Description = root.TryGetProperty("description", out JsonElement description) ? description.GetString()! : "";
        ObjectType = root.GetProperty("object_type").GetString()!;
        From = Version(root.GetProperty("from"));
        To = Version(root.GetProperty("to"));
        Unfit = root.TryGetProperty("unfit", out JsonElement unfit) ? Parse(unfit) : UnfitPolicy.Refuse;
    }

    /// <summary>The migration's identifier.</summary>
    public string Id { get; }

    /// <summary>What it is for; may be empty.</summary>
    public string Description { get; }

    /// <summary>The type of the objects that it migrates.</summary>
    public string ObjectType { get; }

    /// <summary>The version that they follow before.</summary>
    public SchemaVersion From { get; }

    /// <summary>The version that they follow after.</summary>
    public SchemaVersion To { get; }

    /// <summary>What becomes of objects that do not fit, unless a step says otherwise.</summary>
    public UnfitPolicy Unfit { get; }

    /// <summary>The manifest in the one form that is signed.</summary>
    public ReadOnlyMemory<byte> Canonical { get; }

    /// <summary>SHA-256 of <see cref="Canonical"/>.</summary>
    public Hash256 Hash { get; }

    internal IReadOnlyList<MigrationStep> Steps { get; private set; } = [];

    /// <summary>Reads a manifest.</summary>
    /// <param name="utf8Json">Its JSON.</param>
    /// <param name="manifest">The manifest when it is valid.</param>
    /// <param name="fault">Why it is not.</param>
    /// <returns>Whether it is valid.</returns>
    public static bool TryParse(ReadOnlyMemory<byte> utf8Json, out MigrationManifest? manifest, out ManifestFault? fault)
    {
        manifest = null;
        if (utf8Json.Length > MaxBytes)
        {
            fault = new ManifestFault("/", $"The manifest has {utf8Json.Length} bytes; it may have {MaxBytes}.");
            return false;
        }

        SchemaEvaluationResult result = s_schema.Value.Evaluate(utf8Json.Span, new SchemaEvaluationOptions { MaxOutputUnits = 8 });
        if (!result.IsValid)
        {
            SchemaError? error = result.Errors.MaxBy(static one => one.InstanceLocation.Length);
            fault = new ManifestFault(error is { InstanceLocation.Length: > 0 } ? error.InstanceLocation : "/", error?.Message ?? "The document is not JSON, or passes a bound of the evaluator.");
            return false;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8Json, new JsonDocumentOptions { MaxDepth = FormatLimits.MaxJsonDepth });
            return TryBuild(document.RootElement, out manifest, out fault);
        }
        catch (JsonException exception)
        {
            fault = new ManifestFault("/", $"The manifest is not JSON: {exception.Message}");
            return false;
        }
    }

    /// <summary>The steps that lead back, in their order; null when a step cannot be reversed.</summary>
    /// <param name="why">Which step cannot be reversed, and why; empty when all can.</param>
    /// <returns>Steps in JSON, or null.</returns>
    public IReadOnlyList<string>? Reverse(out string why)
    {
        List<string> steps = [];
        why = "";
        for (int i = Steps.Count - 1; i >= 0; i--)
        {
            if (Steps[i].Reverse(Id, out string reason) is not { } step)
            {
                why = $"Step {i + 1} ({Steps[i].Op}) cannot be reversed by a step: {reason}";
                return null;
            }

            steps.Add(step);
        }

        return steps;
    }

    private static bool TryBuild(JsonElement root, out MigrationManifest? manifest, out ManifestFault? fault)
    {
        manifest = null;
        if (CanonicalJson.Of(root) is not { } canonical)
        {
            fault = new ManifestFault("/", "The manifest names a member twice, or holds text that is not valid Unicode; it has no form that could be signed.");
            return false;
        }

        MigrationManifest built = new(root, canonical);
        fault = new[] { built.Id, built.ObjectType, built.From.SchemaId, built.To.SchemaId }.FirstOrDefault(static id => !Identifier.IsValid(id)) is { } bad
            ? new ManifestFault("/", $"'{bad}' is not an identifier.")
            : built.From == built.To ? new ManifestFault("/to", "The manifest leads to the version that it starts from.") : null;
        if (fault is not null)
        {
            return false;
        }

        List<MigrationStep> steps = [];
        foreach (JsonElement step in root.GetProperty("steps").EnumerateArray())
        {
            if (MigrationStep.Read(step, built.Unfit, out string message) is not { } read)
            {
                fault = new ManifestFault($"/steps/{steps.Count}", message);
                return false;
            }

            steps.Add(read);
        }

        built.Steps = steps;
        manifest = built;
        return true;
    }

    internal static UnfitPolicy Parse(JsonElement unfit) => unfit.GetString() switch
    {
        "quarantine" => UnfitPolicy.Quarantine,
        "leave" => UnfitPolicy.Leave,
        _ => UnfitPolicy.Refuse,
    };

    private static SchemaVersion Version(JsonElement version) => new(version.GetProperty("schema_id").GetString()!, version.GetProperty("version").GetString()!);

    private static CompiledSchema Compile()
    {
        foreach (ReadOnlyMemory<byte> record in BuiltInSchemas.Documents())
        {
            using JsonDocument document = JsonDocument.Parse(record);
            if (document.RootElement.GetProperty("schema_id").ValueEquals("schema:migration_manifest:v1"))
            {
                SchemaRegistrationResult result = SchemaRegistry.Create().Register(new SchemaDocument(null, document.RootElement.GetProperty("json_schema")));
                return result.Registry.Find("urn:sourceos:schema:migration_manifest:v1#/$defs/manifest")
                    ?? throw new InvalidOperationException("The shipped schema of manifests has no $defs/manifest.");
            }
        }

        throw new InvalidOperationException("The schema of manifests is missing from the assembly.");
    }
}
