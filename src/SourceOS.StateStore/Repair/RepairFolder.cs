// Why this file exists: a fence keeps what it sets aside in one folder of the quarantine, and that folder also says how far the fence got. Invariants: the note is on the
// medium before anything of the store is moved; names here are the only ones that a fence uses.

using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>The folder of one fence.</summary>
internal sealed class RepairFolder(FileOps ops, StoreLayout layout, string id)
{
    internal const string Prefix = "fence-";
    internal const string BaseName = "base";
    private const string NoteName = "note.json";

    /// <summary>Its name in the quarantine, which is also its id.</summary>
    internal string Id { get; } = id;

    internal string Path { get; } = System.IO.Path.Combine(layout.QuarantinePath, id);

    /// <summary>Where the store behind the fence is made.</summary>
    internal string New => System.IO.Path.Combine(Path, "new");

    /// <summary>Where records are gathered when no state holds all of them; removed when the store behind the fence is made.</summary>
    internal string Salvage => System.IO.Path.Combine(Path, "salvage");

    /// <summary>Where the store before the fence is kept.</summary>
    internal string Old => System.IO.Path.Combine(Path, "old");

    /// <summary>Where the store behind the fence goes when the fence is undone.</summary>
    internal string Undone => System.IO.Path.Combine(Path, "undone");

    /// <summary>A copy of the superblock behind the fence: nothing else repeats a base.</summary>
    internal string BasePath => System.IO.Path.Combine(Path, BaseName);

    internal string NotePath => System.IO.Path.Combine(Path, NoteName);

    /// <summary>The fences of a store, in order of their names.</summary>
    internal static List<RepairFolder> All(FileOps ops, StoreLayout layout)
    {
        if (!ops.Exists(layout.QuarantinePath))
        {
            return [];
        }

        return [.. StoreDirectory.List(ops, layout.QuarantinePath)
            .Where(static entry => entry.Kind == FileKind.Directory && entry.Name.StartsWith(Prefix, StringComparison.Ordinal))
            .Select(entry => new RepairFolder(ops, layout, entry.Name))];
    }

    /// <summary>The swap that was begun and not finished; null when there is none.</summary>
    internal static StoreSwap? FindUnfinished(FileOps ops, StoreLayout layout, out string id)
    {
        foreach (RepairFolder folder in All(ops, layout))
        {
            foreach (StoreSwap swap in (StoreSwap[])[folder.Forward, folder.Backward])
            {
                if (swap.IsUnfinished)
                {
                    id = folder.Id;
                    return swap;
                }
            }
        }

        id = "";
        return null;
    }

    /// <summary>The swap that sets the fence.</summary>
    internal StoreSwap Forward => new(ops, layout, Old, New);

    /// <summary>The swap that undoes it.</summary>
    internal StoreSwap Backward => new(ops, layout, Undone, Old);

    /// <summary>Makes the folder and what is above it, empty of unfinished work.</summary>
    internal void Prepare()
    {
        _ = StoreDirectory.CreateIfMissing(ops, layout.QuarantinePath);
        _ = StoreDirectory.CreateIfMissing(ops, Path);
        StoreTree.Remove(ops, New);
        StoreDirectory.Create(ops, New);
        StoreDirectory.Sync(ops, layout.QuarantinePath);
        StoreDirectory.Sync(ops, layout.StorePath);
    }

    /// <summary>Puts the note in place.</summary>
    internal void WriteNote(ReadOnlySpan<byte> json)
    {
        StoreTree.WriteWhole(ops, NotePath, json);
        StoreDirectory.Sync(ops, layout.QuarantinePath);
    }
}
