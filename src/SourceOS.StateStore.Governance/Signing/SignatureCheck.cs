// Why this file exists: whoever doubts a store asks its log whether every privileged write was signed as it had to be, without a running store and without its gates. Invariants: it replays keys, holds and the
// policy as the log tells them, so it believes no state; keys count as they were before each commit; what was erased, or signed before the log begins, is counted and not called good or bad; memory is bounded by
// the number of keys and of objects under hold.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Signing;

/// <summary>A privileged write whose signature is not as it has to be.</summary>
/// <param name="Sequence">Its event.</param>
/// <param name="Rule">The rule that it breaks, as the gate names it.</param>
/// <param name="Message">What is wrong, in a sentence.</param>
public sealed record SignatureFinding(ulong Sequence, string Rule, string Message);

/// <summary>What a check of a log's signatures found.</summary>
public sealed record SignatureReport
{
    /// <summary>Events looked at.</summary>
    public ulong Events { get; internal set; }

    /// <summary>Privileged changes among them.</summary>
    public ulong Privileged { get; internal set; }

    /// <summary>Those with a signature that holds.</summary>
    public ulong Valid { get; internal set; }

    /// <summary>Those without one that needed none.</summary>
    public ulong Unsigned { get; internal set; }

    /// <summary>Events that were erased and tell nothing any more.</summary>
    public ulong Erased { get; internal set; }

    /// <summary>Signatures by keys from before the log begins, which it cannot check.</summary>
    public ulong Unknown { get; internal set; }

    /// <summary>The first findings, at most <see cref="SignatureCheck.MaxFindings"/>.</summary>
    public IReadOnlyList<SignatureFinding> Findings { get; internal set; } = [];

    /// <summary>How many findings there are in all.</summary>
    public ulong FindingCount { get; internal set; }
}

/// <summary>Checks the signatures of a log. One instance checks once.</summary>
public sealed class SignatureCheck
{
    /// <summary>Most findings that are told one by one.</summary>
    public const int MaxFindings = 1000;

    private const ulong PageEvents = 4096;
    private readonly Dictionary<string, KnownKey> _keys = new(StringComparer.Ordinal);
    private readonly HashSet<string> _held = new(StringComparer.Ordinal);
    private readonly List<SignatureFinding> _findings = [];
    private readonly List<StoredEvent> _keyEvents = [];
    private readonly SignatureReport _report = new();
    private readonly Guid _storeId;
    private readonly bool _startsLate;
    private bool _isDemanded;
    private bool _isDemandedNext;
    private ulong _commit;

    private SignatureCheck(Guid storeId, bool startsLate)
    {
        _storeId = storeId;
        _startsLate = startsLate;
    }

    /// <summary>Checks a store's whole log.</summary>
    /// <param name="store">The store, opened for reading or writing.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <returns>What was found.</returns>
    /// <exception cref="StateStoreException">The log cannot be read, or libcrypto is missing.</exception>
    public static SignatureReport Run(StateStore store, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        Ed25519.Require();
        SignatureCheck? check = null;
        ulong next = 1;
        while (true)
        {
            // A long log takes longer than a snapshot may live.
            using ReadSnapshot snapshot = store.OpenSnapshot();
            if (next > snapshot.Sequence)
            {
                break;
            }

            foreach (StoredEvent item in snapshot.ReadEvents(next, next + PageEvents - 1))
            {
                cancellationToken.ThrowIfCancellationRequested();
                check ??= new SignatureCheck(store.Id, item.Sequence > 1);
                check.Look(item);
            }

            next += PageEvents;
        }

        return check?.Finish() ?? new SignatureReport();
    }

    private SignatureReport Finish()
    {
        _report.Findings = _findings;
        return _report;
    }

    private void Look(StoredEvent item)
    {
        if (item.CommitId != _commit)
        {
            TakeIn();
            _commit = item.CommitId;
        }

        _report.Events++;
        if (item.IsErased)
        {
            _report.Erased++;
            return;
        }

        if (item.SubjectKind is not { } kind)
        {
            return;
        }

        // What a repair wrote again was judged when it was written first.
        if (item.Type != "sync.repair.salvaged" && IsPrivileged(item, kind))
        {
            _report.Privileged++;
            Judge(item, kind);
        }

        Follow(item, kind);
    }

    private bool IsPrivileged(StoredEvent item, RecordKind kind) =>
        Privileges.IsPrivileged(item.Action, kind, item.SubjectId, item.Image) ?? (_held.Contains(item.SubjectId) != RetentionGate.IsHeld(Slots.Open(item.Image)));

    private void Judge(StoredEvent item, RecordKind kind)
    {
        SignatureForm form = ChangeSignature.TryRead(item.DataJson.Span, out ChangeSignature signature);
        string name = $"The {item.Action.ToString().ToLowerInvariant()} of {RecordKinds.Get(kind).Name} '{item.SubjectId}' by '{item.ActorId}'";
        KnownKey? own = _keys.Values.FirstOrDefault(key => KeyRoom.IsActive(key, item.ActorId));
        if (form == SignatureForm.Absent)
        {
            // A repair works without keys, because a store must be repairable when they are lost.
            if (kind != RecordKind.Report && (own is not null || _isDemanded))
            {
                Find(item, "signature.required", $"{name} is not signed, and {(own is null ? "the policy demanded it" : $"key {own.Id} was there to sign it")}.");
            }
            else
            {
                _report.Unsigned++;
            }

            return;
        }

        if (form == SignatureForm.Malformed)
        {
            Find(item, "signature.malformed", $"{name} carries something in the place of a signature that is none.");
            return;
        }

        KnownKey? key = _keys.GetValueOrDefault(signature.KeyId) ?? FirstKey(item, kind, signature.KeyId, own);
        if (key is null && _startsLate)
        {
            _report.Unknown++;
        }
        else if (key is null || !KeyRoom.IsActive(key, item.ActorId))
        {
            Find(item, "signature.key", $"{name} is signed with {signature.KeyId}, which was not a key of that actor for changes then.");
        }
        else if (!signature.Holds(new SignedChange(_storeId, item.Action, kind, item.SubjectId, item.PreviousSequence, item.ActorId, item.Action == EventAction.Put ? item.Image : default), key.PublicKey.Span))
        {
            Find(item, "signature.invalid", $"{name} carries a signature by {key.Id} that does not hold.");
        }
        else
        {
            _report.Valid++;
        }
    }

    private static KnownKey? FirstKey(StoredEvent item, RecordKind kind, string keyId, KnownKey? own) =>
        kind == RecordKind.Key && item.Action == EventAction.Put && item.SubjectId == keyId && own is null
            && ToKey(item) is { } key && PrivateKey.IdOf(key.PublicKey.Span) == key.Id ? key : null;

    private void Follow(StoredEvent item, RecordKind kind)
    {
        if (kind == RecordKind.Key && item.Action != EventAction.None)
        {
            _keyEvents.Add(item);
        }
        else if (kind == RecordKind.Object && item.Action != EventAction.None)
        {
            bool isHeld = item.Action == EventAction.Put && RetentionGate.IsHeld(Slots.Open(item.Image));
            _ = isHeld ? _held.Add(item.SubjectId) : _held.Remove(item.SubjectId);
            if (item.SubjectId == PolicySource.ObjectId)
            {
                _isDemandedNext = item.Action == EventAction.Put && PolicySource.Read(Slots.Open(item.Image), out _) is { RequiresSignatures: true };
            }
        }
    }

    private void TakeIn()
    {
        _isDemanded = _isDemandedNext;
        foreach (StoredEvent item in _keyEvents)
        {
            if (item.Action == EventAction.Put && ToKey(item) is { } key)
            {
                _keys[item.SubjectId] = key;
            }
            else
            {
                _keys.Remove(item.SubjectId);
            }
        }

        _keyEvents.Clear();
    }

    private void Find(StoredEvent item, string rule, string message)
    {
        _report.FindingCount++;
        if (_findings.Count < MaxFindings)
        {
            _findings.Add(new SignatureFinding(item.Sequence, rule, message));
        }
    }

    private static KnownKey? ToKey(StoredEvent item) => KeyRoom.ToKey(new StoredRecord(RecordKind.Key, item.SubjectId, item.Sequence, 0, false, false, item.Image));
}
