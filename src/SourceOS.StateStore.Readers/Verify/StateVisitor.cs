// Why this file exists: every entry of the state is looked at once, on whatever thread walks over it, and what it implies for the other tables
// is summed, so that completeness is one comparison of sums instead of a lookup for each entry. Invariants: each thread has its own
// sums; nothing here reads other pages; findings go to a list that is thrown away when the snapshot turns out to have moved.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>What one thread summed.</summary>
internal sealed class StateSums
{
    /// <summary>The entries that are there.</summary>
    public StateDigest Actual { get; } = new();

    /// <summary>The entries of index and surrogates that follow from the records.</summary>
    public StateDigest Expected { get; } = new();

    public KindCount[] Kinds { get; } = new KindCount[StateHeader.KindPlaces];

    public long[] Entries { get; } = new long[Tables.Count + 1];

    public ulong HighestSequence { get; set; }

    /// <summary>The records that carry the mark for boot.</summary>
    public BootCriticalCount BootCritical { get; set; }

    internal IndexKeys Keys { get; } = new();

    internal byte[] Value { get; } = new byte[1 + FormatLimits.MaxIdentifierLengthBytes + Tables.CheckLengthBytes];

    internal byte[] NumberKey { get; } = new byte[8];

    public void Add(StateSums other)
    {
        Actual.AddAll(other.Actual);
        Expected.AddAll(other.Expected);
        HighestSequence = Math.Max(HighestSequence, other.HighestSequence);
        BootCritical = new BootCriticalCount(BootCritical.Records + other.BootCritical.Records, unchecked(BootCritical.Sum + other.BootCritical.Sum));
        for (int i = 0; i < Kinds.Length; i++)
        {
            Kinds[i] = new KindCount(Kinds[i].Live + other.Kinds[i].Live, Kinds[i].Tombstones + other.Kinds[i].Tombstones);
        }

        for (int i = 0; i < Entries.Length; i++)
        {
            Entries[i] += other.Entries[i];
        }
    }
}

/// <summary>Looks at every entry of a state. Thread-safe.</summary>
internal sealed class StateVisitor(FindingCollector findings, string file, int pageSizeBytes, ProgressMeter progress) : ILmdbVisitor, IDisposable
{
    private readonly ThreadLocal<StateSums> _sums = new(static () => new StateSums(), trackAllValues: true);
    private readonly Lock _gate = new();

    /// <summary>The header; null when there is none or it is not valid.</summary>
    public StateHeader? Header { get; private set; }

    /// <summary>The stored digest; null when there is none or it is not valid.</summary>
    public StateDigest? Digest { get; private set; }

    /// <summary>Whether an entry with the header's key was met, valid or not.</summary>
    public bool HasHeader { get; private set; }

    /// <summary>Whether an entry with the digest's key was met, valid or not.</summary>
    public bool HasDigest { get; private set; }

    /// <summary>The sums of all threads; to be called when no thread visits any more.</summary>
    public StateSums Total()
    {
        StateSums total = new();
        foreach (StateSums sums in _sums.Values)
        {
            total.Add(sums);
        }

        return total;
    }

    public void Dispose() => _sums.Dispose();

    public void Visit(string database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page)
    {
        StateSums sums = _sums.Value!;
        progress.Add(key.Length + value.Length);
        switch (database)
        {
            case "records":
                VisitRecord(sums, key, value, page);
                break;
            case "index":
                VisitChecked(sums, StateTable.Index, key, value, page, value.Length == Tables.CheckLengthBytes);
                break;
            case "surrogates":
                VisitChecked(sums, StateTable.Surrogates, key, value, page, key.Length == 8 && value.Length is > 1 + Tables.CheckLengthBytes and <= 1 + FormatLimits.MaxIdentifierLengthBytes + Tables.CheckLengthBytes);
                break;
            case "frames":
                VisitChecked(sums, StateTable.Frames, key, value, page, key.Length == 8 && FrameEntry.TryDecode(key, value, out _));
                break;
            case "meta":
                VisitMeta(sums, key, value, page);
                break;
            default:
                Find(FindingKinds.StateTable, database, key, page, "An entry stands in a table that is not part of a state.");
                break;
        }
    }

    /// <summary>A record's key as findings show it.</summary>
    internal static string RecordName(ReadOnlySpan<byte> key)
    {
        if (key.Length < 2 || !RecordKinds.IsDefined((RecordKind)key[0]) || !Identifier.IsValid(key[1..]))
        {
            return Hex(key);
        }

        return RecordKinds.Get((RecordKind)key[0]).Name + "/" + Encoding.UTF8.GetString(key[1..]);
    }

    internal static string Hex(ReadOnlySpan<byte> key) => Convert.ToHexStringLower(key);

    private void VisitRecord(StateSums sums, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page)
    {
        sums.Entries[(int)StateTable.Records]++;
        sums.Actual.Add(StateTable.Records, key, value);
        if (!RecordEnvelope.TryRead(key, value, out RecordEnvelope envelope, out FormatFault fault))
        {
            Find(FindingKinds.RecordEnvelope, "records", key, page, $"The record's envelope is not valid: {FormatFault.Describe(fault.Code)}.");
            return;
        }

        if (!Identifier.IsValid(key[1..]) || envelope.Surrogate == 0 || envelope.Surrogate > envelope.Sequence)
        {
            Find(FindingKinds.RecordEnvelope, "records", key, page, "The record's identifier, sequence or surrogate is not one that a record can have.");
            return;
        }

        sums.HighestSequence = Math.Max(sums.HighestSequence, envelope.Sequence);
        ref KindCount kind = ref sums.Kinds[(int)envelope.Kind];
        kind = envelope.IsTombstone ? kind with { Tombstones = kind.Tombstones + 1 } : kind with { Live = kind.Live + 1 };
        ExpectSurrogate(sums, key, envelope.Surrogate);
        bool isBody = RecordBodyView.TryRead(envelope.Body, out RecordBodyView body, out fault);
        if (!isBody)
        {
            Find(FindingKinds.RecordBody, "records", key, page, $"The record's body is not well-formed: {FormatFault.Describe(fault.Code)}.");
        }

        if (envelope.IsBootCritical && !envelope.IsTombstone)
        {
            sums.BootCritical = sums.BootCritical.With(key, value);
        }

        // Without a body only the mark tells of an entry.
        sums.Keys.Derive(isBody ? envelope.Kind : default, body, envelope.IsTombstone, envelope.IsBootCritical, envelope.Surrogate);
        for (int i = 0; i < sums.Keys.Count; i++)
        {
            Span<byte> check = sums.Value.AsSpan(0, Tables.CheckLengthBytes);
            Tables.WriteCheck(StateTable.Index, sums.Keys[i], check);
            sums.Expected.Add(StateTable.Index, sums.Keys[i], check);
        }
    }

    private static void ExpectSurrogate(StateSums sums, ReadOnlySpan<byte> recordKey, ulong surrogate)
    {
        if (recordKey.Length > 1 + FormatLimits.MaxIdentifierLengthBytes)
        {
            return;
        }

        Tables.NumberKey(surrogate, sums.NumberKey);
        Span<byte> value = sums.Value.AsSpan(0, recordKey.Length + Tables.CheckLengthBytes);
        recordKey.CopyTo(value);
        Tables.WriteCheck(StateTable.Surrogates, sums.NumberKey, value);
        sums.Expected.Add(StateTable.Surrogates, sums.NumberKey, value);
    }

    private void VisitChecked(StateSums sums, StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page, bool isWellFormed)
    {
        sums.Entries[(int)table]++;
        sums.Actual.Add(table, key, value);
        if (!isWellFormed || !Tables.TryVerifyCheck(table, key, value, out _))
        {
            Find(FindingKinds.EntryCheck, Encoding.ASCII.GetString(Tables.Name(table)), key, page, "The entry contradicts its check or is not well-formed.");
        }
    }

    private void VisitMeta(StateSums sums, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page)
    {
        sums.Entries[(int)StateTable.Meta]++;
        lock (_gate)
        {
            if (key.SequenceEqual(Tables.HeaderKey))
            {
                HasHeader = true;
                StateHeader header = new();
                if (header.TryDecode(value, out FormatFault fault))
                {
                    Header = header;
                }
                else
                {
                    Find(FindingKinds.StateHeader, "meta", key, page, $"The state's header is not valid: {FormatFault.Describe(fault.Code)}.");
                }
            }
            else if (key.SequenceEqual(Tables.DigestKey))
            {
                HasDigest = true;
                StateDigest digest = new();
                if (digest.TryDecode(value, out FormatFault fault))
                {
                    Digest = digest;
                }
                else
                {
                    Find(FindingKinds.StateDigest, "meta", key, page, $"The stored digest is not valid: {FormatFault.Describe(fault.Code)}.");
                }
            }
            else
            {
                Find(FindingKinds.StateTable, "meta", key, page, "An entry of this key is not part of a state.");
            }
        }
    }

    private void Find(FindingKind kind, string table, ReadOnlySpan<byte> key, ulong page, string message)
    {
        FindingPlace place = new()
        {
            File = file,
            OffsetBytes = (long)page * pageSizeBytes,
            Table = table,
            Record = table == "records" ? RecordName(key) : Hex(key),
        };
        findings.Add(kind, place, string.Create(CultureInfo.InvariantCulture, $"{message}"));
    }
}
