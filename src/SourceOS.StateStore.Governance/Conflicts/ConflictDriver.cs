// Why this file exists: conflicts are settled per object type, never by one global merge; this is the seam for types. Invariants: a driver is pure: the same versions give the same answer; it merges only what it can prove
// safe, and says why when it cannot.

using System.Collections.Concurrent;

namespace SourceOS.StateStore.Governance.Conflicts;

/// <summary>Two versions of an object and what they came from, as JSON documents.</summary>
/// <param name="Origin">The version that both started from; empty when it is not known.</param>
/// <param name="Ours">The version that the store has.</param>
/// <param name="Theirs">The other version.</param>
public sealed record ConflictVersions(ReadOnlyMemory<byte> Origin, ReadOnlyMemory<byte> Ours, ReadOnlyMemory<byte> Theirs);

/// <summary>What a driver makes of a conflict.</summary>
/// <param name="Merged">The merged document; null when the driver cannot merge these.</param>
/// <param name="IsAutomatic">Whether the merge may happen without a person.</param>
/// <param name="Reason">Why, in a sentence.</param>
/// <param name="Recommended">The option that it recommends: merge, fork or skip.</param>
public sealed record ConflictProposal(byte[]? Merged, bool IsAutomatic, string Reason, string Recommended);

/// <summary>Settles conflicts of one object type. Thread-safe.</summary>
public interface IConflictDriver
{
    /// <summary>The object type.</summary>
    string ObjectType { get; }

    /// <summary>The name of its way, as records spell it.</summary>
    string MergePolicy { get; }

    /// <summary>Looks at a conflict.</summary>
    /// <param name="versions">The versions.</param>
    /// <returns>What it makes of them.</returns>
    ConflictProposal Propose(ConflictVersions versions);
}

/// <summary>The drivers that are known. Thread-safe.</summary>
public static class ConflictDrivers
{
    private static readonly ConcurrentDictionary<string, IConflictDriver> s_drivers = new(
        new IConflictDriver[] { new FileDriver(), new TaskDriver(), new MemoryFactDriver(), new PolicyDocumentDriver() }.ToDictionary(static driver => driver.ObjectType, StringComparer.Ordinal), StringComparer.Ordinal);

    /// <summary>Registers a driver for its type, in place of another.</summary>
    /// <param name="driver">The driver.</param>
    public static void Register(IConflictDriver driver)
    {
        ArgumentNullException.ThrowIfNull(driver);
        s_drivers[driver.ObjectType] = driver;
    }

    /// <summary>The driver of a type; one that leaves everything to people when there is none.</summary>
    /// <param name="objectType">The type.</param>
    /// <returns>The driver.</returns>
    public static IConflictDriver For(string objectType) => s_drivers.GetValueOrDefault(objectType) ?? new ReviewDriver(objectType);

    private sealed class ReviewDriver(string objectType) : IConflictDriver
    {
        public string ObjectType => objectType;

        public string MergePolicy => "human_review_required";

        public ConflictProposal Propose(ConflictVersions versions) => new(null, false, $"No driver knows how to merge objects of type '{objectType}'.", "fork");
    }
}
