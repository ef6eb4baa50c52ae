// Why this file exists: a migration looks at every object of the store while others write. Invariants: memory is bounded by one page; no snapshot lives longer than one page; an object is seen at most once, in the order of identifiers.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>Whether a record is wanted.</summary>
internal delegate bool ObjectFilter(RecordView record, ReadSnapshot snapshot);

/// <summary>Reads objects page by page.</summary>
internal static class ObjectPages
{
    private const int MaxLooked = 8192;
    private const long MaxBytes = 2 << 20;

    /// <summary>Pages of wanted objects, each with copies.</summary>
    public static IEnumerable<List<StoredRecord>> Read(StateStore store, ObjectFilter isWanted, int maxObjects, CancellationToken cancellationToken)
    {
        string? after = null;
        bool ended = false;
        while (!ended)
        {
            cancellationToken.ThrowIfCancellationRequested();
            List<StoredRecord> page = [];
            ended = ReadPage(store, isWanted, maxObjects, ref after, page);
            if (page.Count > 0)
            {
                yield return page;
            }
        }
    }

    private static bool ReadPage(StateStore store, ObjectFilter isWanted, int maxObjects, ref string? after, List<StoredRecord> page)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        int looked = 0;
        long bytes = 0;
        foreach (RecordView record in snapshot.Range(RecordKind.Object, after))
        {
            after = Encoding.UTF8.GetString(record.Id);
            if (isWanted(record, snapshot))
            {
                page.Add(record.ToStored());
                bytes += record.BodyBytes.Length;
            }

            if (page.Count >= maxObjects || bytes >= MaxBytes || ++looked >= MaxLooked)
            {
                return false;
            }
        }

        return true;
    }
}
