// Why this file exists: everything that C can call stands here once, and nothing is done before it is known that this is not a child of fork(): there the runtime's own threads are gone, and whatever waits for one of them waits for ever. Invariants: the names are the
// header's; a child gets SS_FORKED and empty answers from every call that could need the runtime; nothing is allocated before that is decided.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Native;

/// <summary>The entry points.</summary>
internal static unsafe partial class Exports
{
    private const int ReviewRequired = 10;

    // The process that loaded the runtime: the one that called first.
    private static readonly int s_owner = ProcessId();

    private static bool IsChild => ProcessId() != s_owner;

    [UnmanagedCallersOnly(EntryPoint = "ss_abi_version", CallConvs = [typeof(CallConvCdecl)])]
    public static uint GetAbiVersion() => StoreCalls.GetAbiVersion();

    [UnmanagedCallersOnly(EntryPoint = "ss_version", CallConvs = [typeof(CallConvCdecl)])]
    public static int Version(NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : StoreCalls.Version(answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_buffer_free", CallConvs = [typeof(CallConvCdecl)])]
    public static void BufferFree(NativeBuffer* buffer) => StoreCalls.BufferFree(buffer);

    [UnmanagedCallersOnly(EntryPoint = "ss_last_error", CallConvs = [typeof(CallConvCdecl)])]
    public static int LastError(nint store, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : StoreCalls.LastError(store, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_init", CallConvs = [typeof(CallConvCdecl)])]
    public static int Init(byte* path, nuint pathLength, byte* profile, nuint profileLength, byte* profileClass, nuint profileClassLength, byte* device, nuint deviceLength, byte* actor, nuint actorLength, nint* store) =>
        IsChild ? RefuseHandle(store) : StoreCalls.Init(path, pathLength, profile, profileLength, profileClass, profileClassLength, device, deviceLength, actor, actorLength, store);

    [UnmanagedCallersOnly(EntryPoint = "ss_open_read", CallConvs = [typeof(CallConvCdecl)])]
    public static int OpenRead(byte* path, nuint pathLength, byte* actor, nuint actorLength, byte* profile, nuint profileLength, nint* store) =>
        IsChild ? RefuseHandle(store) : StoreCalls.OpenRead(path, pathLength, actor, actorLength, profile, profileLength, store);

    [UnmanagedCallersOnly(EntryPoint = "ss_open_write", CallConvs = [typeof(CallConvCdecl)])]
    public static int OpenWrite(byte* path, nuint pathLength, byte* actor, nuint actorLength, byte* profile, nuint profileLength, nint* store) =>
        IsChild ? RefuseHandle(store) : StoreCalls.OpenWrite(path, pathLength, actor, actorLength, profile, profileLength, store);

    [UnmanagedCallersOnly(EntryPoint = "ss_close", CallConvs = [typeof(CallConvCdecl)])]
    public static int Close(nint store) =>
        IsChild ? (int)NativeStatus.Forked : StoreCalls.Close(store);

    [UnmanagedCallersOnly(EntryPoint = "ss_commit", CallConvs = [typeof(CallConvCdecl)])]
    public static int Commit(nint store, byte* json, nuint jsonLength, int wait, NativeBuffer* receipt) =>
        IsChild ? Refuse(receipt) : StoreCalls.Commit(store, json, jsonLength, wait, receipt);

    [UnmanagedCallersOnly(EntryPoint = "ss_batch_new", CallConvs = [typeof(CallConvCdecl)])]
    public static int BatchNew(nint* batch) =>
        IsChild ? RefuseHandle(batch) : StoreCalls.BatchNew(batch);

    [UnmanagedCallersOnly(EntryPoint = "ss_batch_free", CallConvs = [typeof(CallConvCdecl)])]
    public static int BatchFree(nint batch) =>
        IsChild ? (int)NativeStatus.Forked : StoreCalls.BatchFree(batch);

    [UnmanagedCallersOnly(EntryPoint = "ss_batch_put", CallConvs = [typeof(CallConvCdecl)])]
    public static int BatchPut(nint batch, byte* json, nuint jsonLength, ulong expectedSequence) =>
        IsChild ? (int)NativeStatus.Forked : StoreCalls.BatchPut(batch, json, jsonLength, expectedSequence);

    [UnmanagedCallersOnly(EntryPoint = "ss_batch_delete", CallConvs = [typeof(CallConvCdecl)])]
    public static int BatchDelete(nint batch, byte* kind, nuint kindLength, byte* id, nuint idLength, ulong expectedSequence) =>
        IsChild ? (int)NativeStatus.Forked : StoreCalls.BatchDelete(batch, kind, kindLength, id, idLength, expectedSequence);

    [UnmanagedCallersOnly(EntryPoint = "ss_batch_event", CallConvs = [typeof(CallConvCdecl)])]
    public static int BatchEvent(nint batch, byte* type, nuint typeLength, byte* objectId, nuint objectIdLength, byte* data, nuint dataLength) =>
        IsChild ? (int)NativeStatus.Forked : StoreCalls.BatchEvent(batch, type, typeLength, objectId, objectIdLength, data, dataLength);

    [UnmanagedCallersOnly(EntryPoint = "ss_batch_commit", CallConvs = [typeof(CallConvCdecl)])]
    public static int BatchCommit(nint store, nint batch, int wait, NativeBuffer* receipt) =>
        IsChild ? Refuse(receipt) : StoreCalls.BatchCommit(store, batch, wait, receipt);

    [UnmanagedCallersOnly(EntryPoint = "ss_sequence", CallConvs = [typeof(CallConvCdecl)])]
    public static int Sequence(nint store, ulong* sequence) =>
        IsChild ? (int)NativeStatus.Forked : ReadCalls.Sequence(store, sequence);

    [UnmanagedCallersOnly(EntryPoint = "ss_get", CallConvs = [typeof(CallConvCdecl)])]
    public static int Get(nint store, byte* kind, nuint kindLength, byte* id, nuint idLength, ulong at, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : ReadCalls.Get(store, kind, kindLength, id, idLength, at, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_list", CallConvs = [typeof(CallConvCdecl)])]
    public static int List(nint store, byte* kind, nuint kindLength, byte* after, nuint afterLength, uint limit, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : ReadCalls.List(store, kind, kindLength, after, afterLength, limit, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_log", CallConvs = [typeof(CallConvCdecl)])]
    public static int Log(nint store, ulong from, uint limit, byte* objectId, nuint objectIdLength, byte* type, nuint typeLength, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : ReadCalls.Log(store, from, limit, objectId, objectIdLength, type, typeLength, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_explain", CallConvs = [typeof(CallConvCdecl)])]
    public static int Explain(nint store, byte* id, nuint idLength, ulong at, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : ReadCalls.Explain(store, id, idLength, at, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_get_status", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetStatus(nint store, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : ReadCalls.GetStatus(store, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_checkpoint", CallConvs = [typeof(CallConvCdecl)])]
    public static int Checkpoint(nint store, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : ReadCalls.Checkpoint(store, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_prove_event", CallConvs = [typeof(CallConvCdecl)])]
    public static int ProveEvent(nint store, ulong sequence, ulong size, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : ReadCalls.ProveEvent(store, sequence, size, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_prove_consistency", CallConvs = [typeof(CallConvCdecl)])]
    public static int ProveConsistency(nint store, ulong earlier, ulong later, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : ReadCalls.ProveConsistency(store, earlier, later, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_verify", CallConvs = [typeof(CallConvCdecl)])]
    public static int Verify(byte* path, nuint pathLength, int level, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : CheckCalls.Verify(path, pathLength, level, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_repair_plan", CallConvs = [typeof(CallConvCdecl)])]
    public static int RepairPlan(byte* path, nuint pathLength, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : CheckCalls.RepairPlan(path, pathLength, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_repair_apply", CallConvs = [typeof(CallConvCdecl)])]
    public static int RepairApply(byte* path, nuint pathLength, byte* planHash, nuint planHashLength, byte* actor, nuint actorLength, int acceptsLoss, NativeBuffer* answer) =>
        IsChild ? Refuse(answer) : CheckCalls.RepairApply(path, pathLength, planHash, planHashLength, actor, actorLength, acceptsLoss, answer);

    [UnmanagedCallersOnly(EntryPoint = "ss_boot_check", CallConvs = [typeof(CallConvCdecl)])]
    public static int BootCheck(byte* path, nuint pathLength, uint budgetMs, byte* rootKey, nuint rootKeyLength, byte* minRoot, nuint minRootLength, int* verdict, NativeBuffer* answer) =>
        IsChild ? RefuseBoot(verdict, answer) : CheckCalls.BootCheck(path, pathLength, budgetMs, rootKey, rootKeyLength, minRoot, minRootLength, verdict, answer);

    private static int Refuse(NativeBuffer* answer)
    {
        if (answer is not null)
        {
            *answer = default;
        }

        return (int)NativeStatus.Forked;
    }

    private static int RefuseHandle(nint* handle)
    {
        if (handle is not null)
        {
            *handle = 0;
        }

        return (int)NativeStatus.Forked;
    }

    private static int RefuseBoot(int* verdict, NativeBuffer* answer)
    {
        if (verdict is not null)
        {
            *verdict = ReviewRequired;
        }

        return Refuse(answer);
    }

    [LibraryImport("libc", EntryPoint = "getpid")]
    [SuppressGCTransition]
    private static partial int ProcessId();
}
