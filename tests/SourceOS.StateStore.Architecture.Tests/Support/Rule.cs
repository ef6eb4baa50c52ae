// Why this file exists: a broken rule is mended by whoever broke it, so its test names every place and not only the first few.

namespace SourceOS.StateStore.Architecture.Tests.Support;

/// <summary>Judges a rule by the faults that were found.</summary>
internal static class Rule
{
    /// <summary>Fails with every fault, one a line.</summary>
    internal static void Holds<T>(IEnumerable<T> faults)
    {
        List<T> all = [.. faults];
        if (all.Count > 0)
        {
            Assert.Fail($"{all.Count} found:\n{string.Join('\n', all)}");
        }
    }
}
