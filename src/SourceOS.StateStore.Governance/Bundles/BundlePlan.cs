// Why this file exists: what taking a bundle in would do, found while the whole of it is verified and before anything is written. Invariants: a plan exists only for a bundle that was proven from its first byte to its last; making
// one reads the store and changes nothing; the same bundle and the same state give the same plan; memory grows with the number of changes, not with their bytes.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>What becomes of an entry.</summary>
public enum BundleAction
{
    /// <summary>The record is not here; it is created.</summary>
    Create = 1,

    /// <summary>The object is as it was last taken in from the same store, so the newer version takes its place.</summary>
    Update = 2,

    /// <summary>The record is here and equal.</summary>
    Equal = 3,

    /// <summary>The object was changed or deleted here since it was taken in, and not there: ours goes on from theirs.</summary>
    Ahead = 4,

    /// <summary>A newer version was taken in from the same store before.</summary>
    Older = 5,

    /// <summary>A profile, schema or actor is here with another content, which stays.</summary>
    Kept = 6,

    /// <summary>The object differs, or was deleted here: a conflict is recorded.</summary>
    Conflict = 7,

    /// <summary>The same conflict over the same version is recorded already, open or settled.</summary>
    KnownConflict = 8,
}

/// <summary>How a bundle relates to what was taken in from its store before.</summary>
public enum BundleAge
{
    /// <summary>Nothing was taken in from that store before.</summary>
    First = 1,

    /// <summary>It shows a later sequence.</summary>
    Newer = 2,

    /// <summary>It shows the same sequence under the same root.</summary>
    Same = 3,

    /// <summary>It shows an earlier sequence: it is old, or its store was rolled back.</summary>
    Older = 4,

    /// <summary>It shows the same sequence under another root: its store has two histories.</summary>
    Forked = 5,
}

/// <summary>An entry that changes something.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Id">Its identifier.</param>
/// <param name="Action">What happens.</param>
/// <param name="LocalSequence">Sequence of the record here; 0 when there is none.</param>
/// <param name="BaseSequence">Sequence here of the version that both sides come from; 0 when it is not known.</param>
/// <param name="ConflictId">The conflict's identifier; empty when there is none.</param>
/// <param name="Running">The bundle's running hash after the entry, so that the bytes that are taken in are the bytes that were judged.</param>
public sealed record BundleChange(RecordKind Kind, string Id, BundleAction Action, ulong LocalSequence, ulong BaseSequence, string ConflictId, Hash256 Running);

/// <summary>What taking a bundle in would do.</summary>
public sealed class BundlePlan
{
    private readonly long[] _objects = new long[(int)BundleAction.KnownConflict + 1];
    private readonly long[] _references = new long[(int)BundleAction.KnownConflict + 1];

    internal BundlePlan(BundleManifest manifest, bool isSigned, bool isVouchedFor, BundleAge age, ulong lastSequence)
    {
        (Manifest, IsSigned, IsVouchedFor, Age, LastSequence) = (manifest, isSigned, isVouchedFor, age, lastSequence);
    }

    /// <summary>The bundle's manifest.</summary>
    public BundleManifest Manifest { get; }

    /// <summary>Whether the bundle carries a signature.</summary>
    public bool IsSigned { get; }

    /// <summary>Whether a key that the caller trusts signed it.</summary>
    public bool IsVouchedFor { get; }

    /// <summary>How it relates to what was taken in from its store before.</summary>
    public BundleAge Age { get; }

    /// <summary>The sequence of its store up to which bundles were taken in; 0 for none.</summary>
    public ulong LastSequence { get; }

    /// <summary>Whether the bundle shows more of its store than any before it. One that does not, and changes nothing, leaves no trace.</summary>
    internal bool IsNews => Age is BundleAge.First or BundleAge.Newer;

    /// <summary>What changes, in the bundle's order.</summary>
    public IReadOnlyList<BundleChange> Changes => Changing;

    internal List<BundleChange> Changing { get; } = [];

    /// <summary>How many objects an action befalls.</summary>
    /// <param name="action">The action.</param>
    /// <returns>The count.</returns>
    public long Objects(BundleAction action) => _objects[(int)action];

    /// <summary>How many profiles, schemas and actors an action befalls.</summary>
    /// <param name="action">The action.</param>
    /// <returns>The count.</returns>
    public long References(BundleAction action) => _references[(int)action];

    internal void Count(RecordKind kind, BundleAction action) => (kind == RecordKind.Object ? _objects : _references)[(int)action]++;
}

/// <summary>Verifies bundles and plans their import. Thread-safe: it keeps nothing.</summary>
public static class BundlePlanner
{
    // A snapshot pins pages and has a bounded age, so a long bundle is looked at through several.
    private const int EntriesInSnapshot = 1024;

    /// <summary>Verifies a whole bundle without any store.</summary>
    /// <param name="bundle">The bundle's bytes, from the first.</param>
    /// <param name="place">Its name in errors.</param>
    /// <param name="trusted">The key that must have signed it; null takes any bundle.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>Its manifest, proven for the entries.</returns>
    /// <exception cref="StateStoreException">InvalidInput when it is not a bundle, or not signed by the key.</exception>
    public static BundleManifest Verify(Stream bundle, string place, NoteKey? trusted = null, CancellationToken cancellationToken = default)
    {
        BundleReader reader = BundleReader.Open(bundle, place);
        if (trusted is not null)
        {
            reader.RequireSignature(trusted);
        }

        while (reader.Read() is not null)
        {
            cancellationToken.ThrowIfCancellationRequested();
        }

        return reader.Manifest;
    }

    /// <summary>Verifies a whole bundle and says what taking it in would do.</summary>
    /// <param name="store">The store, open for reading or writing; nothing is written.</param>
    /// <param name="bundle">The bundle's bytes, from the first.</param>
    /// <param name="place">Its name in errors.</param>
    /// <param name="trusted">The key that must have signed it; null takes any bundle.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The plan.</returns>
    /// <exception cref="StateStoreException">InvalidInput when it is not a bundle, or not signed by the key; the store is damaged.</exception>
    public static BundlePlan Plan(StateStore store, Stream bundle, string place, NoteKey? trusted = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        BundleReader reader = BundleReader.Open(bundle, place);
        if (trusted is not null)
        {
            reader.RequireSignature(trusted);
        }

        ReadSnapshot snapshot = store.OpenSnapshot();
        try
        {
            BundlePlan plan = Begin(snapshot, reader, trusted is not null);
            for (int read = 1; reader.Read() is { } entry; read++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                BundleChange change = Judge(snapshot, reader.Manifest.SourceStore, entry, reader.Running);
                plan.Count(change.Kind, change.Action);
                if (change.Action is BundleAction.Create or BundleAction.Update or BundleAction.Conflict)
                {
                    plan.Changing.Add(change);
                }

                if (read % EntriesInSnapshot == 0)
                {
                    snapshot.Dispose();
                    snapshot = store.OpenSnapshot();
                }
            }

            return plan;
        }
        finally
        {
            snapshot.Dispose();
        }
    }

    private static BundlePlan Begin(ReadSnapshot snapshot, BundleReader reader, bool isVouchedFor)
    {
        BundleManifest manifest = reader.Manifest;
        BundleMemory? last = BundleMemory.Find(snapshot, manifest.SourceStore);
        BundleAge age = last is null ? BundleAge.First
            : manifest.SourceSequence > last.Sequence ? BundleAge.Newer
            : manifest.SourceSequence < last.Sequence ? BundleAge.Older
            : manifest.Checkpoint.Root.ToString() == last.Root ? BundleAge.Same : BundleAge.Forked;
        return new BundlePlan(manifest, reader.Note is not null, isVouchedFor, age, last?.Sequence ?? 0);
    }

    private static BundleChange Judge(ReadSnapshot snapshot, Guid source, BundleEntry entry, in Hash256 running)
    {
        StoredRecord? local = snapshot.Get(entry.Kind, entry.Id);
        BundleChange change = new(entry.Kind, entry.Id, BundleAction.Equal, local?.Sequence ?? 0, 0, "", running);
        if (local is null)
        {
            return change with { Action = BundleAction.Create };
        }

        if (!local.IsTombstone && local.Body.Span.SequenceEqual(entry.Body.Span))
        {
            return change;
        }

        // Whom and what this store knows already is not told anew by another one; not even what it deleted.
        if (entry.Kind != RecordKind.Object)
        {
            return change with { Action = BundleAction.Kept };
        }

        TakenVersion? taken = BundleMemory.FindTaken(snapshot, source, entry.Id);
        if (taken is not null && entry.Sequence < taken.SourceSequence)
        {
            return change with { Action = BundleAction.Older };
        }

        bool isSame = taken is not null && taken.Body.Span.SequenceEqual(entry.Body.Span);
        if (isSame)
        {
            return change with { Action = BundleAction.Ahead };
        }

        if (taken is not null && taken.LocalSequence == local.Sequence && entry.Sequence > taken.SourceSequence && !local.IsTombstone)
        {
            return change with { Action = BundleAction.Update, BaseSequence = taken.LocalSequence };
        }

        string conflictId = ConflictId(source, entry);
        BundleAction action = snapshot.Get(RecordKind.Conflict, conflictId) is null ? BundleAction.Conflict : BundleAction.KnownConflict;
        return change with { Action = action, ConflictId = conflictId, BaseSequence = taken?.LocalSequence ?? 0 };
    }

    // The name follows from who says what of which object, so the same version never makes a second conflict, however often it arrives.
    private static string ConflictId(Guid source, BundleEntry entry)
    {
        byte[] about = [.. Encoding.UTF8.GetBytes($"{source:D}\n{entry.Id}\n"), .. entry.Body.Span];
        return $"conflict:bundle:{Checksum.Sha256(about).ToString()[..32]}";
    }
}

/// <summary>A version of an object that came from another store.</summary>
/// <param name="LocalSequence">Its sequence here.</param>
/// <param name="SourceSequence">Its sequence there.</param>
/// <param name="Body">Its body.</param>
internal sealed record TakenVersion(ulong LocalSequence, ulong SourceSequence, ReadOnlyMemory<byte> Body);

/// <summary>What the store remembers of bundles from another store.</summary>
/// <param name="BundleId">The last bundle.</param>
/// <param name="Sequence">The sequence that it showed.</param>
/// <param name="Root">The log root that it showed, in hex.</param>
/// <param name="Record">The record that says so.</param>
internal sealed record BundleMemory(string BundleId, ulong Sequence, string Root, StoredRecord Record)
{
    // As far back as the version that both sides come from is looked for; beyond it, it counts as unknown, which makes a conflict and never a silent change.
    private const int MaxHistory = 64;

    internal static string RecordId(Guid source) => $"sync-plan:import:{source:D}";

    internal static BundleMemory? Find(ReadSnapshot snapshot, Guid source)
    {
        if (snapshot.Get(RecordKind.Plan, RecordId(source)) is not { IsTombstone: false } record)
        {
            return null;
        }

        using JsonDocument json = JsonDocument.Parse(record.ToJson());
        return json.RootElement.TryGetProperty("bundle", out JsonElement bundle) && Text(bundle, "id") is { } id && Text(bundle, "source_root") is { } root && Number(bundle, "source_sequence") is { } sequence
            ? new BundleMemory(id, sequence, root, record)
            : null;
    }

    /// <summary>The newest version of an object that came in a bundle of a store; null when none of the last ones did.</summary>
    internal static TakenVersion? FindTaken(ReadSnapshot snapshot, Guid source, string objectId)
    {
        foreach (StoredEvent item in snapshot.History(RecordKind.Object, objectId).Take(MaxHistory))
        {
            if (item.IsErased || item.DataJson.IsEmpty || item.Action != EventAction.Put || snapshot.Get(RecordKind.Actor, item.ActorId)?.Text("actor_type") != BundleImport.BridgeType)
            {
                continue;
            }

            using JsonDocument json = JsonDocument.Parse(item.DataJson);
            if (Text(json.RootElement, "source_store") == source.ToString("D") && Number(json.RootElement, "source_sequence") is { } sequence)
            {
                return new TakenVersion(item.Sequence, sequence, item.Image);
            }
        }

        return null;
    }

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static ulong? Number(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong number) ? number : null;
}
