// Why this file exists: the one file beside the device that names FASTER. It holds a FasterLog in the only configuration that the store uses.
// Invariants: FASTER recovers nothing by itself, syncs nothing, makes no file, and is never asked to commit: a commit of FASTER hands work to the thread
// pool, which falls behind a fast writer without bound. Entries are encoded straight into FASTER's page without boxing; an entry's exception never
// unwinds through FASTER, whose epoch would stay taken.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FASTER.core;

namespace SourceOS.StateStore.Storage.Events;

internal sealed class FasterEngine : IDisposable
{
    private const long RecoveredCommitNumber = 1;

    private readonly FasterLog _log;
    private readonly SilentCommitManager _commits = new();
    private Exception? _entryFault;
    private nint _entryMemory;

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

    /// <summary>Appends one entry to FASTER's page. A page that is full is written by the device before this returns.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="lengthBytes">Its length.</param>
    /// <param name="address">Where its length prefix stands.</param>
    /// <param name="memory">Where that is in memory.</param>
    /// <param name="entryFault">What the entry threw; its bytes are then worthless.</param>
    /// <returns>False when there is no free page.</returns>
    public bool TryEnqueue<TEntry>(in TEntry entry, int lengthBytes, out long address, out nint memory, out Exception? entryFault)
        where TEntry : IEventLogEntry
    {
        bool enqueued = _log.TryEnqueue(new EntryAdapter<TEntry>(entry, lengthBytes, this), out address);
        entryFault = _entryFault;
        memory = _entryMemory - LogLayout.LengthPrefixBytes;
        return enqueued;
    }

    public void Dispose() => _log.Dispose();

    private readonly struct EntryAdapter<TEntry>(TEntry entry, int lengthBytes, FasterEngine owner) : ILogEnqueueEntry
        where TEntry : IEventLogEntry
    {
        public int SerializedLength => lengthBytes;

        public unsafe void SerializeTo(Span<byte> dest)
        {
            // FASTER's pages are pinned.
            owner._entryMemory = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(dest));
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

        /// <summary>Nothing, and nobody asks for it: durability is decided by the store's own sync. An exception here would be swallowed by FASTER.</summary>
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
