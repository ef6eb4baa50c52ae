// Why this file exists: the verifier needs states whose every entry is known, folded by a second, naive implementation of the specification
// and not by the engine's. Invariants: the state is rebuilt from all events each time; the file comes from liblmdb.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Tests.Log;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Verify;

/// <summary>A record as the naive fold sees it.</summary>
internal sealed record FoldedRecord(ulong Surrogate, ulong Sequence, bool IsTombstone, bool IsBootCritical, byte[] Body);

/// <summary>Folds a test log into the entries of a state, and writes them.</summary>
internal sealed class TestState
{
    private readonly TestLog _log;
    private readonly int _frames;

    /// <summary>Folds the first frames of a log; all of them when none are named.</summary>
    public TestState(TestLog log, int? frames = null, HashSet<ulong>? erased = null)
    {
        _log = log;
        _frames = frames ?? log.Frames.Count;
        foreach (StateTable table in Enum.GetValues<StateTable>())
        {
            Entries[table] = new SortedDictionary<byte[], byte[]>(KeyOrder.Instance);
        }

        Fold(erased ?? []);
    }

    /// <summary>What is written, by table. A test may change it before writing.</summary>
    public Dictionary<StateTable, SortedDictionary<byte[], byte[]>> Entries { get; } = [];

    public StateHeader Header { get; } = new();

    public StateDigest Digest { get; } = new();

    /// <summary>Makes header and digest anew and writes everything to generation 1 of the log's store.</summary>
    public TestState Write(ulong generation = 1, bool withDigest = true, bool withHeader = true)
    {
        Header.Generation = generation;
        if (withHeader)
        {
            byte[] header = new byte[Header.EncodedLengthBytes];
            Header.Encode(header);
            Entries[StateTable.Meta]["header"u8.ToArray()] = header;
        }

        if (withDigest)
        {
            byte[] digest = new byte[StateDigest.EncodedLengthBytes];
            Digest.Encode(digest);
            Entries[StateTable.Meta]["digest"u8.ToArray()] = digest;
        }

        WriteFile(_log.Layout.GenerationPath(generation));
        return this;
    }

    /// <summary>Sums the entries again, for a test that changed them and means to get away with it.</summary>
    public void Resum()
    {
        Digest.Clear();
        foreach (StateTable table in Entries.Keys.Where(static table => table != StateTable.Meta))
        {
            foreach ((byte[] key, byte[] value) in Entries[table])
            {
                Digest.Add(table, key, value);
            }
        }
    }

    public static byte[] RecordKey(RecordKind kind, string id) => [(byte)kind, .. Encoding.UTF8.GetBytes(id)];

    private void WriteFile(string directory)
    {
        Directory.CreateDirectory(directory);
        using LmdbEnvironment environment = LmdbEnvironment.Open(directory, new LmdbOptions { NoSync = true, MapSizeBytes = 1L << 30 });
        Dictionary<StateTable, LmdbDatabase> databases = [];
        using (LmdbWriteTransaction transaction = environment.BeginWrite())
        {
            foreach (StateTable table in Entries.Keys)
            {
                databases[table] = transaction.OpenDatabase(Encoding.ASCII.GetString(Tables.Name(table)), create: true);
            }

            transaction.Commit();
        }

        // Several transactions, one of which undoes something, so that the file has free pages.
        foreach ((StateTable table, SortedDictionary<byte[], byte[]> entries) in Entries)
        {
            using LmdbWriteTransaction transaction = environment.BeginWrite();
            transaction.Put(databases[table], [0], new byte[9000]);
            foreach ((byte[] key, byte[] value) in entries)
            {
                transaction.Put(databases[table], key, value);
            }

            transaction.Commit();
        }

        using LmdbWriteTransaction last = environment.BeginWrite();
        foreach (LmdbDatabase database in databases.Values)
        {
            last.Delete(database, [0]);
        }

        last.Commit();
    }

    private void Fold(HashSet<ulong> erased)
    {
        SortedDictionary<byte[], FoldedRecord> records = new(KeyOrder.Instance);
        ulong events = (ulong)_log.Frames.Take(_frames).Sum(static f => f.Header.EventCount);
        for (ulong sequence = 1; sequence <= events; sequence++)
        {
            TestEvent e = _log.Events[(int)sequence - 1];
            if (erased.Contains(sequence))
            {
                continue;
            }

            ref LaneCount lane = ref Header.Lanes[(int)e.Lane - 1];
            lane = new LaneCount(lane.Events + 1, sequence, 1_700_000_000_000_000 + (long)sequence);
            byte[] key = RecordKey(e.SubjectKind, e.SubjectId);
            if (e.Action == EventAction.Purge)
            {
                records.Remove(key);
            }
            else if (e.Action is EventAction.Put or EventAction.Tombstone)
            {
                ulong surrogate = records.TryGetValue(key, out FoldedRecord? old) ? old.Surrogate : sequence;
                records[key] = new FoldedRecord(surrogate, sequence, e.Action == EventAction.Tombstone, e.Marks.HasFlag(ImageMarks.BootCritical), e.Image);
            }
        }

        foreach ((byte[] key, FoldedRecord record) in records)
        {
            AddRecord(key, record);
        }

        foreach (TestFrame frame in _log.Frames.Take(_frames))
        {
            byte[] key = new byte[8];
            Tables.NumberKey(frame.Header.FirstSequence, key);
            byte[] value = new byte[FrameEntry.EncodedLengthBytes];
            new FrameEntry(frame.Header.FrameNumber, frame.Address, (uint)frame.Header.EntryLengthBytes, (uint)frame.Header.EventCount, frame.Header.CommitId, frame.Header.CommitTimeMicros).Encode(key, value);
            Entries[StateTable.Frames][key] = value;
            Header.Frontier.AppendFrame(frame.Hash);
        }

        TestFrame? tip = _frames == 0 ? null : _log.Frames[_frames - 1];
        Header.StoreId = _log.StoreId;
        Header.LogPosition = tip?.End ?? 64;
        Header.LastSequence = tip?.Header.LastSequence ?? 0;
        Header.LastCommitId = tip?.Header.CommitId ?? 0;
        Header.WriterEpoch = tip?.Header.WriterEpoch ?? 0;
        Header.CommitTimeMicros = tip?.Header.CommitTimeMicros ?? 0;
        Header.ChainHead = tip?.Hash ?? _log.StoreId.GenesisHash();
        Resum();
    }

    private void AddRecord(byte[] key, FoldedRecord record)
    {
        byte[] value = new byte[RecordEnvelope.LengthBytes + record.Body.Length];
        RecordEnvelope.Write(key, record.IsTombstone, record.IsBootCritical, record.Sequence, record.Surrogate, record.Body, value);
        Entries[StateTable.Records][key] = value;
        ref KindCount kind = ref Header.Kinds[key[0]];
        kind = record.IsTombstone ? kind with { Tombstones = kind.Tombstones + 1 } : kind with { Live = kind.Live + 1 };
        byte[] number = new byte[8];
        Tables.NumberKey(record.Surrogate, number);
        byte[] back = [.. key, .. new byte[8]];
        Tables.WriteCheck(StateTable.Surrogates, number, back);
        Entries[StateTable.Surrogates][number] = back;
        if (record.IsBootCritical && !record.IsTombstone)
        {
            Header.BootCritical = Header.BootCritical.With(key, value);
            byte[] entry = [6, .. number];
            byte[] check = new byte[8];
            Tables.WriteCheck(StateTable.Index, entry, check);
            Entries[StateTable.Index][entry] = check;
        }

        if (key[0] != (byte)RecordKind.Object)
        {
            return;
        }

        Assert.True(RecordBodyView.TryRead(record.Body, out RecordBodyView body, out _));
        IndexKeys keys = new();
        keys.Derive(body, record.IsTombstone, record.Surrogate);
        for (int i = 0; i < keys.Count; i++)
        {
            byte[] check = new byte[8];
            Tables.WriteCheck(StateTable.Index, keys[i], check);
            Entries[StateTable.Index][keys[i].ToArray()] = check;
        }
    }

    private sealed class KeyOrder : IComparer<byte[]>
    {
        public static KeyOrder Instance { get; } = new();

        public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
    }
}
