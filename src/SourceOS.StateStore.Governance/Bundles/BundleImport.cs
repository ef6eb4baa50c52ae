// Why this file exists: takes a planned bundle in: everything through the ordinary gates, in the name of an import bridge. Invariants: nothing is committed before the whole bundle was verified; each change expects the sequence
// that the plan saw; whom and where the store did not know is registered by the person who takes the bundle in, with that person's rights; what a gate refuses is told and leaves the rest alone; an import is an event with counts.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>How a bundle is taken in.</summary>
/// <param name="Caller">Who takes it in: a registered actor that holds `replicate`.</param>
/// <param name="BridgeId">The import bridge that the changes are made by; it is registered when it is not there.</param>
/// <param name="AllowOlder">Whether a bundle that is older than what came from its store, or of another history of it, is taken in all the same; no object goes back to an older version by it.</param>
public sealed record BundleImportRequest(SessionIdentity Caller, string BridgeId = BundleImport.DefaultBridge, bool AllowOlder = false);

/// <summary>A change that a gate refused.</summary>
/// <param name="Kind">The record's kind.</param>
/// <param name="Id">Its identifier.</param>
/// <param name="Refusal">Why, and what would make it pass.</param>
public sealed record BundleRefusal(RecordKind Kind, string Id, CommitRefusal Refusal);

/// <summary>What taking a bundle in came to.</summary>
/// <param name="Refusal">Why nothing was taken in; null when it was.</param>
/// <param name="Created">Objects created.</param>
/// <param name="Updated">Objects brought to their newer version.</param>
/// <param name="Referred">Profiles, schemas and actors created.</param>
/// <param name="ConflictIds">Conflicts recorded.</param>
/// <param name="Refused">What gates refused.</param>
/// <param name="Sequence">Sequence of the import's own event; 0 when there was nothing to do.</param>
public sealed record BundleImportResult(CommitRefusal? Refusal, long Created, long Updated, long Referred, IReadOnlyList<string> ConflictIds, IReadOnlyList<BundleRefusal> Refused, ulong Sequence);

/// <summary>Takes bundles in. Thread-safe: it keeps nothing.</summary>
public static class BundleImport
{
    /// <summary>The bridge that is used when none is named.</summary>
    public const string DefaultBridge = "actor:import-bridge";

    /// <summary>The event that ends each import.</summary>
    public const string EventType = "sync.bundle.imported";

    internal const string BridgeType = "import_bridge";

    /// <summary>Whether a plan may be carried out.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="allowOlder">See <see cref="BundleImportRequest"/>.</param>
    /// <returns>Why not; null when it may.</returns>
    public static CommitRefusal? Judge(BundlePlan plan, bool allowOlder)
    {
        ArgumentNullException.ThrowIfNull(plan);
        BundleManifest manifest = plan.Manifest;
        return allowOlder ? null : plan.Age switch
        {
            BundleAge.Older => Refusal(
                "bundle.older",
                $"The bundle shows its store {manifest.SourceStore:D} at sequence {manifest.SourceSequence}; sequence {plan.LastSequence} of it was taken in before. It is an old bundle, or that store was rolled back.",
                "Take in a newer bundle; or take this one with --allow-older, by which no object goes back to an older version."),
            BundleAge.Forked => Refusal(
                "bundle.forked",
                $"The bundle shows its store {manifest.SourceStore:D} at sequence {manifest.SourceSequence} under another root than the bundle that was taken in before: that store has two histories.",
                "Find out which of the two stores is the right one; take this bundle with --allow-older only when you know."),
            _ => null,
        };
    }

    /// <summary>Carries a plan out.</summary>
    /// <param name="store">The store, open for writing with the gates.</param>
    /// <param name="bundle">The bundle's bytes, from the first: the same that were planned.</param>
    /// <param name="place">Its name in errors.</param>
    /// <param name="plan">The plan of this bundle and this store.</param>
    /// <param name="request">How.</param>
    /// <param name="now">Now.</param>
    /// <param name="cancellationToken">Ends the work between commits; taking the same bundle in again completes it.</param>
    /// <returns>What happened.</returns>
    /// <exception cref="StateStoreException">InvalidInput when the bytes are not those that were planned; the store is damaged or full.</exception>
    public static async Task<BundleImportResult> ApplyAsync(
        StateStore store, Stream bundle, string place, BundlePlan plan, BundleImportRequest request, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(request);
        CommitRefusal? refusal = Judge(plan, request.AllowOlder) ?? JudgeActors(store, request, now);
        if (refusal is not null)
        {
            return new BundleImportResult(refusal, 0, 0, 0, [], [], 0);
        }

        if (plan.Changes.Count == 0 && !plan.IsNews)
        {
            return new BundleImportResult(null, 0, 0, 0, [], [], 0);
        }

        BundleReader reader = BundleReader.Open(bundle, place);
        if (reader.Manifest != plan.Manifest)
        {
            throw Changed(place);
        }

        BundleRun run = new(store, plan, request, now);
        if (await run.RegisterBridgeAsync(cancellationToken).ConfigureAwait(false) is { } no)
        {
            return new BundleImportResult(no, 0, 0, 0, [], [], 0);
        }

        using IEnumerator<BundleChange> changes = plan.Changes.GetEnumerator();
        bool isLeft = changes.MoveNext();
        while (reader.Read() is { } entry)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!isLeft || changes.Current.Kind != entry.Kind || changes.Current.Id != entry.Id)
            {
                continue;
            }

            if (changes.Current.Running != reader.Running)
            {
                throw Changed(place);
            }

            await run.AddAsync(changes.Current, entry, cancellationToken).ConfigureAwait(false);
            isLeft = changes.MoveNext();
        }

        return await run.FinishAsync(cancellationToken).ConfigureAwait(false);
    }

    // Who brings records in from elsewhere plans a replication; the bridge itself is bound by the gates.
    private static CommitRefusal? JudgeActors(StateStore store, BundleImportRequest request, DateTimeOffset now)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        if (new SnapshotRights(snapshot, request.Caller.ActorId, now).Check(Capabilities.Replicate, request.Caller.ProfileId) is { } refusal)
        {
            return refusal;
        }

        return snapshot.Get(RecordKind.Actor, request.BridgeId) is { } bridge && bridge.Text("actor_type") != BridgeType
            ? Refusal("bundle.bridge", $"Actor '{request.BridgeId}' is not of the type {BridgeType}.", "Name an import bridge with --bridge, or one that is not there yet.")
            : null;
    }

    private static CommitRefusal Refusal(string rule, string reason, string remedy) => new(rule, reason, remedy);

    private static StateStoreException Changed(string place) =>
        new(StateStoreErrorCode.InvalidInput, "The bundle changed while it was taken in.", place, "Copy it to a place that nobody else writes to, and import it again.");
}
