// Why this file exists: the one file beside the device that names FASTER. It holds a FasterLog in the only configuration that the store uses.
// Invariants: FASTER recovers nothing by itself, commits no metadata, syncs nothing, makes no file; entries are encoded straight into its page
// without boxing; an entry's exception never unwinds through FASTER, whose epoch would stay taken.

using FASTER.core;

namespace SourceOS.StateStore.Storage.Events;

internal sealed class FasterEngine : IDisposable
{
    private const long RecoveredCommitNumber = 1;

    private readonly FasterLog _log;
    private readonly SilentCommitManager _commits = new();
    private Exception? _entryFault;

    public FasterEngine(FasterDevice device, int logPageBits, int memoryPages, int segmentBits)
    {
        _log = new FasterLog(new FasterLogSettings
        {
            LogDevice = device,
            LogCommitManager = _commits,
            LogChecksum = LogChecksumType.None,
            PageSize = 1L << logPageBits,
            MemorySize = (1L << logPageBits) * memoryPages,
            SegmentSize = 1L << segmentBits,
            MutableFraction = 0,
            TryRecoverLatest = false,
            FastCommitMode = false,
            AutoCommit = false,
            AutoRefreshSafeTailAddress = false,
            RemoveOutdatedCommits = false,
        });
    }

    /// <summary>Where the next entry begins, unless a page end is in the way.</summary>
    public long TailAddress => _log.TailAddress;

    /// <summary>Everything below was handed to the device, which took it.</summary>
    public long FlushedUntilAddress => _log.FlushedUntilAddress;

    /// <summary>Lets FASTER continue a log that ends at a tail. It loads the tail's page through the device.</summary>
    public void Recover(long tail)
    {
        _commits.Metadata = new FasterLogRecoveryInfo
        {
            // FASTER never reads below the tail's page, so the log's true beginning is no business of its own.
            BeginAddress = LogLayout.FirstAddress,
            UntilAddress = tail,
            CommitNum = RecoveredCommitNumber,
        }.ToByteArray();
        _log.Recover(RecoveredCommitNumber);
        _commits.Metadata = null;
    }

    /// <summary>Appends one entry to FASTER's page.</summary>
    /// <returns>False when a page must be flushed first.</returns>
    public bool TryEnqueue<TEntry>(in TEntry entry, int lengthBytes, out long address, out Exception? entryFault)
        where TEntry : IEventLogEntry
    {
        bool enqueued = _log.TryEnqueue(new EntryAdapter<TEntry>(entry, lengthBytes, this), out address);
        entryFault = _entryFault;
        return enqueued;
    }

    /// <summary>Has every page up to the tail written by the device, on this thread.</summary>
    public void Commit() => _log.Commit();

    public void Dispose() => _log.Dispose();

    private readonly struct EntryAdapter<TEntry>(TEntry entry, int lengthBytes, FasterEngine owner) : ILogEnqueueEntry
        where TEntry : IEventLogEntry
    {
        public int SerializedLength => lengthBytes;

        public void SerializeTo(Span<byte> dest)
        {
            try
            {
                entry.Write(dest);
            }
            catch (Exception exception)
            {
                owner._entryFault = exception;
            }
        }
    }

    private sealed class SilentCommitManager : ILogCommitManager
    {
        /// <summary>What FASTER is told when it asks for its last commit; null otherwise.</summary>
        public byte[]? Metadata { get; set; }

        /// <summary>Nothing: durability is decided by the store's own sync. An exception here would be swallowed by FASTER.</summary>
        public void Commit(long beginAddress, long untilAddress, byte[] commitMetadata, long commitNum, bool forceWriteMetadata)
        {
        }

        public byte[] GetCommitMetadata(long commitNum) => Metadata!;

        public IEnumerable<long> ListCommits() => Metadata is null ? [] : [RecoveredCommitNumber];

        public void RemoveCommit(long commitNum)
        {
        }

        public void RemoveAllCommits()
        {
        }

        public void OnRecovery(long commitNum)
        {
        }

        public void Dispose()
        {
        }
    }
}
