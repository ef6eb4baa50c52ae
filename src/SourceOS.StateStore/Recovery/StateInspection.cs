// Why this file exists: what the state says, found out without liblmdb, before anything trusts it. Invariants: reads only; a state that needs
// proof and does not pass it counts as none, with the reason kept for the report.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.State;

namespace SourceOS.StateStore.Recovery;

/// <summary>A state as recovery sees it.</summary>
/// <param name="Header">Its header; null when there is no usable state.</param>
/// <param name="LastFrame">Where its last frame stands; null when it folds none.</param>
/// <param name="Reason">Why there is none; empty when there is one.</param>
/// <param name="IsProven">Whether every page and entry was proven.</param>
/// <param name="FirstFrameInPage">Log address of the first frame in the page of its position; the position when there is none.</param>
internal sealed record StateInspection(StateHeader? Header, FrameEntry? LastFrame, string Reason, bool IsProven, long FirstFrameInPage)
{
    /// <summary>When this is no state but a checkpoint that stands in for one: its sequence; then the reason says why the state is not usable.</summary>
    internal ulong? Checkpoint { get; init; }

    /// <summary>The header of a state or checkpoint that is not usable, where its own check holds all the same: it was written when the log was durable up to its position, and says that and no more.</summary>
    internal StateHeader? Told { get; init; }

    /// <summary>Inspects the state of a generation.</summary>
    internal static StateInspection Run(StoreLayout layout, Superblock superblock, bool needsProof, long proveUpToBytes)
    {
        string path = layout.StateDataPath(superblock.StateGeneration);
        StateInspection found = Inspect(path, superblock, needsProof, proveUpToBytes);
        return found.Header is null && File.Exists(path) ? found with { Told = Tell(path, superblock) } : found;
    }

    private static StateInspection Inspect(string path, Superblock superblock, bool needsProof, long proveUpToBytes)
    {
        if (!File.Exists(path))
        {
            return None("the state is missing");
        }

        try
        {
            using MappedFile map = MappedFile.Open(path);
            if (!StateRoots.TryLoad(map, null, null, out StateRoots? roots, out LmdbFault fault))
            {
                return None($"the state cannot be read: {fault}");
            }

            fault = StateEnvironment.CheckBeforeOpening(map, roots!, new CheckedPages(roots!.Meta.LastPage + 1));
            if (fault.IsFault)
            {
                return None($"the state cannot be opened safely: {fault}");
            }

            bool proves = needsProof || (long)(roots.Meta.LastPage + 1) * roots.Meta.PageSizeBytes <= proveUpToBytes;
            if (proves)
            {
                string? flaw = StateProver.FindFlaw(map, roots.Meta);
                if (flaw is not null)
                {
                    return None($"the state does not prove: {flaw}");
                }
            }

            return Read(new StateView(roots), superblock, proves);
        }
        catch (StateStoreException exception) when (exception.Code is StateStoreErrorCode.StateDamaged or StateStoreErrorCode.InputOutput)
        {
            return None(exception.Message);
        }
    }

    private static StateHeader? Tell(string path, Superblock superblock)
    {
        try
        {
            using MappedFile map = MappedFile.Open(path);
            if (map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault)
            {
                return null;
            }

            LmdbReader<MappedPages> reader = new(map.Snapshot(in meta), meta.LastPage);
            LmdbDatabaseRecord main = meta.Main;
            if (reader.TryGetDatabase(in main, Tables.Name(StateTable.Meta), out LmdbDatabaseRecord table, out _) != LmdbReadStatus.Found
                || reader.TryGet(in table, Tables.HeaderKey, out ReadOnlySpan<byte> value, out _) != LmdbReadStatus.Found)
            {
                return null;
            }

            StateHeader header = new();
            return header.TryDecode(value, out _) && header.StoreId == superblock.StoreId && header.Generation == superblock.StateGeneration ? header : null;
        }
        catch (StateStoreException exception) when (exception.Code is StateStoreErrorCode.StateDamaged or StateStoreErrorCode.InputOutput)
        {
            // What cannot be read tells nothing; why it cannot is in the reason already.
            return null;
        }
    }

    private static StateInspection Read(StateView view, Superblock superblock, bool isProven)
    {
        StateHeader header = new();
        view.ReadHeader(header);
        view.ReadDigest(new StateDigest());
        if (header.StoreId != superblock.StoreId || header.Generation != superblock.StateGeneration)
        {
            return None("the state belongs to another store or generation");
        }

        // The digest is of the tables and not of the header, so a header of an older snapshot before newer tables passes it; folded again onto what they hold already, frames would be counted wrong.
        _ = view.TryFindFrame(ulong.MaxValue, out _, out FrameEntry newest);
        if (header.FrameCount == superblock.BaseFrame ? newest != default : newest.FrameNumber + 1 != header.FrameCount)
        {
            return None("the state's tables and its header are of different snapshots");
        }

        if (header.FrameCount == superblock.BaseFrame)
        {
            return new StateInspection(header, null, "", isProven, header.LogPosition);
        }

        if (!view.TryFindFrame(header.LastSequence, out _, out FrameEntry last))
        {
            return None("the state does not know its own last frame");
        }

        return new StateInspection(header, last, "", isProven, FirstInPage(view, header, last, superblock.PageBits));
    }

    private static long FirstInPage(StateView view, StateHeader header, FrameEntry last, int pageBits)
    {
        long pageStart = (header.LogPosition - 1) >> pageBits << pageBits;
        long first = last.Address;
        ulong sequence = header.LastSequence;
        while (view.TryFindFrame(sequence, out ulong firstSequence, out FrameEntry entry) && entry.Address >= pageStart)
        {
            first = entry.Address;
            if (firstSequence <= 1)
            {
                break;
            }

            sequence = firstSequence - 1;
        }

        return first;
    }

    /// <summary>No state, for a reason.</summary>
    internal static StateInspection None(string reason) => new(null, null, reason, false, 0);
}
