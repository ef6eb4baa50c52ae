// Why this file exists: decides for each name what happened to it since the last run: looks it up, reads it only when it must, and builds
// the record. Invariants: a file whose size, times and mode are those of its record is not read, unless it was changed so shortly before
// it was last seen that its time cannot tell; whatever fails is a skipped path, never the end of the run.

using System.Text;
using System.Text.Unicode;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Hashing;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>What all workers of a run share.</summary>
internal sealed record WorkerSetting(
    TreeCalls Calls,
    DirectoryHandle Root,
    StateStore Store,
    SessionIdentity Identity,
    string WorkspaceId,
    string PrivacyClass,
    WorkspaceIds Ids,
    SeenSet Seen,
    AdoptTally Tally,
    AdoptOptions Options,
    bool HasKnownObjects,
    TimeProvider Clock);

/// <summary>Deals with batches of names. Used by one thread.</summary>
internal sealed class TreeWorker : IDisposable
{
    // File systems advance their clock in ticks of up to 10 ms: two writes within one tick leave the same time.
    private const long ClockTickMicros = 20_000;
    private const int MaxLinkTargetBytes = 4095;

    private readonly WorkerSetting _setting;
    private readonly KnownObjects _known;
    private readonly RenameFinder _renames;
    private readonly FileHasher _hasher;
    private readonly EntryBodies _bodies;
    private readonly ChangeOptions _plain;
    private readonly Action<AdoptedChange> _emit;
    private readonly byte[] _link = new byte[MaxLinkTargetBytes + 1];
    private byte[] _path = new byte[1024];
    private byte[]? _pathFolder;
    private long _bytesCounted;

    /// <summary>Makes a worker.</summary>
    /// <param name="setting">What all workers share.</param>
    /// <param name="emit">Takes what must be written; may wait.</param>
    public TreeWorker(WorkerSetting setting, Action<AdoptedChange> emit)
    {
        _setting = setting;
        _emit = emit;
        _known = new KnownObjects(setting.Store, setting.WorkspaceId, setting.Ids);
        _renames = new RenameFinder(setting.Calls, setting.Root, setting.WorkspaceId, setting.Ids, setting.Seen);
        _hasher = new FileHasher(setting.Calls, setting.Options.MaxFileBytes);
        _bodies = new EntryBodies(setting.WorkspaceId, setting.PrivacyClass, setting.Identity);
        _plain = new ChangeOptions { WorkspaceId = setting.WorkspaceId };
    }

    /// <summary>Deals with a batch.</summary>
    /// <param name="batch">The names; given back by the caller.</param>
    /// <param name="cancellationToken">Ends the work between two reads.</param>
    public void Work(WalkBatch batch, CancellationToken cancellationToken)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Work(batch, i, cancellationToken);
            _setting.Tally.AddBytes(_hasher.BytesRead - _bytesCounted);
            _bytesCounted = _hasher.BytesRead;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _known.Dispose();

    private void Work(WalkBatch batch, int index, CancellationToken cancellationToken)
    {
        ReadOnlySpan<byte> name = batch.Name(index);
        ReadOnlySpan<byte> path = PathOf(batch.Directory.Path, name);
        long now = NowMicros();
        int result = _setting.Calls.Stat(batch.Directory.Fd, name, out TreeStatus status);
        if (result < 0)
        {
            Skip(path, TreeErrno.Reason(result), hidesContent: !TreeErrno.IsVanished(result));
            return;
        }

        if (status.Kind != batch.Kind(index))
        {
            Skip(path, status.Kind == EntryKind.Special ? SkipReason.SpecialFile : SkipReason.Vanished, hidesContent: false);
            return;
        }

        TreeEntry entry = new() { Kind = status.Kind, Path = path, Status = status, IsOpaque = batch.IsOpaque(index), SeenAtMicros = now };
        switch (status.Kind)
        {
            case EntryKind.File:
                WorkFile(batch, name, ref entry, cancellationToken);
                break;
            case EntryKind.Link:
                WorkLink(batch, name, ref entry);
                break;
            default:
                WorkFolder(entry);
                break;
        }
    }

    private void WorkFile(WalkBatch batch, ReadOnlySpan<byte> name, ref TreeEntry entry, CancellationToken cancellationToken)
    {
        KnownAs known = Find(entry, out RecordView record);
        byte[]? lastBody = null;
        if (known == KnownAs.Live)
        {
            if (!IsFirstSight(record.Surrogate, entry))
            {
                return;
            }

            if (!_setting.Options.Rehash && IsSettled(record.Body, entry.Status))
            {
                _setting.Tally.Count(EntryKind.File, EntryOutcome.Unchanged);
                return;
            }

            // Reading may take longer than the snapshot may be held.
            lastBody = record.BodyBytes.ToArray();
        }

        string id = FoundId(known);
        ulong tombstone = _known.TombstoneSurrogate;
        if (Hash(batch, name, ref entry, cancellationToken) is { } reason)
        {
            Skip(entry.Path, reason, hidesContent: false);
            return;
        }

        if (lastBody is not null)
        {
            FinishKnownFile(id, lastBody, entry);
            return;
        }

        if (_setting.HasKnownObjects && _renames.Claim(_known.Snapshot, entry) is { } renamed)
        {
            Emit(entry.Kind, EntryOutcome.Renamed, renamed.Id, _bodies.Update(renamed.Body, entry), RenameOptions(renamed.OldPath));
            return;
        }

        Add(known, id, tombstone, entry);
    }

    private string? Hash(WalkBatch batch, ReadOnlySpan<byte> name, ref TreeEntry entry, CancellationToken cancellationToken)
    {
        Span<byte> hash = stackalloc byte[Hash256.LengthBytes];
        string? reason = _hasher.Hash(batch.Directory.Fd, name, hash, out TreeStatus status, cancellationToken);
        if (reason is null)
        {
            entry.Hash = new Hash256(hash);
            entry.Status = status;
        }

        return reason;
    }

    private void FinishKnownFile(string id, byte[] lastBody, in TreeEntry entry)
    {
        bool isSame = RecordBodyView.TryRead(lastBody, out RecordBodyView body, out _)
            && EntryBodies.HasSameMetadata(body, entry.Status)
            && body.TryGetSha256(ObjectFields.ContentHash, out Hash256 hash) && hash == entry.Hash;
        if (isSame)
        {
            _setting.Tally.Count(EntryKind.File, EntryOutcome.Unchanged);
        }
        else
        {
            Emit(EntryKind.File, EntryOutcome.Changed, id, _bodies.Update(lastBody, entry), _plain);
        }
    }

    private void WorkLink(WalkBatch batch, ReadOnlySpan<byte> name, ref TreeEntry entry)
    {
        int length = _setting.Calls.ReadLink(batch.Directory.Fd, name, _link);
        KnownAs known = Find(entry, out RecordView record);
        if (known == KnownAs.Live && !IsFirstSight(record.Surrogate, entry))
        {
            return;
        }

        if (length < 0)
        {
            Skip(entry.Path, length == -TreeErrno.EINVAL ? SkipReason.Vanished : TreeErrno.Reason(length), hidesContent: false);
            return;
        }

        entry.LinkTarget = _link.AsSpan(0, length);
        if (length > MaxLinkTargetBytes || !Utf8.IsValid(entry.LinkTarget))
        {
            Skip(entry.Path, SkipReason.LinkTarget, hidesContent: false);
            return;
        }

        bool isSame = known == KnownAs.Live && record.Body.TryGetText(ObjectFields.LinkTarget, out ReadOnlySpan<byte> target) && target.SequenceEqual(entry.LinkTarget);
        Finish(known, isSame, record, entry);
    }

    private void WorkFolder(in TreeEntry entry)
    {
        KnownAs known = Find(entry, out RecordView record);
        if (known == KnownAs.Live && !IsFirstSight(record.Surrogate, entry))
        {
            return;
        }

        bool isSame = known == KnownAs.Live && record.Body.TryGetInteger(ObjectFields.Mode, out long mode) && mode == entry.Status.Mode;
        Finish(known, isSame, record, entry);
    }

    private void Finish(KnownAs known, bool isSame, RecordView record, in TreeEntry entry)
    {
        if (isSame)
        {
            _setting.Tally.Count(entry.Kind, EntryOutcome.Unchanged);
        }
        else if (known == KnownAs.Live)
        {
            Emit(entry.Kind, EntryOutcome.Changed, _known.FoundId(), _bodies.Update(record.BodyBytes, entry), _plain);
        }
        else
        {
            Add(known, FoundId(known), _known.TombstoneSurrogate, entry);
        }
    }

    private void Add(KnownAs known, string id, ulong tombstone, in TreeEntry entry)
    {
        // The revived object existed before the run, so it must count as met.
        if (known == KnownAs.Tombstone && !IsFirstSight(tombstone, entry))
        {
            return;
        }

        if (known == KnownAs.Exhausted)
        {
            Skip(entry.Path, SkipReason.NoIdentifier, hidesContent: false);
            return;
        }

        Emit(entry.Kind, EntryOutcome.Added, id.Length > 0 ? id : FirstId(entry), _bodies.Create(entry), _plain);
    }

    // In a first run nothing is known, so nothing is looked up.
    private KnownAs Find(in TreeEntry entry, out RecordView record)
    {
        record = default;
        return _setting.HasKnownObjects ? _known.Find(entry.Kind, entry.Path, out record) : KnownAs.Nothing;
    }

    private string FoundId(KnownAs known) => known == KnownAs.Exhausted || !_setting.HasKnownObjects ? "" : _known.FoundId();

    private string FirstId(in TreeEntry entry)
    {
        Span<byte> id = stackalloc byte[FormatLimits.MaxIdentifierLengthBytes];
        return Encoding.UTF8.GetString(id[.._setting.Ids.Write(entry.Kind, entry.Path, 0, id)]);
    }

    // A second sight means that the tree changed under the walk: a renamed file claimed the object, or the listing gave a name twice.
    private bool IsFirstSight(ulong surrogate, in TreeEntry entry)
    {
        bool isFirst = _setting.Seen.TryMark(surrogate);
        if (!isFirst)
        {
            Skip(entry.Path, SkipReason.Changing, hidesContent: false);
        }

        return isFirst;
    }

    private static bool IsSettled(RecordBodyView body, in TreeStatus status) =>
        EntryBodies.HasSameMetadata(body, status)
        && body.TryGetTime(ObjectFields.UpdatedAt, out long seenAt)
        && (status.ModifiedUnixNs / 1000) + ClockTickMicros < seenAt;

    private ChangeOptions RenameOptions(string oldPath)
    {
        System.Buffers.ArrayBufferWriter<byte> json = new();
        using (System.Text.Json.Utf8JsonWriter writer = new(json))
        {
            writer.WriteStartObject();
            writer.WriteString("renamedFrom"u8, oldPath);
            writer.WriteEndObject();
        }

        return new ChangeOptions { WorkspaceId = _setting.WorkspaceId, DataJson = json.WrittenMemory };
    }

    private void Emit(EntryKind kind, EntryOutcome outcome, string id, byte[] body, ChangeOptions options)
    {
        _emit(new AdoptedChange(id, body, options));
        _setting.Tally.Count(kind, outcome);
    }

    private void Skip(ReadOnlySpan<byte> path, string reason, bool hidesContent) => _setting.Tally.Skip(path, reason, hidesContent);

    private long NowMicros() => (_setting.Clock.GetUtcNow().UtcTicks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    private ReadOnlySpan<byte> PathOf(byte[] folder, ReadOnlySpan<byte> nameWithNul)
    {
        int prefix = folder.Length == 0 ? 0 : folder.Length + 1;
        int length = prefix + nameWithNul.Length - 1;
        if (_path.Length < length)
        {
            _path = new byte[length * 2];
            _pathFolder = null;
        }

        if (!ReferenceEquals(_pathFolder, folder))
        {
            folder.CopyTo(_path, 0);
            if (prefix > 0)
            {
                _path[prefix - 1] = (byte)'/';
            }

            _pathFolder = folder;
        }

        nameWithNul[..^1].CopyTo(_path.AsSpan(prefix));
        return _path.AsSpan(0, length);
    }
}
