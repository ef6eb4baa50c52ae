// Why this file exists: a manifest is trusted because a person who may migrate signed its one form. Invariants: the signature covers the form and nothing else, so a manifest that was signed once serves every store
// that knows the key; whether the key may sign is asked of the store at the moment that counts.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>Signs and judges manifests.</summary>
internal static class ManifestSignature
{
    /// <summary>The first line of what is signed; the manifest's canonical form follows.</summary>
    public const string Domain = "sourceos.state-store/migration-manifest/v1\n";

    private const string Algorithm = "ed25519";

    /// <summary>Signs a manifest.</summary>
    /// <returns>The signature's JSON.</returns>
    public static byte[] Sign(MigrationManifest manifest, PrivateKey key) => Documents.Data(writer =>
    {
        writer.WriteString("algorithm"u8, Algorithm);
        writer.WriteString("key"u8, key.Id);
        writer.WriteBase64String("value"u8, key.Sign(Message(manifest)));
    });

    /// <summary>Judges a manifest's signature.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="signatureJson">The signature's JSON; empty when there is none.</param>
    /// <param name="find">Finds a key, revoked or not.</param>
    /// <param name="whyNot">Says why an actor may not migrate; null when it may.</param>
    /// <returns>Why it does not count; null when it does.</returns>
    public static CommitRefusal? Judge(MigrationManifest manifest, ReadOnlyMemory<byte> signatureJson, Func<string, KnownKey?> find, Func<string, string?> whyNot)
    {
        if (signatureJson.IsEmpty || signatureJson.Span.SequenceEqual("null"u8))
        {
            return Refuse(manifest, "migration.unsigned", "is not signed", "Sign it as an actor that may migrate: statestore schema sign FILE.");
        }

        if (!TryRead(signatureJson, out string keyId, out byte[] value))
        {
            return Refuse(manifest, "migration.signature", "carries a signature that is none", "Sign it again: statestore schema sign FILE.");
        }

        if (find(keyId) is not { Purpose: KeyRoom.ChangesPurpose } key)
        {
            return Refuse(manifest, "migration.key", $"is signed with {keyId}, which is not registered here for changes", "Register the key, or sign with one that is: statestore keys list.");
        }

        if (key.IsRevoked)
        {
            return Refuse(manifest, "migration.key-revoked", $"is signed with {keyId}, which is revoked", "Sign it again with a key that is not revoked: statestore schema sign FILE.");
        }

        if (whyNot(key.ActorId) is { } reason)
        {
            return Refuse(manifest, "migration.signer", $"is signed by '{key.ActorId}', {reason}", $"Have it signed by an actor that holds '{Capabilities.MigrateSchema}'.");
        }

        if (!Ed25519.IsAvailable)
        {
            return Refuse(manifest, "signature.unchecked", $"carries a signature that cannot be checked here. {Ed25519.MissingReason}", $"Install {Ed25519.DebianPackage}.");
        }

        return Ed25519.Verify(key.PublicKey.Span, Message(manifest), value)
            ? null
            : Refuse(manifest, "migration.altered", $"is not what {keyId} signed: it was altered, or the signature belongs to another manifest", "Take the manifest as it was signed, or have this one signed: statestore schema sign FILE.");
    }

    private static bool TryRead(ReadOnlyMemory<byte> json, out string keyId, out byte[] value)
    {
        keyId = "";
        value = [];
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || root.EnumerateObject().Count() != 3 || !root.TryGetProperty("algorithm", out JsonElement algorithm) || algorithm.ValueKind != JsonValueKind.String
                || !algorithm.ValueEquals(Algorithm) || !root.TryGetProperty("key", out JsonElement key) || key.ValueKind != JsonValueKind.String
                || !root.TryGetProperty("value", out JsonElement signature) || signature.ValueKind != JsonValueKind.String || !signature.TryGetBytesFromBase64(out byte[]? bytes))
            {
                return false;
            }

            keyId = key.GetString()!;
            value = bytes;
            return value.Length == Ed25519.SignatureLengthBytes && Identifier.IsValid(keyId);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static byte[] Message(MigrationManifest manifest) => [.. System.Text.Encoding.UTF8.GetBytes(Domain), .. manifest.Canonical.Span];

    private static CommitRefusal Refuse(MigrationManifest manifest, string rule, string what, string remedy) =>
        Refusals.Of(rule, $"The manifest of migration '{manifest.Id}' {what}.", remedy, RecordKind.Migration, manifest.Id);
}
