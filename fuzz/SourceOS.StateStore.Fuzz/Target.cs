// Why this file exists: what a fuzz target is. Invariants: a target answers any bytes without throwing; what it throws, or what kills or stops the process, is a defect; the number it answers stands for
// the way that the bytes took, so that bytes with a new answer are worth changing further.

namespace SourceOS.StateStore.Fuzz;

/// <summary>Something that takes bytes from strangers.</summary>
/// <param name="Name">Its name, which is also the folder of its corpus.</param>
/// <param name="Seeds">What it starts from, beside the kept corpus.</param>
/// <param name="Run">Takes the bytes and answers a number for the way they took.</param>
/// <param name="Mend">Makes the checksums of changed bytes hold again, so that what lies behind them is reached; null when there are none.</param>
internal sealed record Target(string Name, Func<IEnumerable<byte[]>> Seeds, Func<byte[], ulong> Run, Action<byte[]>? Mend = null)
{
    /// <summary>Whether it is built to fail, to show that failures are found.</summary>
    internal bool IsCanary { get; init; }
}

/// <summary>A property that did not hold.</summary>
internal sealed class PropertyException(string message) : Exception(message);

/// <summary>What targets share.</summary>
internal static class Hold
{
    internal static void That(bool condition, string property)
    {
        if (!condition)
        {
            throw new PropertyException(property);
        }
    }

    /// <summary>One number from the parts of an answer.</summary>
    internal static ulong Way(params ReadOnlySpan<long> parts)
    {
        ulong way = 14695981039346656037;
        foreach (long part in parts)
        {
            way = (way ^ (ulong)part) * 1099511628211;
        }

        return way;
    }

    /// <summary>The number of a fault: what it is, and roughly where.</summary>
    internal static ulong Way(Format.FormatFault fault) => Way((long)fault.Code, Math.Min(fault.OffsetBytes, 2048) / 4);
}
