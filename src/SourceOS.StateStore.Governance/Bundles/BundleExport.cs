// Why this file exists: takes a workspace, a profile or an object out of a store as one file that another store can take in. Invariants: the store is only read, at one sequence; nothing that the caller may not see, and nothing
// that may not leave, travels; what travels is enough to be taken in: profile, schema and the names of actors come along, keys, grants and devices never.

using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Keys;
using SourceOS.StateStore.Proofs;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>What shall be taken out, and for whom.</summary>
/// <param name="Scope">What.</param>
/// <param name="Reader">What the caller may see.</param>
/// <param name="ActorId">The caller's actor, which must hold `export` where each object is; null for the owner of the files who is nobody in the store, and may copy them anyway.</param>
public sealed record BundleRequest(BundleScope Scope, ReadScope Reader, string? ActorId);

/// <summary>A bundle that is ready to be written.</summary>
/// <param name="Manifest">What it will hold; null when nothing may travel.</param>
/// <param name="Blocked">Objects that do not travel, in order of their identifiers.</param>
public sealed record BundleReport(BundleManifest? Manifest, IReadOnlyList<BundleBlock> Blocked);

/// <summary>Makes one bundle of one snapshot. Not thread-safe; keep the snapshot open meanwhile.</summary>
public sealed class BundleExport
{
    private readonly ReadSnapshot _snapshot;
    private readonly List<(RecordKind Kind, byte[] Id)> _entries = [];

    private BundleExport(ReadSnapshot snapshot, BundleReport report)
    {
        _snapshot = snapshot;
        Report = report;
    }

    /// <summary>What the bundle holds and what does not travel.</summary>
    public BundleReport Report { get; private set; }

    /// <summary>Selects and judges what shall travel, and measures it. Reads the records twice: for the roots and for the selection.</summary>
    /// <param name="store">The store.</param>
    /// <param name="snapshot">A snapshot of it.</param>
    /// <param name="request">What, and for whom.</param>
    /// <param name="now">Now.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The export; null when no object of the scope is there for the caller to see.</returns>
    /// <exception cref="StateStoreException">InvalidInput when the scope is too large for one bundle; the state is damaged; the snapshot is too old.</exception>
    public static BundleExport? Prepare(StateStore store, ReadSnapshot snapshot, BundleRequest request, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(request);
        Selection selection = new(snapshot, request, new BundleGate(snapshot, request.ActorId, now));
        selection.Run(cancellationToken);
        if (selection.Seen == 0)
        {
            return null;
        }

        BundleExport export = new(snapshot, new BundleReport(null, selection.Blocked));
        if (selection.Travelling.All(static item => item.Kind != RecordKind.Object))
        {
            return export;
        }

        export._entries.AddRange(selection.Travelling);
        export._entries.Sort(static (a, b) => BundleCodec.Compare(a.Kind, a.Id, b.Kind, b.Id));
        string bundleId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        BundleMeasure measure = new(bundleId);
        foreach (BundleEntry entry in export.Entries(cancellationToken))
        {
            _ = measure.Add(entry);
        }

        if (measure.Count > BundleLimits.MaxEntries || measure.LengthBytes > BundleLimits.MaxEntriesLengthBytes)
        {
            throw new StateStoreException(StateStoreErrorCode.InvalidInput, $"{measure.Count} records are too many for one bundle.", request.Scope.Id, "Export smaller scopes.");
        }

        DateTimeOffset created = DateTimeOffset.UnixEpoch.AddMicroseconds(Math.Clamp((now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond, 0, BundleLimits.MaxTimeMicros));
        Checkpoint checkpoint = new Prover(store, snapshot).MakeCheckpoint(cancellationToken);
        export.Report = export.Report with { Manifest = new BundleManifest(checkpoint, bundleId, created, request.Scope, measure.Count, measure.Objects, measure.LengthBytes, measure.Running) };
        return export;
    }

    /// <summary>Writes the bundle.</summary>
    /// <param name="output">Where to; written forwards only, not closed.</param>
    /// <param name="key">The key that signs its manifest; null for none.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <exception cref="InvalidOperationException">Nothing may travel.</exception>
    /// <exception cref="StateStoreException">The state is damaged, or the snapshot is too old.</exception>
    public void WriteTo(Stream output, PrivateKey? key, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        BundleWriter writer = new(output, Report.Manifest ?? throw new InvalidOperationException("Nothing may travel, so there is no bundle."), key);
        foreach (BundleEntry entry in Entries(cancellationToken))
        {
            writer.Write(entry);
        }

        writer.Finish();
    }

    // Read again for each pass instead of kept: a scope may be larger than memory, and the snapshot shows the same both times.
    private IEnumerable<BundleEntry> Entries(CancellationToken cancellationToken)
    {
        foreach ((RecordKind kind, byte[] id) in _entries)
        {
            cancellationToken.ThrowIfCancellationRequested();
            StoredRecord record = _snapshot.Get(kind, Encoding.UTF8.GetString(id)) ?? throw new InvalidOperationException("A record left its snapshot.");
            yield return new BundleEntry(kind, record.Id, record.Sequence, kind == RecordKind.Actor ? TravellingActor.Of(record) : record.Body);
        }
    }

    /// <summary>Finds what travels: the scope's objects, then what they refer to.</summary>
    private sealed class Selection(ReadSnapshot snapshot, BundleRequest request, BundleGate gate)
    {
        private static readonly int s_schema = Slots.Of(RecordKind.Object, "schema_id");
        private static readonly int s_createdBy = Slots.Of(RecordKind.Object, "created_by_actor");
        private static readonly int s_changedBy = Slots.Of(RecordKind.Object, "last_modified_by_actor");
        private readonly HashSet<(RecordKind Kind, string Id)> _known = [];
        private readonly Queue<string> _workspaces = [];

        internal List<(RecordKind Kind, byte[] Id)> Travelling { get; } = [];

        internal List<BundleBlock> Blocked { get; } = [];

        internal long Seen { get; private set; }

        internal void Run(CancellationToken cancellationToken)
        {
            if (request.Scope.Kind == BundleScopeKind.Object)
            {
                Consider(snapshot.Get(RecordKind.Object, request.Scope.Id));
            }
            else
            {
                // Judging asks the log who last changed each, so they are judged in the log's order: a frame is then read once and not once for each of its events.
                foreach ((string id, _) in Members(cancellationToken).OrderBy(static member => member.Sequence))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    Consider(snapshot.Get(RecordKind.Object, id));
                }
            }

            while (_workspaces.TryDequeue(out string? workspace))
            {
                if (snapshot.Get(RecordKind.Object, workspace) is { } record && record.Text("object_type") == "workspace")
                {
                    Consider(record);
                }
            }

            Blocked.Sort(static (a, b) => string.CompareOrdinal(a.ObjectId, b.ObjectId));
        }

        private List<(string Id, ulong Sequence)> Members(CancellationToken cancellationToken)
        {
            List<(string Id, ulong Sequence)> members = [];
            bool isProfile = request.Scope.Kind == BundleScopeKind.Profile;
            foreach (RecordView view in isProfile ? snapshot.ByIndex(IndexQuery.ProfileAndType(request.Scope.Id)) : snapshot.Range(RecordKind.Object))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (isProfile || Slots.Workspace(RecordKind.Object, view.Body) == request.Scope.Id || IsWorkspace(view))
                {
                    members.Add((Encoding.UTF8.GetString(view.Id), view.Sequence));
                }
            }

            return members;
        }

        private bool IsWorkspace(RecordView view) => view.Id.SequenceEqual(Encoding.UTF8.GetBytes(request.Scope.Id)) && view.ToStored().Text("object_type") == "workspace";

        private void Consider(StoredRecord? record)
        {
            if (record is null or { IsTombstone: true } || !request.Reader.Allows(record) || !_known.Add((RecordKind.Object, record.Id)))
            {
                return;
            }

            Seen++;
            if (gate.Judge(record) is { } block)
            {
                Blocked.Add(block);
                return;
            }

            Travelling.Add((RecordKind.Object, Encoding.UTF8.GetBytes(record.Id)));
            RecordBodyView body = Slots.Open(record.Body);
            Refer(RecordKind.Profile, Slots.Profile(RecordKind.Object, body));
            Refer(RecordKind.Schema, Slots.Text(body, s_schema));
            Refer(RecordKind.Actor, Slots.Text(body, s_createdBy));
            Refer(RecordKind.Actor, Slots.Text(body, s_changedBy));
            string workspace = Slots.Workspace(RecordKind.Object, body);
            if (Identifier.IsValid(workspace) && !_known.Contains((RecordKind.Object, workspace)))
            {
                _workspaces.Enqueue(workspace);
            }
        }

        private void Refer(RecordKind kind, string id)
        {
            if (Identifier.IsValid(id) && _known.Add((kind, id)) && snapshot.Get(kind, id) is { IsTombstone: false } record && request.Reader.Allows(record))
            {
                Travelling.Add((kind, Encoding.UTF8.GetBytes(id)));
            }
        }
    }
}
