// Why this file exists: what explanations of many objects have in common, read once: who is in conflict, what was decided, which policy holds. Invariants: as of N means as of N for every record; of each kind a bounded number of
// records is looked at, and whether there were more is said.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;

namespace SourceOS.StateStore.Governance.Explain;

/// <summary>What does not depend on the object that is asked about.</summary>
/// <param name="Conflicts">Conflicts by their object.</param>
/// <param name="ConflictsTruncated">Whether there were more conflicts than were looked at.</param>
/// <param name="Decisions">Decisions by their object.</param>
/// <param name="Policy">The policy in force then.</param>
/// <param name="PolicySequence">The sequence of its record; 0 for the shipped one.</param>
/// <param name="Plans">Plans.</param>
internal sealed record ExplainWorld(ILookup<string, StoredRecord> Conflicts, bool ConflictsTruncated, ILookup<string, StoredRecord> Decisions, PolicyRules Policy, ulong PolicySequence, IReadOnlyList<StoredRecord> Plans)
{
    /// <summary>Most records of each kind looked at.</summary>
    internal const int MaxRead = 1000;

    /// <summary>Reads it as of a sequence.</summary>
    internal static ExplainWorld Read(ReadSnapshot snapshot, ulong asOf)
    {
        ILookup<string, StoredRecord> conflicts = ByObject(ReadKind(snapshot, RecordKind.Conflict, asOf, out bool truncated));
        (PolicyRules rules, StoredRecord? policy) = PolicySource.Of(snapshot, asOf);
        return new ExplainWorld(conflicts, truncated, ByObject(ReadKind(snapshot, RecordKind.Decision, asOf, out _)), rules, policy?.Sequence ?? 0, ReadKind(snapshot, RecordKind.Plan, asOf, out _));
    }

    /// <summary>Live records of a kind as they were then.</summary>
    internal static List<StoredRecord> ReadKind(ReadSnapshot snapshot, RecordKind kind, ulong asOf, out bool truncated)
    {
        truncated = false;
        List<StoredRecord> found = [];
        int read = 0;
        foreach (RecordView view in snapshot.Range(kind, includeTombstones: true))
        {
            if (++read > MaxRead)
            {
                truncated = true;
                break;
            }

            StoredRecord? then = view.Sequence <= asOf ? view.ToStored() : snapshot.GetAsOf(kind, System.Text.Encoding.UTF8.GetString(view.Id), asOf);
            if (then is { IsTombstone: false })
            {
                found.Add(then);
            }
        }

        return found;
    }

    private static ILookup<string, StoredRecord> ByObject(List<StoredRecord> records) => records.ToLookup(static record => record.Text("object_id") ?? "", StringComparer.Ordinal);
}
