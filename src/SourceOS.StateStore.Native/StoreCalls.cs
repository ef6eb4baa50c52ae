// Why this file exists: opening, closing and writing, as C calls them. Invariants: a handle is given only when everything behind it is open; each parameter is checked before the store is touched.

using System.Runtime.InteropServices;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Native;

/// <summary>Handles and commits.</summary>
internal static unsafe class StoreCalls
{
    /// <summary>Grows when a function changes its meaning or goes; new functions do not change it.</summary>
    private const uint AbiVersion = 1;

    /// <summary>`ss_abi_version`.</summary>
    public static uint GetAbiVersion() => AbiVersion;

    /// <summary>`ss_version`.</summary>
    public static int Version(NativeBuffer* answer) =>
        NativeCall.Answer(answer, static () => System.Text.Encoding.UTF8.GetBytes(typeof(StoreCalls).Assembly.GetName().Version?.ToString(3) ?? "0.0.0"));

    /// <summary>`ss_buffer_free`.</summary>
    public static void BufferFree(NativeBuffer* buffer)
    {
        if (buffer is not null)
        {
            NativeMemory.Free(buffer->Data);
            *buffer = default;
        }
    }

    /// <summary>`ss_last_error`.</summary>
    public static int LastError(nint store, NativeBuffer* answer)
    {
        // Asking for the error must not replace it; which store it was makes no difference, because it is this thread's last call.
        _ = store;
        if (answer is null)
        {
            return (int)NativeStatus.Usage;
        }

        *answer = default;
        if (NativeCall.LastError is { } error)
        {
            NativeCall.Give(answer, NativeCall.Json(error.Write));
        }

        return (int)NativeStatus.Ok;
    }

    /// <summary>`ss_init`.</summary>
    public static int Init(byte* path, nuint pathLength, byte* profile, nuint profileLength, byte* profileClass, nuint profileClassLength, byte* device, nuint deviceLength, byte* actor, nuint actorLength, nint* store) =>
        Open(store, () =>
        {
            string where = NativeText.Path(path, pathLength);
            string kind = NativeText.OptionalText(profileClass, profileClassLength, "profile_class") ?? "personal";
            if (!StoreSetup.ProfileClasses.Contains(kind))
            {
                throw NativeException.BadData($"A profile's class is one of {string.Join(", ", StoreSetup.ProfileClasses)}.", "profile_class");
            }

            string user = Environment.UserName;
            string host = Environment.MachineName.Length == 0 ? "local" : Environment.MachineName;
            string who = NativeText.OptionalId(actor, actorLength, "actor") ?? LocalIdentity.ActorOfUser(user);
            return NativeStore.Create(where, new SetupPlan(
                NativeText.OptionalId(device, deviceLength, "device") ?? "device:" + host, host,
                NativeText.OptionalId(profile, profileLength, "profile") ?? "profile:personal", kind, who, user.Length == 0 ? who : user, LocalIdentity.IdentityOfUser(user)));
        });

    /// <summary>`ss_open_read`.</summary>
    public static int OpenRead(byte* path, nuint pathLength, byte* actor, nuint actorLength, byte* profile, nuint profileLength, nint* store) =>
        Open(store, () => NativeStore.Open(NativeText.Path(path, pathLength), NativeText.OptionalId(actor, actorLength, "actor"), NativeText.OptionalId(profile, profileLength, "profile"), writes: false));

    /// <summary>`ss_open_write`.</summary>
    public static int OpenWrite(byte* path, nuint pathLength, byte* actor, nuint actorLength, byte* profile, nuint profileLength, nint* store) =>
        Open(store, () => NativeStore.Open(NativeText.Path(path, pathLength), NativeText.OptionalId(actor, actorLength, "actor"), NativeText.OptionalId(profile, profileLength, "profile"), writes: true));

    /// <summary>`ss_close`.</summary>
    public static int Close(nint store) => NativeCall.Run(() => RequireRemoved(Handles.Remove<NativeStore>(store)));

    /// <summary>`ss_commit`.</summary>
    public static int Commit(nint store, byte* json, nuint jsonLength, int wait, NativeBuffer* receipt) =>
        NativeCall.Answer(store, receipt, opened => Commit(opened, NativeBatch.Parse(NativeText.Document(json, jsonLength, "json")), wait));

    /// <summary>`ss_batch_new`.</summary>
    public static int BatchNew(nint* batch) => Open(batch, static () => new NativeBatch());

    /// <summary>`ss_batch_free`.</summary>
    public static int BatchFree(nint batch) => NativeCall.Run(() => RequireRemoved(Handles.Remove<NativeBatch>(batch)));

    /// <summary>`ss_batch_put`.</summary>
    public static int BatchPut(nint batch, byte* json, nuint jsonLength, ulong expectedSequence) =>
        Change(batch, building => building.PutJson(NativeText.Document(json, jsonLength, "json"), Expect(expectedSequence)));

    /// <summary>`ss_batch_delete`.</summary>
    public static int BatchDelete(nint batch, byte* kind, nuint kindLength, byte* id, nuint idLength, ulong expectedSequence) =>
        Change(batch, building => building.Delete(NativeText.Kind(kind, kindLength), NativeText.Id(id, idLength, "id"), Expect(expectedSequence)));

    /// <summary>`ss_batch_event`.</summary>
    public static int BatchEvent(nint batch, byte* type, nuint typeLength, byte* objectId, nuint objectIdLength, byte* data, nuint dataLength) =>
        Change(batch, building => NativeBatch.AppendEvent(
            building,
            NativeText.OptionalText(type, typeLength, "type") ?? throw NativeException.Usage("'type' is NULL.", "type"),
            NativeText.OptionalId(objectId, objectIdLength, "object"),
            NativeText.OptionalDocument(data, dataLength, "data")));

    /// <summary>`ss_batch_commit`.</summary>
    public static int BatchCommit(nint store, nint batch, int wait, NativeBuffer* receipt) =>
        NativeCall.Answer(store, receipt, opened =>
        {
            // Who cannot write is told so before the batch is used up.
            _ = opened.OpenSession();
            return NativeCall.With<NativeBatch, ReadOnlyMemory<byte>>(batch, building => Commit(opened, building.Take(), wait));
        });

    private static int Open<T>(nint* handle, Func<T> open)
        where T : NativeObject
    {
        if (handle is null)
        {
            return NativeCall.Run(static () => throw NativeException.Usage("The place for the handle is NULL.", "out"));
        }

        *handle = 0;
        return NativeCall.Run(() => *handle = Handles.Add(open()));
    }

    private static int Change(nint batch, Action<CommitBatch> change) => NativeCall.Run(() => NativeCall.With<NativeBatch, bool>(batch, building =>
    {
        building.Add(change);
        return true;
    }));

    // All bits set stands for "any"; no record ever has that sequence.
    private static ChangeOptions Expect(ulong sequence) => new() { ExpectedSequence = sequence == ulong.MaxValue ? null : sequence };

    private static void RequireRemoved(bool isRemoved)
    {
        if (!isRemoved)
        {
            throw new NativeException(NativeStatus.Closed, new DoorError("closed", "The handle is closed, or is not one of this kind.", "handle"));
        }
    }

    private static ReadOnlyMemory<byte> Commit(NativeStore store, CommitBatch batch, int wait)
    {
        CommitWait until = wait switch
        {
            0 => CommitWait.Visible,
            1 => CommitWait.Durable,
            _ => throw NativeException.Usage("'wait' is SS_WAIT_VISIBLE or SS_WAIT_DURABLE.", "wait"),
        };

        // C has no tasks, so the caller's thread does the work itself.
        CommitReceipt receipt = store.OpenSession().Commit(batch, until);
        if (!receipt.IsCommitted)
        {
            DoorError error = DoorError.Of(receipt.Status, receipt.Refusal);
            throw new NativeException(error.Code == "not_found" ? NativeStatus.NotFound : error.Code == "too_large" ? NativeStatus.BadData : NativeStatus.Refused, error);
        }

        return NativeCall.Json(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("status"u8, "committed"u8);
            writer.WriteString("stage"u8, receipt.Stage.ToString().ToLowerInvariant());
            writer.WriteNumber("firstSequence"u8, receipt.FirstSequence);
            writer.WriteNumber("sequence"u8, receipt.LastSequence);
            writer.WriteNumber("commit"u8, receipt.CommitId);
            writer.WriteString("committedAt"u8, DoorTimes.Exact(receipt.CommittedAt));
            writer.WriteEndObject();
        });
    }
}
