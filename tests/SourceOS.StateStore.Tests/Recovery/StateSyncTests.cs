// Why this file exists: after a sync that failed, the kernel may call pages clean that no disk has. The next sync then succeeds and says nothing about them. Invariants: a
// state whose sync failed at close is made anew by the next writer, and never vouched for as it is.

using System.Runtime.InteropServices;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests;

public sealed partial class StateSyncTests
{
    [Fact]
    public async Task A_state_whose_sync_failed_at_close_is_made_anew()
    {
        using TestDirectory directory = new();
        StateStore store = StateStore.Create(directory.StorePath, LiveStore.Options(proveUpToBytes: 0));
        await LiveStore.CommitAsync(store, 0, 5);
        MakeSyncsFail(Path.Combine(directory.StorePath, "state", "g1", "data.mdb"));
        await store.DisposeAsync();
        Assert.Contains("\"stateUnsynced\":true", File.ReadAllText(Path.Combine(directory.StorePath, "LOCK")), StringComparison.Ordinal);

        // An open that goes wrong on the way must not take the warning with it.
        StateStoreOptions refusing = LiveStore.Options(proveUpToBytes: 0);
        refusing.RebuildStateAtOpen = false;
        Assert.Equal(StateStoreErrorCode.StateDamaged, Assert.Throws<StateStoreException>(() => StateStore.Open(directory.StorePath, refusing).Dispose()).Code);
        using (StateStore again = StateStore.Open(directory.StorePath, LiveStore.Options(proveUpToBytes: 0)))
        {
            Assert.Equal(RecoveryCase.Crash, again.Recovery!.Case);
            Assert.True(again.Recovery.StateRebuilt);
            Assert.Contains("sync failed", again.Recovery.StateReason, StringComparison.Ordinal);
            LiveStore.AssertHolds(again, 5);
        }

        using StateStore last = StateStore.Open(directory.StorePath, LiveStore.Options(proveUpToBytes: 0));
        Assert.Equal(RecoveryCase.Clean, last.Recovery!.Case);
        Assert.False(last.Recovery.StateRebuilt);
        LiveStore.AssertHolds(last, 5);
    }

    // liblmdb's own calls do not go through the seam, so its descriptors are made to lead to a device that cannot be synced.
    private static void MakeSyncsFail(string path)
    {
        int other = open("/dev/full", 2);
        Assert.True(other >= 0);
        int replaced = 0;
        foreach (string link in Directory.EnumerateFiles("/proc/self/fd"))
        {
            if (TargetOf(link) == path)
            {
                Assert.True(dup2(other, int.Parse(Path.GetFileName(link), System.Globalization.CultureInfo.InvariantCulture)) >= 0);
                replaced++;
            }
        }

        Assert.Equal(0, close(other));
        Assert.True(replaced >= 1);
    }

    // Other tests open and close files meanwhile, so a descriptor may be gone by the time it is looked at.
    private static string? TargetOf(string link)
    {
        try
        {
            return File.ResolveLinkTarget(link, false)?.FullName;
        }
        catch (IOException)
        {
            return null;
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc")]
    private static partial int close(int fd);
}
