// Why this file exists: one entry of a bundle, its bytes, its order and what may travel at all (format-spec/bundle.md). Invariants: what is referred to stands before what refers to it; keys strictly increase, so nothing
// stands twice or out of place; rights never travel: an actor comes as a name that can do nothing.

using System.Buffers.Binary;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>Bounds of a bundle, as the format page states them.</summary>
public static class BundleLimits
{
    /// <summary>Longest manifest in bytes, signatures included.</summary>
    public const int MaxManifestLengthBytes = 65_536;

    /// <summary>Most entries.</summary>
    public const long MaxEntries = 1_048_576;

    /// <summary>Most bytes of all entries.</summary>
    public const long MaxEntriesLengthBytes = 1L << 34;

    /// <summary>The last microsecond of the year 9999.</summary>
    internal const long MaxTimeMicros = 253_402_300_799_999_999;
}

/// <summary>One record that travels.</summary>
/// <param name="Kind">A profile, an actor, a schema or an object.</param>
/// <param name="Id">Its identifier.</param>
/// <param name="Sequence">Sequence of its last change in the source store.</param>
/// <param name="Body">Its body.</param>
public sealed record BundleEntry(RecordKind Kind, string Id, ulong Sequence, ReadOnlyMemory<byte> Body);

/// <summary>The bytes of entries.</summary>
internal static class BundleCodec
{
    internal const int HeaderLengthBytes = 32;
    internal const int EntryHeadLengthBytes = 24;
    internal const int EntryTailLengthBytes = Hash256.LengthBytes + 4;
    internal const int EndLengthBytes = 52;
    internal const uint SignedFlag = 1;
    private const ushort Version = 1;

    internal static ReadOnlySpan<byte> Magic => "SSBUNDLE"u8;

    internal static ReadOnlySpan<byte> EntryMagic => "SSBE"u8;

    internal static ReadOnlySpan<byte> EndMagic => "SSBX"u8;

    // Whoever refers stands behind what it refers to; 0 is what does not travel.
    internal static int Rank(RecordKind kind) => kind switch
    {
        RecordKind.Profile => 1,
        RecordKind.Actor => 2,
        RecordKind.Schema => 3,
        RecordKind.Object => 4,
        _ => 0,
    };

    internal static int Compare(RecordKind kind, ReadOnlySpan<byte> id, RecordKind otherKind, ReadOnlySpan<byte> otherId) =>
        kind == otherKind ? id.SequenceCompareTo(otherId) : Rank(kind).CompareTo(Rank(otherKind));

    /// <summary>Where the running hash starts: another bundle's entries do not continue it.</summary>
    internal static Hash256 Seed(string bundleId) => Checksum.Sha256(Encoding.ASCII.GetBytes($"sourceos-statestore-bundle/1 {bundleId}\n"));

    internal static Hash256 Chain(in Hash256 running, ReadOnlySpan<byte> content)
    {
        Span<byte> next = stackalloc byte[Hash256.LengthBytes];
        Checksum.Sha256(running.Bytes, content, next);
        return new Hash256(next);
    }

    /// <summary>Head, identifier and body of an entry: what the running hash covers.</summary>
    internal static byte[] Content(BundleEntry entry, long index)
    {
        int idLength = Encoding.UTF8.GetByteCount(entry.Id);
        byte[] content = new byte[EntryHeadLengthBytes + idLength + entry.Body.Length];
        EntryMagic.CopyTo(content);
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(4), entry.Body.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(8), (uint)index);
        content[12] = (byte)entry.Kind;
        BinaryPrimitives.WriteUInt16LittleEndian(content.AsSpan(14), (ushort)idLength);
        BinaryPrimitives.WriteUInt64LittleEndian(content.AsSpan(16), entry.Sequence);
        Encoding.UTF8.GetBytes(entry.Id, content.AsSpan(EntryHeadLengthBytes));
        entry.Body.Span.CopyTo(content.AsSpan(EntryHeadLengthBytes + idLength));
        return content;
    }

    internal static byte[] Header(ReadOnlySpan<byte> manifest, bool isSigned)
    {
        byte[] header = new byte[HeaderLengthBytes];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(10), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(12), isSigned ? SignedFlag : 0);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(16), manifest.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(24), Checksum.Crc32C(manifest));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(28), Checksum.Crc32C(header.AsSpan(0, 28)));
        return header;
    }

    internal static byte[] End(long entriesLengthBytes, in Hash256 running)
    {
        byte[] end = new byte[EndLengthBytes];
        EndMagic.CopyTo(end);
        BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(8), entriesLengthBytes);
        running.CopyTo(end.AsSpan(16));
        BinaryPrimitives.WriteUInt32LittleEndian(end.AsSpan(48), Checksum.Crc32C(end.AsSpan(0, 48)));
        return end;
    }

    /// <summary>Reads a header.</summary>
    internal static FormatFault ReadHeader(ReadOnlySpan<byte> header, out int manifestLength, out uint manifestChecksum, out bool isSigned)
    {
        manifestLength = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
        manifestChecksum = BinaryPrimitives.ReadUInt32LittleEndian(header[24..]);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(header[12..]);
        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(header[8..]);
        ushort lowestReader = BinaryPrimitives.ReadUInt16LittleEndian(header[10..]);
        isSigned = flags == SignedFlag;
        return !header.StartsWith(Magic) ? new FormatFault(FaultCode.BadMagic, 0)
            : BinaryPrimitives.ReadUInt32LittleEndian(header[28..]) != Checksum.Crc32C(header[..28]) ? new FormatFault(FaultCode.ChecksumMismatch, 28)
            : version != Version || lowestReader != Version ? new FormatFault(FaultCode.UnsupportedVersion, 8)
            : flags > SignedFlag ? new FormatFault(FaultCode.UnknownFlag, 12)
            : manifestLength is < 1 or > BundleLimits.MaxManifestLengthBytes ? new FormatFault(FaultCode.OutOfRange, 16)
            : BinaryPrimitives.ReadUInt32LittleEndian(header[20..]) != 0 ? new FormatFault(FaultCode.ReservedNotZero, 20)
            : FormatFault.None;
    }

    /// <summary>Reads the head of the entry that has an index: lengths and places, before its rest is read.</summary>
    internal static FormatFault ReadEntryHead(ReadOnlySpan<byte> head, long index, out RecordKind kind, out int idLength, out int bodyLength)
    {
        bodyLength = BinaryPrimitives.ReadInt32LittleEndian(head[4..]);
        idLength = BinaryPrimitives.ReadUInt16LittleEndian(head[14..]);
        kind = (RecordKind)head[12];
        return !head.StartsWith(EntryMagic) ? new FormatFault(FaultCode.BadMagic, 0)
            : bodyLength is < 1 or > FormatLimits.MaxRecordBodyLengthBytes ? new FormatFault(FaultCode.OutOfRange, 4)
            : BinaryPrimitives.ReadUInt32LittleEndian(head[8..]) != index ? new FormatFault(FaultCode.WrongPlace, 8)
            : Rank(kind) == 0 ? new FormatFault(FaultCode.UnknownCode, 12)
            : head[13] != 0 ? new FormatFault(FaultCode.ReservedNotZero, 13)
            : idLength is < 1 or > FormatLimits.MaxIdentifierLengthBytes ? new FormatFault(FaultCode.OutOfRange, 14)
            : FormatFault.None;
    }

    /// <summary>Reads an end mark.</summary>
    internal static FormatFault ReadEnd(ReadOnlySpan<byte> end, long entriesLengthBytes, in Hash256 running) =>
        BinaryPrimitives.ReadUInt32LittleEndian(end[48..]) != Checksum.Crc32C(end[..48]) ? new FormatFault(FaultCode.ChecksumMismatch, 48)
        : BinaryPrimitives.ReadUInt32LittleEndian(end[4..]) != 0 ? new FormatFault(FaultCode.ReservedNotZero, 4)
        : BinaryPrimitives.ReadInt64LittleEndian(end[8..]) != entriesLengthBytes ? new FormatFault(FaultCode.LengthMismatch, 8)
        : !end.Slice(16, Hash256.LengthBytes).SequenceEqual(running.Bytes) ? new FormatFault(FaultCode.HashMismatch, 16)
        : FormatFault.None;

    /// <summary>Judges a body: it is one of its kind, and it brings no rights.</summary>
    internal static FormatFault CheckBody(RecordKind kind, ReadOnlySpan<byte> bytes)
    {
        if (!RecordBodyView.TryRead(bytes, out RecordBodyView body, out FormatFault fault) || (fault = RecordBodyRules.Check(kind, body)).IsFault)
        {
            return fault;
        }

        return kind == RecordKind.Actor && !TravellingActor.IsPowerless(body) ? new FormatFault(FaultCode.RuleBroken, 0) : FormatFault.None;
    }
}

/// <summary>Actors as they travel: who they are, nothing that they may do.</summary>
internal static class TravellingActor
{
    private const string Trust = "external";
    private static readonly int[] s_kept = [.. new[] { "actor_type", "display_name", "created_at", "revoked_at" }.Select(static name => Slots.Of(RecordKind.Actor, name)), Slots.Actor.Trust];

    /// <summary>The body that travels for an actor.</summary>
    internal static byte[] Of(StoredRecord actor)
    {
        // Field by field, so that rights of a later version, in fields that are not known here, stay behind too.
        RecordBodyView body = Slots.Open(actor.Body);
        RecordBodyBuilder builder = new();
        foreach (int slot in s_kept)
        {
            Copy(body, builder, slot);
        }

        return builder.SetText(Slots.Actor.Trust, Trust).Build();
    }

    internal static bool IsPowerless(RecordBodyView body)
    {
        for (int slot = 0; slot < body.SlotCount; slot++)
        {
            if (body.TagOf(slot) != FieldTag.Absent && !s_kept.Contains(slot))
            {
                return false;
            }
        }

        return body.Extensions.Count == 0 && Slots.Text(body, Slots.Actor.Trust) == Trust;
    }

    private static void Copy(RecordBodyView from, RecordBodyBuilder to, int slot)
    {
        if (from.TagOf(slot) == FieldTag.Text)
        {
            to.SetText(slot, Slots.Text(from, slot));
        }
        else if (from.TryGetTime(slot, out long micros))
        {
            to.SetTime(slot, micros);
        }
    }
}
