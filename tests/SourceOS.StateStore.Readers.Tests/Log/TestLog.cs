// Why this file exists: tests of readers need logs whose every byte they know, laid out by hand as the specification says and not by the
// engine that reads them later. Invariants: what it writes is a valid log until a test damages it; the same calls give the same bytes.

using System.Buffers.Binary;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Tests.Log;

/// <summary>One frame that a test wrote.</summary>
internal sealed record TestFrame(FrameHeader Header, Hash256 Hash)
{
    public long Address => Header.Address;

    public long End => Header.Address + 4 + Header.EntryLengthBytes;
}

/// <summary>What a test event holds beside its place.</summary>
internal sealed record TestEvent
{
    public Lane Lane { get; init; } = Lane.Normal;

    public EventAction Action { get; init; } = EventAction.None;

    public RecordKind SubjectKind { get; init; }

    public string SubjectId { get; init; } = "";

    public ulong PreviousSequence { get; init; }

    public byte[] Data { get; init; } = [];

    public byte[] Image { get; init; } = [];

    public ImageMarks Marks { get; init; }
}

/// <summary>Writes a store's superblock and log.</summary>
internal sealed class TestLog
{
    private readonly SortedDictionary<int, byte[]> _segments = [];
    private readonly Dictionary<int, int> _slotWrites = [];
    private readonly FrameBuilder _builder;
    private ulong _generation;
    private long _lastSlotTail;
    private uint _indexInCommit;

    public TestLog(string storePath, int pageBits = 16, int segmentBits = 17)
    {
        Layout = new StoreLayout(storePath);
        Geometry = new LogGeometry(pageBits, segmentBits);
        StoreId = new StoreId(Enumerable.Range(1, 16).Select(static i => (byte)(i * 13)).ToArray());
        Superblock = Superblock.CreateNew(StoreId, pageBits, segmentBits, 1_700_000_000_000_000, "test");
        _builder = new FrameBuilder(FormatLimits.MaxFrameLengthBytes(pageBits));
        _lastSlotTail = 64;
        AddSegment(0);
    }

    public StoreLayout Layout { get; }

    public LogGeometry Geometry { get; }

    public StoreId StoreId { get; }

    public Superblock Superblock { get; }

    public List<TestFrame> Frames { get; } = [];

    /// <summary>All events in the order of their sequences.</summary>
    public List<TestEvent> Events { get; } = [];

    public long Tail { get; private set; } = 64;

    public ulong LastSequence { get; private set; }

    public ulong CommitId { get; private set; } = 1;

    public ulong Epoch { get; set; } = 1;

    public ulong DurableFrames { get; set; }

    public Hash256 ChainHead => Frames.Count == 0 ? StoreId.GenesisHash() : Frames[^1].Hash;

    public IReadOnlyDictionary<int, byte[]> Segments => _segments;

    /// <summary>Adds a frame of events that change nothing.</summary>
    public TestFrame AddFrame(int events = 1, int dataBytes = 20, bool isLast = true, bool compress = false) =>
        AddFrame([.. Enumerable.Range(0, events).Select(i => new TestEvent { Data = Json(dataBytes, i) })], isLast, compress);

    /// <summary>Adds a frame.</summary>
    public TestFrame AddFrame(IReadOnlyList<TestEvent> events, bool isLast = true, bool compress = false)
    {
        _builder.Reset();
        byte[] salt = new byte[16];
        for (int i = 0; i < events.Count; i++)
        {
            TestEvent e = events[i];
            ulong sequence = LastSequence + 1 + (ulong)i;
            BinaryPrimitives.WriteUInt64LittleEndian(salt, sequence * 0x9E3779B97F4A7C15);
            BinaryPrimitives.WriteUInt64LittleEndian(salt.AsSpan(8), ~sequence);
            _builder.Add(
                new EventFields
                {
                    Lane = e.Lane,
                    Action = e.Action,
                    SubjectKind = e.SubjectKind,
                    Sequence = sequence,
                    PreviousSequence = e.PreviousSequence,
                    OccurredAtMicros = 1_700_000_000_000_000 + (long)sequence,
                    ImageMarks = e.Marks,
                    Type = "test.event"u8,
                    Actor = "actor-1"u8,
                    Device = "device-1"u8,
                    SubjectId = Encoding.UTF8.GetBytes(e.SubjectId),
                    Data = e.Data,
                    Image = e.Image,
                },
                salt);
        }

        int length = _builder.Seal(compress);
        long pageEnd = Geometry.PageEnd(PageOf(Tail));
        long address = Tail + 4 + length <= pageEnd ? Tail : pageEnd;
        FrameHeader header = new()
        {
            IsLastOfCommit = isLast,
            StoreId = StoreId,
            WriterEpoch = Epoch,
            FrameNumber = (ulong)Frames.Count,
            CommitId = CommitId,
            IndexInCommit = _indexInCommit,
            FirstSequence = LastSequence + 1,
            Address = address,
            CommitTimeMicros = 1_700_000_000_000_000 + (long)CommitId,
            DurableFrames = DurableFrames,
            PreviousHash = ChainHead,
        };
        byte[] entry = new byte[4 + length];
        BinaryPrimitives.WriteInt32LittleEndian(entry, length);
        Hash256 hash = _builder.WriteTo(entry.AsSpan(4), header);
        Write(address, entry);
        FrameView.TryRead(entry.AsSpan(4), out FrameView view, out _);
        TestFrame frame = new(view.Header, hash);
        Frames.Add(frame);
        Events.AddRange(events);
        Tail = address + entry.Length;
        LastSequence += (ulong)events.Count;
        CommitId += isLast ? 1UL : 0;
        _indexInCommit = isLast ? 0 : _indexInCommit + 1;
        return frame;
    }

    /// <summary>Writes the next tail slot, as a sync would leave it.</summary>
    public TailSlot WriteSlot(bool confirm = false, bool clean = false, ulong stateTransaction = 0)
    {
        int segment = (int)TailSlot.SegmentOf(Tail, Geometry.SegmentBits);
        int index = _slotWrites.GetValueOrDefault(segment) % 2;
        _slotWrites[segment] = _slotWrites.GetValueOrDefault(segment) + 1;
        TailSlot slot = new()
        {
            SlotIndex = index,
            IsCleanClose = clean,
            StoreId = StoreId,
            SegmentNumber = segment,
            Generation = ++_generation,
            DurableBefore = confirm ? Tail : _lastSlotTail,
            Tail = Tail,
            FrameCount = (ulong)Frames.Count,
            LastSequence = LastSequence,
            WriterEpoch = Epoch,
            ChainHead = ChainHead,
            WrittenAtMicros = 1_700_000_000_000_000,
            StateTransaction = stateTransaction,
            StateGeneration = stateTransaction == 0 ? 0UL : 1,
        };
        byte[] block = new byte[4096];
        Read(slot.BlockAddress, block.AsSpan(0, slot.BlockLength));
        slot.Encode(_segments[segment].AsSpan(SegmentHeader.SlotFileOffset(index), TailSlot.LengthBytes), block);
        _lastSlotTail = Tail;
        return slot;
    }

    /// <summary>Confirms and closes cleanly: the state in which a store rests.</summary>
    public void Close(ulong stateTransaction = 0)
    {
        WriteSlot();
        WriteSlot(confirm: true);
        WriteSlot(confirm: true, clean: true, stateTransaction);
    }

    /// <summary>Writes all files.</summary>
    public void Save()
    {
        Directory.CreateDirectory(Layout.EventsPath);
        Directory.CreateDirectory(Layout.StatePath);
        Directory.CreateDirectory(Layout.QuarantinePath);
        Directory.CreateDirectory(Layout.ReportsPath);
        byte[] superblock = new byte[Superblock.FileLengthBytes];
        Superblock.EncodeNewFile(superblock);
        File.WriteAllBytes(Layout.SuperblockPath, superblock);
        File.WriteAllText(Layout.LockPath, "{\"pid\":1,\"bootId\":\"test\",\"openedAt\":\"2024-01-01T00:00:00Z\"}\n");
        foreach ((int number, byte[] bytes) in _segments)
        {
            File.WriteAllBytes(Layout.SegmentPath(number), bytes);
        }
    }

    /// <summary>Changes log bytes in memory, without any check.</summary>
    public void Write(long address, ReadOnlySpan<byte> bytes)
    {
        for (int done = 0; done < bytes.Length;)
        {
            long at = address + done;
            int segment = Geometry.SegmentOf(at);
            AddSegment(segment);
            int length = (int)Math.Min(bytes.Length - done, Geometry.SegmentEnd(at) - at);
            bytes.Slice(done, length).CopyTo(_segments[segment].AsSpan((int)Geometry.FileOffsetOf(at)));
            done += length;
        }
    }

    /// <summary>The log's bytes at an address, for tests that change some of them; within one segment.</summary>
    public Span<byte> At(long address, int length) => _segments[Geometry.SegmentOf(address)].AsSpan((int)Geometry.FileOffsetOf(address), length);

    public LogReader OpenReader(StoreFiles? files = null) => new(Layout, Geometry, files);

    /// <summary>Adds an empty segment, as a writer makes it ahead of need.</summary>
    public void AddSegment(int number)
    {
        if (_segments.ContainsKey(number))
        {
            return;
        }

        byte[] bytes = new byte[Geometry.SegmentFileBytes];
        new SegmentHeader
        {
            StoreId = StoreId,
            SegmentNumber = number,
            PageBits = Geometry.PageBits,
            SegmentBits = Geometry.SegmentBits,
            CreatedAtMicros = 1_700_000_000_000_000,
            WriterEpoch = Epoch,
        }.Encode(bytes.AsSpan(0, SegmentHeader.LengthBytes));
        _segments.Add(number, bytes);
    }

    private static byte[] Json(int bytes, int index) => Encoding.UTF8.GetBytes("\"" + new string((char)('a' + (index % 26)), Math.Max(0, bytes - 2)) + "\"");

    // A tail at a page's end belongs to the page before, where nothing fits any more.
    private long PageOf(long tail) => tail == 64 ? 64 : tail - 1;

    private void Read(long address, Span<byte> destination)
    {
        if (destination.Length > 0)
        {
            At(address, destination.Length).CopyTo(destination);
        }
    }
}
