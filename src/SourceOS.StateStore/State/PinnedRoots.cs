// Why this file exists: a pin names a transaction, and the roots must be exactly that transaction's. Invariants: a meta that may be in the middle of being
// replaced is not believed; the pin is taken again, a bounded number of times; what fails gives its pin back.

using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.State;

/// <summary>Pins with roots.</summary>
internal static class PinnedRoots
{
    private const int Attempts = 100;

    /// <summary>Pins the newest snapshot and reads its roots.</summary>
    internal static LmdbReadPin Take(LmdbEnvironment environment, MappedFile map, CheckedPages? checkedPages, out StateRoots roots)
    {
        for (int attempt = 1; ; attempt++)
        {
            LmdbReadPin pin = environment.Pin();
            try
            {
                if (StateRoots.TryLoad(map, pin.TransactionId, checkedPages, out StateRoots? loaded, out LmdbFault fault))
                {
                    roots = loaded!;
                    return pin;
                }

                if (attempt == Attempts)
                {
                    StateFaults.ThrowRoots(map.FilePath, fault);
                }
            }
            catch
            {
                pin.Dispose();
                throw;
            }

            pin.Dispose();
            Thread.Yield();
        }
    }
}
