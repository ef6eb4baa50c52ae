// Why this file exists: a commit costs no memory, neither at once nor over time. Invariants: nothing else runs beside these tests, because what
// they count is counted for the whole process.

using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Events;

[CollectionDefinition("memory", DisableParallelization = true)]
public sealed class MemoryCollection;

[Collection("memory")]
public sealed class LogMemoryTests : IDisposable
{
    private readonly LogFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    private readonly struct FixedEntry : IEventLogEntry
    {
        public int LengthBytes => 600;

        public void Write(Span<byte> destination) => destination.Fill(7);
    }

    [Fact]
    public void A_hundred_thousand_commits_do_not_grow_memory_threads_or_files()
    {
        using SegmentFiles files = SegmentFiles.OpenForWriting(LinuxFileOps.Instance, _fixture.Directory, 26, LogFixture.FillHeader);
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        log.Reserve(1 << 26);
        Commit(log, 2_000);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        long work = ThreadPool.CompletedWorkItemCount + ThreadPool.PendingWorkItemCount;
        Commit(log, 100_000);
        Assert.InRange(ThreadPool.CompletedWorkItemCount + ThreadPool.PendingWorkItemCount - work, 0, 1000);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 1_000_000);
        Assert.InRange(Directory.GetFiles(_fixture.Directory).Length, 1, 2);
    }

    [Fact]
    public void A_commit_allocates_nothing()
    {
        using SegmentFiles files = SegmentFiles.OpenForWriting(LinuxFileOps.Instance, _fixture.Directory, 20, LogFixture.FillHeader);
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        log.Reserve(1 << 20);
        Commit(log, 20);
        byte[] slot = new byte[SegmentLayout.SlotBytes];
        Commit(files, log, slot, 5);
        Assert.Equal(0, AllocationMeter.LeastBytes(() => Commit(files, log, slot, 50)));
    }

    private static void Commit(EventLog log, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (!log.TryAppend(default(FixedEntry), out _))
            {
                throw new InvalidOperationException("not reserved");
            }

            log.Flush();
        }
    }

    private static void Commit(SegmentFiles files, EventLog log, byte[] slot, int count)
    {
        for (int i = 0; i < count; i++)
        {
            Commit(log, 1);
            log.TailBlock.CopyTo(slot.AsSpan(4096));
            files.WriteSlot(0, i & 1, slot);
            files.SyncDirty();
        }
    }
}
