// Why this file exists: hot paths promise that they allocate nothing, and tests hold them to it.

using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Format.Tests;

internal static class Allocations
{
    /// <summary>Fails when the action allocates on its thread once it is warm.</summary>
    internal static void AssertNone(Action action)
    {
        // The first calls may build static tables and compile; tiered compilation may box in early tiers.
        for (int i = 0; i < 50; i++)
        {
            action();
        }

        Assert.Equal(0, AllocationMeter.LeastBytes(() =>
        {
            for (int i = 0; i < 10; i++)
            {
                action();
            }
        }));
    }
}
