// Why this file exists: keys as the store knows them: who owns which public key, since when, until when, and what took its place. Invariants: a private key reaches its
// file before its record is committed, so no record names a key that nobody has; every change is an event; a revoked key never signs again.

using System.Buffers;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Signing;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Keys;

/// <summary>A key as the store records it.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="ActorId">Who signs with it.</param>
/// <param name="PublicKey">The public key.</param>
/// <param name="Purpose">What for.</param>
/// <param name="IsRevoked">Whether it must not sign any more.</param>
/// <param name="ReplacedBy">The key that took its place; empty when none did.</param>
/// <param name="Sequence">Sequence of its record.</param>
public sealed record KnownKey(string Id, string ActorId, ReadOnlyMemory<byte> PublicKey, string Purpose, bool IsRevoked, string ReplacedBy, ulong Sequence);

/// <summary>What a change of keys came to.</summary>
/// <param name="Receipt">The commit; a refused one changed nothing.</param>
/// <param name="KeyId">The new key, or the revoked one.</param>
/// <param name="PrivateKeyPath">File of the new private key; empty when none was made.</param>
public sealed record KeyChange(CommitReceipt Receipt, string KeyId, string PrivateKeyPath);

/// <summary>Creates, rotates, revokes and finds keys. Thread-safe.</summary>
/// <param name="folder">Where private keys are.</param>
public sealed class KeyRoom(KeyFolder folder)
{
    /// <summary>The purpose of keys that sign privileged changes and migration manifests.</summary>
    public const string ChangesPurpose = "changes";

    private const string Algorithm = "ed25519";

    /// <summary>Lists the keys of a store; records that are not Ed25519 keys are left out.</summary>
    /// <param name="snapshot">The state.</param>
    /// <returns>The keys in identifier order.</returns>
    public static IEnumerable<KnownKey> List(ReadSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        List<KnownKey> keys = [];
        foreach (RecordView record in snapshot.Range(RecordKind.Key))
        {
            if (ToKey(record.ToStored()) is { } key)
            {
                keys.Add(key);
            }
        }

        return keys;
    }

    /// <summary>Finds a key.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="keyId">Its identifier.</param>
    /// <returns>The key, or null.</returns>
    public static KnownKey? Find(ReadSnapshot snapshot, string keyId)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return snapshot.Get(RecordKind.Key, keyId) is { IsTombstone: false } record ? ToKey(record) : null;
    }

    /// <summary>Makes a key for the session's actor.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who acts and owns the key.</param>
    /// <param name="purpose">What it signs, for example `checkpoint`, or <see cref="ChangesPurpose"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What happened.</returns>
    /// <exception cref="StateStoreException">NativeLibraryMissing, or the key file cannot be written.</exception>
    public Task<KeyChange> CreateAsync(StateStore store, StateSession session, string purpose, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        return CreateAsync(store, session, purpose, session.Identity.ActorId, cancellationToken);
    }

    /// <summary>Makes a key for an actor.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who acts.</param>
    /// <param name="purpose">What it signs, for example `checkpoint`, or <see cref="ChangesPurpose"/>.</param>
    /// <param name="ownerId">The actor who signs with it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What happened.</returns>
    /// <exception cref="StateStoreException">NativeLibraryMissing, or the key file cannot be written.</exception>
    public async Task<KeyChange> CreateAsync(StateStore store, StateSession session, string purpose, string ownerId, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentException.ThrowIfNullOrEmpty(purpose);
        ArgumentException.ThrowIfNullOrEmpty(ownerId);
        using PrivateKey key = PrivateKey.Generate();
        string path = folder.Save(key, store.Path);
        _ = RecordJson.TryParse(Document(key, ownerId, purpose), out _, out _, out byte[]? body, out _);
        ChangeOptions options = Options("sync.key.registered", 0);
        if (purpose == ChangesPurpose && IsFirst(store, session.Identity.ActorId))
        {
            // Nothing older can speak for an actor's first key, so the key does: whoever registers it shows that they have it.
            SignedChange change = new(store.Id, EventAction.Put, RecordKind.Key, key.Id, 0, session.Identity.ActorId, body);
            options.DataJson = ChangeSignature.Attach(change, options.DataJson, key);
        }

        CommitBatch batch = new CommitBatch().Put(RecordKind.Key, key.Id, body, options);
        return await CommitNewAsync(session, batch, key.Id, path, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Replaces a key: a new one for the same actor and purpose, and the old one revoked, in one commit.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who acts.</param>
    /// <param name="keyId">The old key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What happened; null when there is no such key or it is revoked already.</returns>
    /// <exception cref="StateStoreException">NativeLibraryMissing, or the key file cannot be written.</exception>
    public async Task<KeyChange?> RotateAsync(StateStore store, StateSession session, string keyId, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        if (FindLive(store, keyId) is not ({ } old, { } record))
        {
            return null;
        }

        using PrivateKey key = PrivateKey.Generate();
        string path = folder.Save(key, store.Path);
        CommitBatch batch = new CommitBatch()
            .PutJson(Document(key, old.ActorId, old.Purpose), Options("sync.key.registered", 0))
            .Put(RecordKind.Key, keyId, Revoked(record, key.Id), Options("sync.key.rotated", old.Sequence));
        return await CommitNewAsync(session, batch, key.Id, path, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Revokes a key. Its private key file is left alone: what it signed before stays checkable, and whoever keeps it decides.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who acts.</param>
    /// <param name="keyId">The key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What happened; null when there is no such key or it is revoked already.</returns>
    public static async Task<KeyChange?> RevokeAsync(StateStore store, StateSession session, string keyId, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        if (FindLive(store, keyId) is not ({ } old, { } record))
        {
            return null;
        }

        CommitBatch batch = new CommitBatch().Put(RecordKind.Key, keyId, Revoked(record, ""), Options("sync.key.revoked", old.Sequence));
        return new KeyChange(await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false), keyId, "");
    }

    /// <summary>Loads a private key that may sign now: its record is there and not revoked, and its file fits the record.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="keyId">The key; null takes the newest that this machine can sign with, those for changes left out: they sign nothing else.</param>
    /// <returns>The key; dispose it. Null when there is none.</returns>
    /// <exception cref="StateStoreException">The file cannot be used; see <see cref="KeyFolder.Load"/>.</exception>
    public PrivateKey? LoadSigner(ReadSnapshot snapshot, string? keyId = null)
    {
        KnownKey? known = keyId is null
            ? List(snapshot).Where(key => !key.IsRevoked && key.Purpose != ChangesPurpose && folder.Contains(key.Id)).MaxBy(static key => key.Sequence)
            : Find(snapshot, keyId);
        if (known is null or { IsRevoked: true })
        {
            return null;
        }

        PrivateKey loaded = folder.Load(known.Id);
        if (loaded.PublicKey.SequenceEqual(known.PublicKey.Span))
        {
            return loaded;
        }

        loaded.Dispose();
        throw new StateStoreException(StateStoreErrorCode.InvalidInput, $"The private key {known.Id} does not belong to the public key that the store records.", folder.Path, "Rotate the key.");
    }

    /// <summary>Loads the newest private key that an actor signs changes with, if this machine has one.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="actorId">The actor.</param>
    /// <returns>The key; dispose it. Null when there is none.</returns>
    /// <exception cref="StateStoreException">The file cannot be used; see <see cref="KeyFolder.Load"/>.</exception>
    public PrivateKey? LoadChangesKey(ReadSnapshot snapshot, string actorId)
    {
        KnownKey? known = List(snapshot).Where(key => IsActive(key, actorId) && folder.Contains(key.Id)).MaxBy(static key => key.Sequence);
        return known is null ? null : LoadSigner(snapshot, known.Id);
    }

    internal static bool IsActive(KnownKey key, string actorId) => !key.IsRevoked && key.Purpose == ChangesPurpose && key.ActorId == actorId;

    private static bool IsFirst(StateStore store, string actorId)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return !List(snapshot).Any(key => IsActive(key, actorId));
    }

    private static (KnownKey Key, StoredRecord Record)? FindLive(StateStore store, string keyId)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return snapshot.Get(RecordKind.Key, keyId) is { IsTombstone: false } record && ToKey(record) is { IsRevoked: false } key ? (key, record) : null;
    }

    private static ChangeOptions Options(string eventType, ulong expectedSequence) =>
        new() { EventType = eventType, ExpectedSequence = expectedSequence, Lane = Lane.Secure };

    private static byte[] Document(PrivateKey key, string actorId, string purpose)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("schema"u8, RecordKinds.Get(RecordKind.Key).Schema);
            writer.WriteString("key_id"u8, key.Id);
            writer.WriteString("actor_id"u8, actorId);
            writer.WriteString("algorithm"u8, Algorithm);
            writer.WriteBase64String("public_key"u8, key.PublicKey);
            writer.WriteString("purpose"u8, purpose);
            writer.WriteString("created_at"u8, DateTimeOffset.UtcNow);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static byte[] Revoked(StoredRecord record, string replacedBy)
    {
        _ = RecordBodyView.TryRead(record.Body.Span, out RecordBodyView body, out _);
        RecordBodyBuilder builder = new RecordBodyBuilder().CopyFrom(body).SetTime(Slot("revoked_at"), DateTimeOffset.UtcNow);
        return (replacedBy.Length > 0 ? builder.SetText(Slot("replaced_by"), replacedBy) : builder).Build();
    }

    private static int Slot(string name) => Slots.Of(RecordKind.Key, name);

    internal static KnownKey? ToKey(StoredRecord record)
    {
        byte[] publicKey = new byte[Ed25519.PublicKeyLengthBytes];
        string text = record.Text("public_key") ?? "";
        if (record.Text("algorithm") != Algorithm || text.Length != 44 || !Convert.TryFromBase64String(text, publicKey, out int length) || length != publicKey.Length)
        {
            return null;
        }

        _ = RecordBodyView.TryRead(record.Body.Span, out RecordBodyView body, out _);
        bool isRevoked = body.TagOf(Slot("revoked_at")) is not (FieldTag.Absent or FieldTag.Null);
        return new KnownKey(record.Id, record.Text("actor_id") ?? "", publicKey, record.Text("purpose") ?? "", isRevoked, record.Text("replaced_by") ?? "", record.Sequence);
    }

    private async Task<KeyChange> CommitNewAsync(StateSession session, CommitBatch batch, string keyId, string path, CancellationToken cancellationToken)
    {
        CommitReceipt receipt = await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
        if (!receipt.IsCommitted)
        {
            // Only a refusal says for certain that no record names the key; after any other failure the file stays.
            folder.Delete(keyId);
        }

        return new KeyChange(receipt, keyId, receipt.IsCommitted ? path : "");
    }
}
