// Why this file exists: after a failed sync the page cache may show bytes that no disk has, and drop them between recovery's reading and its writing;
// the model in format-spec/model found that a slot could then vouch for a frame that is nowhere. Invariants: such an open fails and says to try
// again, nothing acknowledged is missing, and no later open calls the log damaged.

using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Tests;

public sealed class DroppedPageTests : IDisposable
{
    private readonly TestDirectory _directory = new();

    private string Live => Path.Combine(_directory.Root, "live");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_page_that_vanishes_while_the_log_is_recovered_is_never_vouched_for()
    {
        long end;
        await using (StateStore store = StateStore.Create(_directory.StorePath, LiveStore.Options()))
        {
            await LiveStore.CommitAsync(store, 0, 3);
            StoreCopy.CopyLive(_directory.StorePath, Live);
            await LiveStore.CommitAsync(store, 3, 3);
            end = LiveStore.End(_directory.StorePath);
            await LiveStore.CommitAsync(store, 6, 1, titleLength: 20_000);
            File.WriteAllBytes(LiveStore.Segment(Live, 0), StoreCopy.ReadUnlocked(LiveStore.Segment(_directory.StorePath, 0)));
        }

        // The seventh commit is in the log, over more blocks than a slot copies, but neither a slot nor a frame nor the state says that it is durable.
        StateStoreOptions options = LiveStore.Options();
        options.Files = new DroppingOps(LinuxFileOps.Instance, () => LiveStore.Write(Live, end, new byte[LiveStore.End(Live) - end]));
        StateStoreException refusal = Assert.Throws<StateStoreException>(() => StateStore.Open(Live, options).Dispose());
        Assert.Equal(StateStoreErrorCode.InputOutput, refusal.Code);
        Assert.True(refusal.IsRetryable);

        using StateStore again = StateStore.Open(Live, LiveStore.Options());
        LiveStore.AssertHolds(again, 6);
    }

    // The scan reads through descriptors for reading, the writing again through those for writing: its first read finds the page gone.
    private sealed class DroppingOps(FileOps inner, Action drop) : FileOpsDecorator(inner)
    {
        private readonly HashSet<int> _writable = [];
        private bool _dropped;

        public override int Open(string path, OpenOptions flags, int mode)
        {
            int fd = base.Open(path, flags, mode);
            if (fd >= 0 && flags.HasFlag(OpenOptions.ReadWrite) && path.EndsWith(".log", StringComparison.Ordinal))
            {
                _writable.Add(fd);
            }

            return fd;
        }

        public override nint PRead(int fd, Span<byte> buffer, long offset)
        {
            if (!_dropped && _writable.Contains(fd) && offset >= LiveStore.DataOffset)
            {
                _dropped = true;
                drop();
            }

            return base.PRead(fd, buffer, offset);
        }
    }
}
