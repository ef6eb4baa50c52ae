// Why this file exists: bytes to meaning and back, which must cost nanoseconds and not allocate.

using BenchmarkDotNet.Attributes;
using SourceOS.StateStore.Bench.Peers;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Bench.Suites;

/// <summary>Events, frames, envelopes and bodies.</summary>
public class CodecBenchmarks
{
    private static readonly StoreId s_store = new("bench-store-0001"u8);
    private readonly byte[] _event = new byte[4096];
    private readonly byte[] _salt = new byte[FrameBody.SaltLengthBytes];
    private readonly FrameBuilder _builder = new();
    private readonly FrameScratch _scratch = new();
    private readonly IndexKeys _keys = new();
    private readonly byte[] _key = new byte[64];
    private SampleObject _item = SampleObject.Make(1, 0, new RecordBodyBuilder());
    private byte[] _entry = [];
    private byte[] _record = [];
    private int _eventLength;
    private int _keyLength;

    /// <summary>Events in a frame.</summary>
    [Params(1, 100)]
    public int Events { get; set; }

    /// <summary>Makes what is read.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _item = SampleObject.Make(7, 0, new RecordBodyBuilder());
        _eventLength = WriteEvent();
        Frame_encode();
        _entry = new byte[_builder.EntryLengthBytes];
        _builder.WriteTo(_entry);
        _keyLength = Tables.RecordKey((byte)RecordKind.Object, _item.IdUtf8, _key);
        _record = new byte[RecordEnvelope.LengthBytes + _item.Body.Length];
        RecordEnvelope.Write(_key.AsSpan(0, _keyLength), isTombstone: false, isBootCritical: false, 1, 1, _item.Body, _record);
    }

    /// <summary>One event into bytes.</summary>
    [Benchmark]
    public int Event_encode() => WriteEvent();

    /// <summary>One event from bytes.</summary>
    [Benchmark]
    public int Event_view()
    {
        _ = EventView.TryRead(_event.AsSpan(0, _eventLength), out EventView view, out _);
        return view.Image.Length;
    }

    /// <summary>A frame: events, leaves, tree, compression, chain.</summary>
    [Benchmark]
    public Hash256 Frame_encode()
    {
        _builder.Reset();
        EventFields fields = Fields();
        for (int i = 0; i < Events; i++)
        {
            fields.Sequence = (ulong)i + 1;
            _builder.Add(in fields, _salt);
        }

        _ = _builder.Seal();
        return _builder.Stamp(new FrameHeader { StoreId = s_store, CommitId = 1, FirstSequence = 1, IsLastOfCommit = true, Address = 64, WriterEpoch = 1 });
    }

    /// <summary>A frame checked completely: checksum, tree, every leaf, every event.</summary>
    [Benchmark]
    public bool Frame_check()
    {
        bool isRead = FrameView.TryRead(_entry, out FrameView frame, out _);
        return isRead && !frame.CheckAll(_scratch).IsFault;
    }

    /// <summary>A stored record into bytes.</summary>
    [Benchmark]
    public void Record_encode() => RecordEnvelope.Write(_key.AsSpan(0, _keyLength), isTombstone: false, isBootCritical: false, 1, 1, _item.Body, _record);

    /// <summary>A stored record verified and opened.</summary>
    [Benchmark]
    public int Record_view()
    {
        _ = RecordEnvelope.TryRead(_key.AsSpan(0, _keyLength), _record, out RecordEnvelope envelope, out _);
        return envelope.Body.Length;
    }

    /// <summary>A body's structure checked and a field read.</summary>
    [Benchmark]
    public int Body_view()
    {
        _ = RecordBodyView.TryRead(_item.Body, out RecordBodyView body, out _);
        _ = body.TryGetText(ObjectSlots.Path, out ReadOnlySpan<byte> path);
        return path.Length;
    }

    /// <summary>An object's five index keys.</summary>
    [Benchmark]
    public int Index_keys()
    {
        _ = RecordBodyView.TryRead(_item.Body, out RecordBodyView body, out _);
        _keys.Derive(body, isTombstone: false, 1);
        return _keys.Count;
    }

    private int WriteEvent()
    {
        EventFields fields = Fields();
        return EventWriter.Write(_event, in fields);
    }

    private EventFields Fields() => new()
    {
        Lane = Lane.Normal,
        Action = EventAction.Put,
        SubjectKind = RecordKind.Object,
        Sequence = 1,
        OccurredAtMicros = 1_700_000_000_000_000,
        Type = "sync.object.created"u8,
        Actor = "actor:bench"u8,
        Device = "device:bench"u8,
        Profile = "profile:personal"u8,
        Workspace = "workspace:0"u8,
        SubjectId = _item.IdUtf8,
        Image = _item.Body,
    };
}
