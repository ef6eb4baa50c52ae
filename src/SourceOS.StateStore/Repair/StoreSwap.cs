// Why this file exists: puts one whole store in the place of another by renames alone. Invariants: the superblock leaves first and arrives last, so between the two there is
// no store that anybody could open; each step is a rename and a sync, and is skipped when it was done; nothing is removed that is not kept elsewhere.

using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Moves a store's parts out to one folder and in from another.</summary>
internal sealed class StoreSwap(FileOps ops, StoreLayout layout, string outPath, string inPath)
{
    private static readonly string[] s_parts = [StoreLayout.EventsName, StoreLayout.StateName];

    /// <summary>Whether it was begun and must be finished: the superblock that leaves has left, the one that comes has not come.</summary>
    internal bool IsUnfinished => ops.Exists(Out(StoreLayout.SuperblockName)) && ops.Exists(In(StoreLayout.SuperblockName)) && !ops.Exists(layout.SuperblockPath);

    /// <summary>Does what is left to do.</summary>
    internal void Run()
    {
        _ = StoreDirectory.CreateIfMissing(ops, outPath);
        StoreDirectory.Sync(ops, Path.GetDirectoryName(outPath)!);
        if (!ops.Exists(Out(StoreLayout.SuperblockName)))
        {
            Move(layout.SuperblockPath, Out(StoreLayout.SuperblockName));
        }

        foreach (string part in s_parts)
        {
            string here = Path.Combine(layout.StorePath, part);
            if (ops.Exists(In(part)) && !ops.Exists(Out(part)))
            {
                MoveOut(here, Out(part));
            }

            if (ops.Exists(In(part)))
            {
                Move(In(part), here);
            }
        }

        Move(In(StoreLayout.SuperblockName), layout.SuperblockPath);
        StoreTree.Remove(ops, inPath);
        StoreDirectory.Sync(ops, Path.GetDirectoryName(inPath)!);
    }

    private string Out(string part) => Path.Combine(outPath, part);

    private string In(string part) => Path.Combine(inPath, part);

    // What is missing is kept as missing: an empty folder, so that moving back finds both parts.
    private void MoveOut(string from, string to)
    {
        if (ops.Exists(from))
        {
            Move(from, to);
            return;
        }

        StoreDirectory.Create(ops, to);
        StoreDirectory.Sync(ops, outPath);
    }

    private void Move(string from, string to)
    {
        StoreDirectory.Rename(ops, from, to);
        StoreDirectory.Sync(ops, Path.GetDirectoryName(from)!);
        StoreDirectory.Sync(ops, Path.GetDirectoryName(to)!);
    }
}
