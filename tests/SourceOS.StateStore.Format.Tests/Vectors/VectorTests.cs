// Why this file exists: the vectors are made from the pages by other code. Where they and this code differ, one of the two misread a page.

using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace SourceOS.StateStore.Format.Tests;

public sealed class VectorTests
{
    [Fact]
    public void Checksums_have_the_results_of_the_vectors()
    {
        int count = 0;
        foreach (string line in VectorFile.Lines("checksums.hex"))
        {
            string[] parts = line.Split(' ');
            byte[] identity = VectorFile.ParseBytes(parts[1]);
            byte[] input = VectorFile.ParseBytes(parts[2]);
            ulong seed = identity.Length == 8 ? BinaryPrimitives.ReadUInt64LittleEndian(identity) : 0;
            byte[] result = new byte[parts[3].Length / 2];
            switch (parts[0])
            {
                case "crc32c" when identity.Length == 0: BinaryPrimitives.WriteUInt32LittleEndian(result, Checksum.Crc32C(input)); break;
                case "crc32c": BinaryPrimitives.WriteUInt32LittleEndian(result, Checksum.Crc32C(seed, input)); break;
                case "xxh64":
                    BinaryPrimitives.WriteUInt64LittleEndian(result, Checksum.Xxh64(seed, input));
                    Assert.Equal(Checksum.Xxh64(seed, input), ManagedXxh3.Hash64(seed, input));
                    break;
                case "xxh128": Checksum.Write128(result, Checksum.Xxh128(seed, input)); break;
                case "tagged64": BinaryPrimitives.WriteUInt64LittleEndian(result, Checksum.Tagged64(identity, input)); break;
                case "tagged128": Checksum.Write128(result, Checksum.Tagged128(identity, input)); break;
                case "sha256": Checksum.Sha256(input, result); break;
                case "sha256-leaf": Checksum.Sha256Leaf(input, default, result); break;
                case "sha256-node": Checksum.Sha256Node(input.AsSpan(0, 32), input.AsSpan(32), result); break;
                default: Assert.Fail(parts[0]); break;
            }

            Assert.True(parts[3] == Convert.ToHexStringLower(result), line);
            count++;
        }

        Assert.True(count > 350);
    }

    [Fact]
    public void Merkle_trees_have_the_roots_of_the_vectors()
    {
        foreach (VectorCase c in VectorFile.Read("merkle.hex"))
        {
            var frontier = new MerkleFrontier();
            var leaves = new List<byte>();
            for (int i = 0; i < c.Int("count"); i++)
            {
                Hash256 leaf = MerkleHash.Leaf([.. Enumerable.Range(0, i).Select(b => (byte)b)]);
                frontier.Append(leaf);
                leaves.AddRange(leaf.Bytes);
            }

            byte[] encoded = new byte[frontier.EncodedLengthBytes];
            frontier.Encode(encoded);
            Assert.Equal(c.Hash("root"), frontier.Root());
            Assert.Equal(c.Hash("root"), MerkleHash.Root([.. leaves]));
            Assert.Equal(c.Bytes("frontier"), encoded);
        }
    }

    [Fact]
    public void Superblocks_are_written_and_read_as_the_vectors()
    {
        foreach (VectorCase c in VectorFile.Read("superblock.hex"))
        {
            var superblock = new Superblock
            {
                StoreId = c.StoreId,
                UpdateCounter = c.Unsigned("update-counter"),
                StateGeneration = c.Unsigned("generation"),
                CreatedAtMicros = c.Number("created-at"),
                PageBits = c.Int("page-bits"),
                SegmentBits = c.Int("segment-bits"),
                BaseAddress = c.Number("base-address"),
                BaseFrame = c.Unsigned("base-frame"),
                BaseSequence = c.Unsigned("base-sequence"),
                BaseChainHead = c.Hash("base-chain-head"),
                BaseStateDigest = c.Hash("base-state-digest"),
                BaseFrontier = [.. c.Bytes("frontier").Chunk(32).Select(h => new Hash256(h))],
                WriterBuild = c.Text("writer-build"),
            };
            byte[] slot = new byte[Superblock.SlotLengthBytes];
            superblock.Encode(slot);
            Assert.Equal(c.Bytes("bytes"), slot);
            Assert.True(Superblock.TryDecodeSlot(c.Bytes("bytes"), superblock.SlotIndex, out Superblock? back, out _));
            Assert.Equal(superblock, back);
        }
    }

    [Fact]
    public void Segment_headers_are_written_and_read_as_the_vectors()
    {
        foreach (VectorCase c in VectorFile.Read("segment-header.hex"))
        {
            var header = new SegmentHeader
            {
                StoreId = c.StoreId, SegmentNumber = c.Number("segment"), PageBits = c.Int("page-bits"), SegmentBits = c.Int("segment-bits"),
                CreatedAtMicros = c.Number("created-at"), WriterEpoch = c.Unsigned("epoch"),
            };
            byte[] bytes = new byte[SegmentHeader.LengthBytes];
            header.Encode(bytes);
            Assert.Equal(c.Bytes("bytes"), bytes);
            Assert.True(SegmentHeader.TryDecode(c.Bytes("bytes"), out SegmentHeader back, out _));
            Assert.Equal(header, back);
        }
    }

    [Fact]
    public void Parity_is_written_and_read_as_the_vectors()
    {
        foreach (VectorCase c in VectorFile.Read("parity.hex"))
        {
            int bits = c.Int("segment-bits");
            long segment = c.Number("segment");
            int groups = ParityHeader.GroupsOf(bits);
            byte[] table = new byte[ParityHeader.TableLengthBytesOf(bits)];
            byte[] sums = new byte[groups * ParityHeader.BlockLengthBytes];
            byte[] block = new byte[ParityHeader.BlockLengthBytes];
            for (int i = 0; i < ParityHeader.DataBlocksOf(bits); i++)
            {
                Array.Fill(block, (byte)(c.Int("fill") + i));
                Checksum.Write128(table.AsSpan(i * 16), ParityBlocks.BlockCheck(c.StoreId, segment, i, block));
                ParityBlocks.Xor(sums.AsSpan(i % groups * block.Length, block.Length), block);
            }

            for (int group = 0; group < groups; group++)
            {
                ReadOnlySpan<byte> sum = sums.AsSpan(group * block.Length, block.Length);
                Assert.Equal(c.Bytes("parity")[group], sum[0]);
                Assert.False(sum.ContainsAnyExcept(sum[0]));
                Checksum.Write128(table.AsSpan((ParityHeader.DataBlocksOf(bits) + group) * 16), ParityBlocks.BlockCheck(c.StoreId, segment, ParityHeader.DataBlocksOf(bits) + group, sum));
            }

            Assert.Equal(c.Bytes("table"), table);
            ParityHeader header = new()
            {
                StoreId = c.StoreId, SegmentNumber = segment, SegmentBits = bits, MadeAtMicros = c.Number("made-at"), TableCheck = ParityBlocks.TableCheck(c.StoreId, segment, table),
            };
            byte[] bytes = new byte[ParityHeader.LengthBytes];
            header.Encode(bytes);
            Assert.Equal(c.Bytes("bytes"), bytes);
            Assert.True(ParityHeader.TryDecode(c.Bytes("bytes"), out ParityHeader back, out _));
            Assert.Equal(header, back);
        }
    }

    [Fact]
    public void Every_bit_of_a_parity_header_counts()
    {
        byte[] bytes = VectorFile.Read("parity.hex")[0].Bytes("bytes");
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(ParityHeader.TryDecode(bytes, out _, out FormatFault fault));
            Assert.True(fault.IsFault);
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        for (int length = 0; length < bytes.Length; length += 511)
        {
            Assert.False(ParityHeader.TryDecode(bytes.AsSpan(0, length), out _, out _));
        }

        // Sealed again, each number is still held against the segment's size, from which it follows.
        foreach (int offset in (int[])[10, 12, 16 + 15, 39, 40, 48, 56, 60, 64, 68, 69, 96, 4000])
        {
            byte[] other = (byte[])bytes.Clone();
            if (offset == 31)
            {
                other.AsSpan(16, 16).Clear();
            }
            else
            {
                other[offset] ^= 0xC0;
            }

            BinaryPrimitives.WriteUInt32LittleEndian(other.AsSpan(4092), Checksum.Crc32C(other.AsSpan(0, 4092)));
            Assert.False(ParityHeader.TryDecode(other, out _, out _), $"offset {offset}");
        }
    }

    [Fact]
    public void Tail_slots_are_written_and_read_as_the_vectors()
    {
        foreach (VectorCase c in VectorFile.Read("tail-slot.hex"))
        {
            var slot = new TailSlot
            {
                SlotIndex = c.Int("slot-index"), IsCleanClose = c.Int("clean-close") == 1, StoreId = c.StoreId, SegmentNumber = c.Number("segment"),
                Generation = c.Unsigned("generation"), DurableBefore = c.Number("durable-before"), Tail = c.Number("tail"),
                FrameCount = c.Unsigned("frame-count"), LastSequence = c.Unsigned("last-sequence"), WriterEpoch = c.Unsigned("epoch"),
                ChainHead = c.Hash("chain-head"), WrittenAtMicros = c.Number("written-at"), StateTransaction = c.Unsigned("state-transaction"),
                StateGeneration = c.Unsigned("state-generation"),
            };
            byte[] bytes = new byte[TailSlot.LengthBytes];
            slot.Encode(bytes, c.Bytes("block"));
            Assert.Equal(c.Bytes("bytes"), bytes);
            Assert.True(TailSlot.TryDecode(bytes, out TailSlot back, out bool isCopyValid, out _) && isCopyValid);
            Assert.Equal(slot, back);
            Assert.Equal(c.Bytes("block"), back.BlockOf(bytes).ToArray());
            Assert.False(back.CheckPlace(c.StoreId, c.Number("segment"), c.Int("slot-index"), c.Title == "the first slot" ? 24 : 17).IsFault);
        }
    }

    [Fact]
    public void Events_are_written_and_read_as_the_vectors()
    {
        foreach (VectorCase c in VectorFile.Read("event.hex"))
        {
            var fields = new EventFields
            {
                Lane = (Lane)c.Int("lane"), Action = (EventAction)c.Int("action"), SubjectKind = (RecordKind)c.Int("subject-kind"),
                Sequence = c.Unsigned("sequence"), PreviousSequence = c.Unsigned("previous"), OccurredAtMicros = c.Number("occurred-at"),
                ImageMarks = (ImageMarks)c.Int("image-flags"), Type = c.Utf8("type"), Actor = c.Utf8("actor"), Device = c.Utf8("device"),
                Profile = c.Utf8("profile"), Workspace = c.Utf8("workspace"), SubjectId = c.Utf8("subject"), DecisionId = c.Utf8("decision"),
                Data = Encoding.UTF8.GetBytes(c.Text("data")), Image = c.Bytes("image"),
            };
            byte[] bytes = new byte[EventWriter.Measure(fields)];
            EventWriter.Write(bytes, fields);
            Assert.Equal(c.Bytes("bytes"), bytes);
            Assert.True(EventView.TryRead(bytes, out EventView view, out FormatFault fault), fault.ToString());
            Assert.False(view.CheckContent().IsFault);
            Assert.Equal(fields.Lane, view.Lane);
            Assert.Equal(fields.Action, view.Action);
            Assert.Equal(fields.SubjectKind, view.SubjectKind);
            Assert.Equal(fields.Sequence, view.Sequence);
            Assert.Equal(fields.PreviousSequence, view.PreviousSequence);
            Assert.Equal(fields.OccurredAtMicros, view.OccurredAtMicros);
            Assert.Equal(fields.ImageMarks, view.ImageMarks);
            Assert.Equal(c.Utf8("type"), view.Type.ToArray());
            Assert.Equal(c.Utf8("actor"), view.Actor.ToArray());
            Assert.Equal(c.Utf8("device"), view.Device.ToArray());
            Assert.Equal(c.Utf8("profile"), view.Profile.ToArray());
            Assert.Equal(c.Utf8("workspace"), view.Workspace.ToArray());
            Assert.Equal(c.Utf8("subject"), view.SubjectId.ToArray());
            Assert.Equal(c.Utf8("decision"), view.DecisionId.ToArray());
            Assert.Equal(c.Text("data"), Encoding.UTF8.GetString(view.Data));
            Assert.Equal(c.Bytes("image"), view.Image.ToArray());
        }
    }

    [Fact]
    public void Frames_are_written_and_read_as_the_vectors()
    {
        foreach (VectorCase c in VectorFile.Read("frame.hex"))
        {
            byte[] expected = c.Bytes("bytes");
            byte[] events = c.Bytes("events");
            byte[][] salts = [.. c.Bytes("salts").Chunk(16)];
            FrameHeader header = HeaderOf(c);
            var builder = new FrameBuilder();
            int at = 0;
            foreach (byte[] salt in salts)
            {
                int length = BinaryPrimitives.ReadInt32LittleEndian(events.AsSpan(at + 4));
                builder.AddRaw(events.AsSpan(at, length), salt);
                at += length;
            }

            byte[] entry = new byte[builder.Seal(allowCompression: false)];
            Assert.Equal(c.Hash("hash") == builder.WriteTo(entry, header), c.Text("codec") == "raw");
            int[] erased = [.. Enumerable.Range(0, salts.Length).Where(i => (c.Int("erased") >> i & 1) != 0)];
            Assert.True(FrameEraser.TryErase(entry, erased, out _));
            Assert.Equal(c.Text("codec") == "raw", expected.AsSpan().SequenceEqual(entry));

            Assert.True(FrameView.TryRead(expected, out FrameView frame, out FormatFault fault), fault.ToString());
            Assert.Equal(c.Hash("hash"), frame.Hash());
            Assert.Equal(c.Bytes("leaves"), frame.LeafHashes.ToArray());
            Assert.Equal(
                header with { EventCount = salts.Length, EventsRoot = frame.Header.EventsRoot, BodyAreaLengthBytes = frame.Header.BodyAreaLengthBytes },
                frame.Header);
            Assert.Equal(FormatFault.None, frame.CheckAll(new FrameScratch()));
            Assert.True(frame.TryOpenBody(new FrameScratch(), out FrameBody body, out fault), fault.ToString());
            Assert.Equal(c.Int("count"), body.Count);
            at = 0;
            foreach (FrameEvent item in body)
            {
                Assert.Equal(erased.Contains(item.Index), item.IsErased);
                Assert.True(item.IsErased || item.EventBytes.SequenceEqual(events.AsSpan(at, item.EventBytes.Length)));
                Assert.True(item.IsErased || item.Salt.SequenceEqual(salts[item.Index]));
                at += item.EventBytes.Length;
            }
        }
    }

    [Fact]
    public void Records_are_written_and_read_as_the_vectors()
    {
        foreach (VectorCase c in VectorFile.Read("record.hex"))
        {
            byte[] json = c.Bytes("json");
            Assert.True(RecordJson.TryParse(json, out RecordKind kind, out string? id, out byte[]? body, out RecordJsonFault fault), fault.ToString());
            Assert.Equal(c.Int("kind"), (int)kind);
            Assert.Equal(c.Text("id"), id);
            Assert.Equal(c.Bytes("body"), body);
            Assert.True(RecordBodyView.TryRead(c.Bytes("body"), out RecordBodyView view, out FormatFault bodyFault), bodyFault.ToString());
            Assert.Equal(FormatFault.None, RecordBodyRules.Check(kind, view));
            var buffer = new ArrayBufferWriter<byte>();
            RecordJson.Write(buffer, kind, Encoding.UTF8.GetBytes(id), view);
            Assert.True(JsonEquality.AreEqual(json, buffer.WrittenMemory), Encoding.UTF8.GetString(buffer.WrittenSpan));

            byte[] key = new byte[256];
            Span<byte> recordKey = key.AsSpan(0, Tables.RecordKey((byte)kind, Encoding.UTF8.GetBytes(id), key));
            byte[] value = new byte[RecordEnvelope.LengthBytes + body.Length];
            int flags = c.Int("flags");
            RecordEnvelope.Write(recordKey, (flags & 1) != 0, (flags & 2) != 0, c.Unsigned("sequence"), c.Unsigned("surrogate"), body, value);
            Assert.Equal(c.Bytes("envelope"), value);
            Assert.True(RecordEnvelope.TryRead(recordKey, value, out RecordEnvelope envelope, out _));
            Assert.Equal(kind, envelope.Kind);
            Assert.Equal((flags & 1) != 0, envelope.IsTombstone);
            Assert.Equal((flags & 2) != 0, envelope.IsBootCritical);
            Assert.Equal(c.Unsigned("sequence"), envelope.Sequence);
            Assert.Equal(c.Unsigned("surrogate"), envelope.Surrogate);
            Assert.Equal(body, envelope.Body.ToArray());
        }
    }

    [Fact]
    public void State_headers_are_written_and_read_as_the_vector()
    {
        VectorCase c = VectorFile.Find("state.hex", "header");
        var header = new StateHeader
        {
            StoreId = c.StoreId, Generation = c.Unsigned("generation"), LogPosition = c.Number("position"), LastSequence = c.Unsigned("last-sequence"),
            LastCommitId = c.Unsigned("last-commit"), WriterEpoch = c.Unsigned("epoch"), CommitTimeMicros = c.Number("commit-time"), ChainHead = c.Hash("chain-head"),
            BootCritical = new BootCriticalCount(c.Unsigned("boot-records"), Checksum.Read128(c.Bytes("boot-sum"))),
        };
        header.Frontier.Set(c.Unsigned("frame-count"), [.. c.Bytes("frontier").Chunk(32).Select(h => new Hash256(h))]);
        foreach (byte[] place in c.Bytes("kinds").Chunk(17))
        {
            header.Kinds[place[0]] = new KindCount(BitConverter.ToUInt64(place, 1), BitConverter.ToUInt64(place, 9));
        }

        foreach (byte[] place in c.Bytes("lanes").Chunk(25))
        {
            header.Lanes[place[0]] = new LaneCount(BitConverter.ToUInt64(place, 1), BitConverter.ToUInt64(place, 9), BitConverter.ToInt64(place, 17));
        }

        byte[] bytes = new byte[header.EncodedLengthBytes];
        header.Encode(bytes);
        Assert.Equal(c.Bytes("bytes"), bytes);
        var back = new StateHeader();
        Assert.True(back.TryDecode(c.Bytes("bytes"), out FormatFault fault), fault.ToString());
        byte[] again = new byte[back.EncodedLengthBytes];
        back.Encode(again);
        Assert.Equal(bytes, again);
    }

    [Fact]
    public void Digests_entries_and_index_keys_are_those_of_the_vectors()
    {
        VectorCase c = VectorFile.Find("state.hex", "digest");
        var digest = new StateDigest();
        ReadOnlySpan<byte> rest = c.Bytes("entries");
        while (!rest.IsEmpty)
        {
            int key = rest[1];
            int value = rest[2 + key];
            digest.Add((StateTable)rest[0], rest.Slice(2, key), rest.Slice(3 + key, value));
            rest = rest[(3 + key + value)..];
        }

        byte[] bytes = new byte[StateDigest.EncodedLengthBytes];
        digest.Encode(bytes);
        Assert.Equal(c.Bytes("bytes"), bytes);

        c = VectorFile.Find("state.hex", "frame entry");
        bytes = new byte[FrameEntry.EncodedLengthBytes];
        var entry = new FrameEntry(c.Unsigned("number"), c.Number("address"), (uint)c.Int("entry-length"), (uint)c.Int("count"), c.Unsigned("commit"), c.Number("commit-time"));
        entry.Encode(c.Bytes("key"), bytes);
        Assert.Equal(c.Bytes("bytes"), bytes);
        Assert.True(FrameEntry.TryDecode(c.Bytes("key"), bytes, out FrameEntry back));
        Assert.Equal(entry, back);

        c = VectorFile.Find("state.hex", "surrogate entry");
        Assert.True(Tables.TryVerifyCheck(StateTable.Surrogates, c.Bytes("key"), c.Bytes("bytes"), out ReadOnlySpan<byte> content));
        Assert.Equal(c.Bytes("value"), content.ToArray());
        c = VectorFile.Find("state.hex", "index entry");
        Assert.True(Tables.TryVerifyCheck(StateTable.Index, c.Bytes("key"), c.Bytes("bytes"), out content));
        Assert.True(content.IsEmpty);
    }

    [Fact]
    public void Index_keys_are_those_of_the_vectors()
    {
        foreach (VectorCase c in VectorFile.Read("state.hex").Where(c => c.Has("keys")))
        {
            Assert.True(RecordBodyView.TryRead(c.Bytes("body"), out RecordBodyView body, out FormatFault fault), fault.ToString());
            var keys = new IndexKeys();
            keys.Derive(RecordKind.Object, body, c.Int("tombstone") == 1, c.Has("boot"), c.Unsigned("surrogate"));
            var joined = new List<byte>();
            for (int i = 0; i < keys.Count; i++)
            {
                joined.AddRange(BitConverter.GetBytes((ushort)keys[i].Length));
                joined.AddRange(keys[i]);
            }

            Assert.Equal(c.Bytes("keys"), joined.ToArray());
        }
    }

    private static FrameHeader HeaderOf(VectorCase c) => new()
    {
        IsLastOfCommit = c.Int("last") == 1,
        StoreId = c.StoreId,
        WriterEpoch = c.Unsigned("epoch"),
        FrameNumber = c.Unsigned("number"),
        CommitId = c.Unsigned("commit"),
        IndexInCommit = (uint)c.Int("index"),
        FirstSequence = c.Unsigned("first-sequence"),
        Address = c.Number("address"),
        CommitTimeMicros = c.Number("commit-time"),
        DurableFrames = c.Unsigned("durable-frames"),
        PreviousHash = c.Hash("previous"),
    };
}
