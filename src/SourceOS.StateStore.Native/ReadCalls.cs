// Why this file exists: reading and proving, as C calls them. Invariants: what the actor may not see does not exist; a list looks at a bounded number of records and says where to go on.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Proofs;

namespace SourceOS.StateStore.Native;

/// <summary>Reads.</summary>
internal static unsafe class ReadCalls
{
    private const uint MaxRows = 10_000;
    private const int PageRows = 512;
    private const int MaxLooked = 100_000;

    /// <summary>`ss_sequence`.</summary>
    public static int Sequence(nint store, ulong* sequence)
    {
        if (sequence is null)
        {
            return NativeCall.Run(static () => throw NativeException.Usage("The place for the sequence is NULL.", "out"));
        }

        *sequence = 0;
        return NativeCall.Run(() => *sequence = NativeCall.With(store, static opened => opened.Read(static snapshot => snapshot.Sequence)));
    }

    /// <summary>`ss_get`.</summary>
    public static int Get(nint store, byte* kind, nuint kindLength, byte* id, nuint idLength, ulong at, NativeBuffer* answer) =>
        NativeCall.Answer(store, answer, opened =>
        {
            RecordKind wanted = NativeText.Kind(kind, kindLength);
            string name = NativeText.Id(id, idLength, "id");
            return opened.Read(snapshot => opened.Find(snapshot, wanted, name, at) is { IsTombstone: false } record
                ? NativeCall.Json(writer => RecordDocument.WriteWithMeta(writer, record))
                : throw NativeException.NotFound("There is no such record.", $"{RecordKinds.Get(wanted).Name} {name}"));
        });

    /// <summary>`ss_list`.</summary>
    public static int List(nint store, byte* kind, nuint kindLength, byte* after, nuint afterLength, uint limit, NativeBuffer* answer) =>
        NativeCall.Answer(store, answer, opened =>
        {
            RecordKind wanted = NativeText.Kind(kind, kindLength);
            string? start = NativeText.OptionalId(after, afterLength, "after");
            RequireLimit(limit);
            return opened.Read(snapshot => List(snapshot, opened.Scope(snapshot), wanted, start, (int)limit));
        });

    /// <summary>`ss_log`.</summary>
    public static int Log(nint store, ulong from, uint limit, byte* objectId, nuint objectIdLength, byte* type, nuint typeLength, NativeBuffer* answer) =>
        NativeCall.Answer(store, answer, opened =>
        {
            RequireLimit(limit);
            string? about = NativeText.OptionalId(objectId, objectIdLength, "object");
            string? only = NativeText.OptionalText(type, typeLength, "type");
            return opened.Read(snapshot => Log(snapshot, opened.Scope(snapshot), Math.Max(1, from), (int)limit, item => (about is null || item.SubjectId == about) && (only is null || item.Type == only)));
        });

    /// <summary>`ss_explain`.</summary>
    public static int Explain(nint store, byte* id, nuint idLength, ulong at, NativeBuffer* answer) =>
        NativeCall.Answer(store, answer, opened =>
        {
            string name = NativeText.Id(id, idLength, "id");
            return opened.Read(snapshot => opened.Find(snapshot, RecordKind.Object, name, at) is not null && ObjectExplainer.Explain(snapshot, name, at == 0 ? null : at) is { } report
                ? NativeCall.Json(writer => ExplainJson.Write(writer, report))
                : throw NativeException.NotFound("There is no such object.", $"object {name}"));
        });

    /// <summary>`ss_get_status`.</summary>
    public static int GetStatus(nint store, NativeBuffer* answer) =>
        NativeCall.Answer(store, answer, static opened => opened.Read(static snapshot => NativeCall.Json(StoreGlance.Of(snapshot).Write)));

    /// <summary>`ss_checkpoint`.</summary>
    public static int Checkpoint(nint store, NativeBuffer* answer) =>
        NativeCall.Answer(store, answer, static opened => opened.Read(snapshot =>
            (ReadOnlyMemory<byte>)System.Text.Encoding.UTF8.GetBytes(new Prover(opened.Store, snapshot).MakeCheckpoint(CancellationToken.None).ToText())));

    /// <summary>`ss_prove_event`.</summary>
    public static int ProveEvent(nint store, ulong sequence, ulong size, NativeBuffer* answer) =>
        NativeCall.Answer(store, answer, opened => opened.Read(snapshot =>
        {
            bool isShown = sequence > 0 && sequence <= snapshot.Sequence && snapshot.ReadEvent(sequence) is { } item && (item.IsErased || opened.Scope(snapshot).Allows(item));
            Prover prover = new(opened.Store, snapshot);
            RequireSize(size == 0 ? 1 : size, prover);
            return Proof(isShown ? prover.ProveEvent(sequence, size == 0 ? null : size, CancellationToken.None) : null, "That event is not in that log.", $"event {sequence}");
        }));

    /// <summary>`ss_prove_consistency`.</summary>
    public static int ProveConsistency(nint store, ulong earlier, ulong later, NativeBuffer* answer) =>
        NativeCall.Answer(store, answer, opened => opened.Read(snapshot =>
        {
            Prover prover = new(opened.Store, snapshot);
            RequireSize(later, prover);
            RequireSize(earlier, prover);
            return earlier <= later ? Proof(prover.ProveConsistency(earlier, later, CancellationToken.None), "There is no such log.", $"size {later}") : throw NativeException.BadData("The earlier size is at most the later one.", "earlier");
        }));

    private static ReadOnlyMemory<byte> Proof(StateProof? proof, string missing, string place) => ProofJson.Encode(proof ?? throw NativeException.NotFound(missing, place));

    private static void RequireSize(ulong size, Prover prover)
    {
        if (size < 1 || size > prover.Size)
        {
            throw NativeException.BadData($"The log has {prover.Size} frames; a size is 1 to that.", "size");
        }
    }

    private static void RequireLimit(uint limit)
    {
        if (limit is < 1 or > MaxRows)
        {
            throw NativeException.Usage($"'limit' is 1 to {MaxRows}.", "limit");
        }
    }

    private static ReadOnlyMemory<byte> List(ReadSnapshot snapshot, ReadScope scope, RecordKind kind, string? after, int limit)
    {
        List<StoredRecord> found = [];
        string? at = after;
        bool isEnd = false;
        for (int looked = 0; found.Count < limit && (looked < MaxLooked || found.Count == 0) && !isEnd; looked += PageRows)
        {
            List<StoredRecord> page = snapshot.Range(kind, at).ToList(PageRows);
            isEnd = page.Count < PageRows;
            foreach (StoredRecord record in page)
            {
                if (found.Count == limit)
                {
                    isEnd = false;
                    break;
                }

                at = record.Id;
                if (scope.Allows(record))
                {
                    found.Add(record);
                }
            }
        }

        return NativeCall.Json(writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartArray("records"u8);
            found.ForEach(record => RecordDocument.WriteWithMeta(writer, record));
            writer.WriteEndArray();

            // Where to go on: behind the last record that was looked at, which for a scoped reader is one it was shown.
            string? next = isEnd ? null : scope.IsEverything ? at : found.Count > 0 ? found[^1].Id : after;
            writer.WriteString("next"u8, next);
            writer.WriteEndObject();
        });
    }

    private static ReadOnlyMemory<byte> Log(ReadSnapshot snapshot, ReadScope scope, ulong from, int limit, Func<StoredEvent, bool> isWanted)
    {
        List<StoredEvent> found = [];
        ulong at = from;
        for (int looked = 0; at <= snapshot.Sequence && found.Count < limit && looked < MaxLooked; looked++, at++)
        {
            if (snapshot.ReadEvent(at) is { } item && scope.Allows(item) && isWanted(item))
            {
                found.Add(item);
            }
        }

        return NativeCall.Json(writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartArray("events"u8);
            found.ForEach(item => EventJson.Write(writer, item));
            writer.WriteEndArray();
            writer.WriteNumber("sequence"u8, snapshot.Sequence);
            if (at <= snapshot.Sequence)
            {
                writer.WriteNumber("next"u8, at);
            }
            else
            {
                writer.WriteNull("next"u8);
            }

            writer.WriteEndObject();
        });
    }
}
