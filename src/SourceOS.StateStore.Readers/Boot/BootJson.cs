// Why this file exists: the verdict and its evidence as JSON, the same from every door. Invariants: the evidence depends on the verdict and the options alone, no time and no chance in it; what was not given
// is null or missing, never made up; a blocked boot keeps its rollback.

using System.Buffers;
using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Boot;

/// <summary>What the evidence says beside the verdict.</summary>
public sealed record BootEvidenceOptions
{
    /// <summary>Platforms that the evidence format knows.</summary>
    public static IReadOnlyList<string> Platforms { get; } = ["apple-silicon", "uefi-x86_64", "uefi-aarch64", "generic-arm64"];

    /// <summary>Boot modes that the evidence format knows.</summary>
    public static IReadOnlyList<string> BootModes { get; } = ["normal", "recovery", "rollback", "rescue", "installer"];

    /// <summary>The boot release set that is about to start, a reference of at least one character.</summary>
    public required string ReleaseSet { get; init; }

    /// <summary>Hash of the boot manifest; null when it is not known.</summary>
    public string? ManifestHash { get; init; }

    /// <summary>One of <see cref="Platforms"/>.</summary>
    public string Platform { get; init; } = "uefi-x86_64";

    /// <summary>One of <see cref="BootModes"/>.</summary>
    public string BootMode { get; init; } = "normal";

    /// <summary>The device; empty when it is not known.</summary>
    public string DeviceId { get; init; } = "";

    /// <summary>Where a rollback leads; null when there is none.</summary>
    public string? RollbackRef { get; init; }
}

/// <summary>Writes verdicts. Thread-safe.</summary>
public static class BootJson
{
    private const string EvidencePrefix = "sourceos-boot:trust-chain-boot-verification:";

    /// <summary>The verdict: `verdict`, `reasons`, `root`, `size`, `sequence`, `store`, `elapsedMs`, `level`.</summary>
    /// <param name="verdict">The verdict.</param>
    /// <returns>One line of JSON without a newline.</returns>
    public static byte[] Verdict(BootVerdict verdict)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        return Write(writer =>
        {
            writer.WriteString("verdict"u8, verdict.DecisionText);
            writer.WriteStartArray("reasons"u8);
            foreach (BootReason reason in verdict.Reasons)
            {
                writer.WriteStartObject();
                writer.WriteString("code"u8, reason.Code);
                writer.WriteString("message"u8, reason.Message);
                writer.WriteString("place"u8, reason.Place);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteString("root"u8, verdict.Root);
            writer.WriteNumber("size"u8, verdict.Size);
            writer.WriteNumber("sequence"u8, verdict.Sequence);
            writer.WriteString("store"u8, verdict.StoreId);
            writer.WriteNumber("elapsedMs"u8, verdict.ElapsedMs);
            writer.WriteString("level"u8, verdict.Level);
        });
    }

    /// <summary>The evidence (trust chain boot verification evidence, v0.1).</summary>
    /// <param name="verdict">The verdict.</param>
    /// <param name="options">What else it says.</param>
    /// <returns>The document.</returns>
    public static byte[] Evidence(BootVerdict verdict, BootEvidenceOptions options)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        ArgumentNullException.ThrowIfNull(options);
        bool verified = verdict.Decision == BootDecision.Verified;
        return Write(writer =>
        {
            writer.WriteString("schema_version"u8, "0.1"u8);
            writer.WriteString("evidence_id"u8, EvidencePrefix + IdOf(verdict, options));
            writer.WriteString("evidence_type"u8, "TrustChainBootVerificationEvidence"u8);
            writer.WriteString("boot_release_set_ref"u8, options.ReleaseSet);
            writer.WriteStartObject("device_claim"u8);
            writer.WriteString("device_id"u8, options.DeviceId);
            writer.WriteString("platform"u8, options.Platform);
            writer.WriteNull("claim_ref"u8);
            writer.WriteString("claim_status"u8, "missing"u8);
            writer.WriteEndObject();
            writer.WriteStartObject("boot"u8);
            writer.WriteString("manifest_hash"u8, options.ManifestHash);
            writer.WriteString("selected_release_set"u8, options.ReleaseSet);
            writer.WriteString("boot_mode"u8, options.BootMode);
            writer.WriteEndObject();
            writer.WriteStartObject("verification"u8);
            writer.WriteString("verification_result"u8, verified ? "pass"u8 : verdict.Level == "none" ? "not_run"u8 : "fail"u8);
            writer.WriteString("attestation_ref"u8, verified && verdict.Root.Length > 0 ? $"statestore-root://{verdict.StoreId}/{verdict.Size}/{verdict.Root}" : null);
            writer.WriteEndObject();
            WriteEffects(writer, verdict, options);
            WriteRemediation(writer, verdict);
            writer.WriteStartArray("non_claims"u8);
            writer.WriteStringValue("This evidence is about the state store alone; it does not verify the kernel, the boot loader or the device's claim."u8);
            writer.WriteStringValue("It was made by reading; no boot entry and no byte of the store was changed."u8);
            writer.WriteEndArray();
        });
    }

    private static void WriteEffects(Utf8JsonWriter writer, BootVerdict verdict, BootEvidenceOptions options)
    {
        bool verified = verdict.Decision == BootDecision.Verified;
        writer.WriteStartObject("rollback_recovery"u8);
        writer.WriteBoolean("rollback_available"u8, options.RollbackRef is not null);
        writer.WriteBoolean("recovery_available"u8, false);
        writer.WriteString("rollback_ref"u8, options.RollbackRef);
        writer.WriteNull("recovery_ref"u8);
        writer.WriteEndObject();
        writer.WriteStartObject("trust_chain_refs"u8);
        writer.WriteNull("policy_profile_ref"u8);
        writer.WriteNull("admission_decision_ref"u8);
        writer.WriteNull("runtime_receipt_ref"u8);
        writer.WriteEndObject();
        writer.WriteString("decision"u8, verdict.DecisionText);
        writer.WriteStartObject("effects"u8);
        writer.WriteBoolean("boot_allowed"u8, verified);
        writer.WriteBoolean("install_allowed"u8, verified);
        writer.WriteBoolean("rollback_allowed"u8, true);
        writer.WriteBoolean("repair_required"u8, !verified && verdict.Level != "none");
        writer.WriteBoolean("human_review_required"u8, !verified);
        writer.WriteEndObject();
    }

    private static void WriteRemediation(Utf8JsonWriter writer, BootVerdict verdict)
    {
        writer.WriteStartArray("remediation"u8);
        foreach (BootReason reason in verdict.Reasons)
        {
            writer.WriteStartObject();
            writer.WriteString("step_id"u8, reason.Code);
            writer.WriteString("authority"u8, "sourceos-statestore"u8);
            writer.WriteBoolean("required_before_admission"u8, true);
            writer.WriteString("instruction"u8, reason.Place.Length > 0 ? $"{reason.Message} [{reason.Place}] Look at it with: statestore doctor." : $"{reason.Message} Look at it with: statestore doctor.");
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static string IdOf(BootVerdict verdict, BootEvidenceOptions options)
    {
        string text = string.Join('\n', [verdict.StoreId, verdict.Root, verdict.DecisionText, verdict.Level, options.ReleaseSet, options.ManifestHash ?? "", options.DeviceId, options.BootMode, .. verdict.Reasons.Select(static reason => reason.Code)]);
        return Convert.ToHexString(Checksum.Sha256(System.Text.Encoding.UTF8.GetBytes(text)).Bytes[..16]).ToLowerInvariant();
    }

    private static byte[] Write(Action<Utf8JsonWriter> fields)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            fields(writer);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
