// Why this file exists: what every export starts from: one snapshot, what a reader may see of it, the verdict on the store, and one point in time. Invariants: an export shows one sequence; its order is that of
// identifiers or sequences, so the same store gives the same bytes; nothing in it is made up.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>What exports are made of.</summary>
/// <param name="Snapshot">The state.</param>
/// <param name="Scope">What may be seen.</param>
/// <param name="Verification">What a check of the store found, or null when none was made.</param>
/// <param name="StorePath">The store's directory.</param>
/// <param name="Now">The time that the export carries.</param>
public sealed record ExportContext(ReadSnapshot Snapshot, ReadScope Scope, VerificationReport? Verification, string StorePath, DateTimeOffset Now)
{
    /// <summary>The workspace that is asked about; null for the whole store.</summary>
    public string? WorkspaceId { get; init; }

    /// <summary>The stream of lines that is asked for; null for the only one.</summary>
    public string? Stream { get; init; }

    /// <summary>The store at a glance.</summary>
    public StateStoreStatus Status { get; } = Snapshot.GetStatus();

    /// <summary>The diagnosis in the words of the integrity report: healthy, degraded, repairing or unsafe.</summary>
    public string Diagnosis => Verification?.Verdict switch
    {
        VerificationVerdict.Unsafe => "unsafe",
        VerificationVerdict.Damaged => "degraded",
        _ => Status.Health switch
        {
            StoreHealth.Healthy => "healthy",
            StoreHealth.Degraded => "degraded",
            StoreHealth.Repairing => "repairing",
            _ => "unsafe",
        },
    };

    /// <summary>Records of a kind that may be seen, in the order of their identifiers.</summary>
    public IEnumerable<StoredRecord> Records(RecordKind kind)
    {
        // Copied page by page, because a list over the state cannot be handed out of the loop that reads it.
        string? after = null;
        while (true)
        {
            List<StoredRecord> page = Snapshot.Range(kind, after).ToList(512);
            foreach (StoredRecord record in page)
            {
                if (Scope.Allows(record))
                {
                    yield return record;
                }
            }

            if (page.Count < 512)
            {
                yield break;
            }

            after = page[^1].Id;
        }
    }

    /// <summary>Events that may be seen, in order.</summary>
    public IEnumerable<StoredEvent> Events() => Snapshot.ReadEvents(1).Where(Scope.Allows);

    /// <summary>When a record was changed last: a time for a record that states none of its own, the same at every export.</summary>
    public DateTimeOffset ChangedAt(StoredRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return Snapshot.ReadEvent(record.Sequence)?.CommittedAt ?? Status.LastCommitAt ?? Now;
    }

    /// <summary>A time as the formats spell it.</summary>
    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.FFFFFFZ", System.Globalization.CultureInfo.InvariantCulture);
}
