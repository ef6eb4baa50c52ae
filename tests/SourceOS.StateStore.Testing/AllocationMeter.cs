// Why this file exists: hot paths promise that they allocate nothing, and one reading of the counter is not proof: a collection that happens meanwhile books the rest of the thread's
// allocation buffer, and the runtime compiles methods anew while they run. Invariants: what really allocates does so in every round, so the least of several
// rounds is what the work itself allocates.

namespace SourceOS.StateStore.Testing;

/// <summary>Measures what a piece of work allocates on its thread.</summary>
public static class AllocationMeter
{
    private const int Rounds = 5;

    /// <summary>The least that several equal rounds of work allocated on this thread, in bytes.</summary>
    /// <param name="work">The work; warm it up before, and make it the same each time.</param>
    public static long LeastBytes(Action work)
    {
        long least = long.MaxValue;
        for (int i = 0; i < Rounds && least > 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
