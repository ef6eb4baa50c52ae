// Why this file exists: what the state's tables hold as targets: keys, envelopes, bodies, headers, digests. Invariants: a body that passes its kind's rules becomes a document and comes back as the same bytes, because
// every document has one encoding; headers and digests that decode encode to the same bytes.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Fuzz.Targets;

/// <summary>Record bodies and envelopes, tables, headers, digests.</summary>
internal static class RecordTargets
{
    private const int EnvelopeHashAt = 24;
    private const int EnvelopeBodyAt = 40;

    internal static IReadOnlyList<Target> List { get; } =
    [
        new("record-body", Bodies, Body),
        new("record-envelope", Envelopes, Envelope, MendEnvelope),
        new("state-header", static () => [Header()], StateHeaders, static bytes => MendTail(bytes, "\u0005header"u8)),
        new("state-digest", static () => [Digest()], StateDigests, static bytes => MendTail(bytes, "\u0005digest"u8)),
        new("table-entry", Entries, Entry),
    ];

    // The first byte names the kind.
    private static IEnumerable<byte[]> Bodies()
    {
        foreach (byte[] bytes in FormatTargets.Events())
        {
            if (EventView.TryRead(bytes, out EventView view, out _) && view.Image.Length > 0)
            {
                yield return [(byte)view.SubjectKind, .. view.Image];
            }
        }
    }

    private static ulong Body(byte[] bytes)
    {
        RecordKind kind = (RecordKind)(bytes.Length == 0 ? 0 : bytes[0]);
        byte[] body = bytes.Length == 0 ? [] : bytes[1..];
        if (!RecordBodyView.TryRead(body, out RecordBodyView view, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        fault = RecordBodyRules.Check(kind, view);
        if (fault.IsFault)
        {
            return Hold.Way((long)kind, (long)fault.Code, fault.OffsetBytes / 16);
        }

        byte[] json = System.Text.Encoding.UTF8.GetBytes(RecordJson.ToText(kind, "id:1", body));
        bool isRead = RecordJson.TryParse(json, out RecordKind again, out string? id, out byte[]? back, out RecordJsonFault jsonFault);

        // A document may be larger than its body; what no door would take never came in through one.
        Hold.That(isRead || json.Length > FormatLimits.MaxRecordJsonLengthBytes, $"the document of a body is a document: {jsonFault.Message}");
        Hold.That(!isRead || (again == kind && id == "id:1"), "a document names its record");

        // Where a field came from another document, its namespace is not in this one; everything else is.
        Hold.That(!isRead || IsOfOtherDocuments(kind, view) || back.AsSpan().SequenceEqual(body), "a body comes back from its document as it was");
        Hold.That(!isRead || RecordJson.ToText(kind, "id:1", back).AsSpan().SequenceEqual(System.Text.Encoding.UTF8.GetString(json)), "a document comes back from its body as it was");
        return Hold.Way((long)kind, view.SlotCount, view.Extensions.Count);
    }

    private static bool IsOfOtherDocuments(RecordKind kind, RecordBodyView view)
    {
        ReadOnlySpan<byte> schema = view.TryGetText(0, out ReadOnlySpan<byte> own) ? own : RecordKinds.Get(kind).SchemaUtf8.Span;
        foreach (RecordExtension extension in view.Extensions)
        {
            if (!extension.Namespace.SequenceEqual(schema))
            {
                return true;
            }
        }

        return false;
    }

    // A length, that many bytes of key, and the value.
    private static IEnumerable<byte[]> Envelopes()
    {
        foreach (byte[] body in Bodies())
        {
            byte[] key = [body[0], .. "id:1"u8];
            byte[] value = new byte[EnvelopeBodyAt + body.Length - 1];
            RecordEnvelope.Write(key, isTombstone: body[0] == 2, isBootCritical: true, 7, 3, body.AsSpan(1), value);
            yield return [(byte)key.Length, .. key, .. value];
        }
    }

    private static ulong Envelope(byte[] bytes)
    {
        (byte[] key, byte[] value) = Split(bytes);
        if (!RecordEnvelope.TryRead(key, value, out RecordEnvelope envelope, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        byte[] again = new byte[value.Length];
        RecordEnvelope.Write(key, envelope.IsTombstone, envelope.IsBootCritical, envelope.Sequence, envelope.Surrogate, envelope.Body, again);
        Hold.That(again.AsSpan().SequenceEqual(value), "an envelope that is read is written as the same bytes");
        return Hold.Way((long)envelope.Kind, envelope.IsTombstone ? 1 : 0, envelope.Body.Length / 64);
    }

    private static void MendEnvelope(byte[] bytes)
    {
        (byte[] key, byte[] value) = Split(bytes);
        if (value.Length >= EnvelopeBodyAt && key.Length is > 1 and <= Tables.MaxKeyLengthBytes)
        {
            byte[] identity = [(byte)StateTable.Records, .. key, .. value.AsSpan(0, EnvelopeHashAt)];
            Checksum.Write128(bytes.AsSpan(bytes.Length - value.Length + EnvelopeHashAt), Checksum.Tagged128(identity, value.AsSpan(EnvelopeBodyAt)));
        }
    }

    private static byte[] Header()
    {
        StateHeader header = new() { Generation = 1, LogPosition = 64 };
        byte[] bytes = new byte[header.EncodedLengthBytes];
        _ = header.Encode(bytes);
        return bytes;
    }

    private static ulong StateHeaders(byte[] bytes)
    {
        StateHeader header = new();
        if (!header.TryDecode(bytes, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        byte[] again = new byte[header.EncodedLengthBytes];
        _ = header.Encode(again);
        Hold.That(again.AsSpan().SequenceEqual(bytes), "a state header that decodes encodes to the same bytes");
        return Hold.Way(bytes.Length);
    }

    private static byte[] Digest()
    {
        StateDigest digest = new();
        digest.Add(StateTable.Records, "k"u8, "v"u8);
        byte[] bytes = new byte[StateDigest.EncodedLengthBytes];
        digest.Encode(bytes);
        return bytes;
    }

    private static ulong StateDigests(byte[] bytes)
    {
        StateDigest digest = new();
        if (!digest.TryDecode(bytes, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        byte[] again = new byte[StateDigest.EncodedLengthBytes];
        digest.Encode(again);
        Hold.That(again.AsSpan().SequenceEqual(bytes), "a digest that decodes encodes to the same bytes");
        return Hold.Way((long)Math.Min(digest.Count(StateTable.Records), 100));
    }

    private static void MendTail(byte[] bytes, ReadOnlySpan<byte> identity)
    {
        if (bytes.Length > 16)
        {
            Checksum.Write128(bytes.AsSpan(bytes.Length - 16), Checksum.Tagged128(identity, bytes.AsSpan(0, bytes.Length - 16)));
        }
    }

    private static IEnumerable<byte[]> Entries()
    {
        byte[] key = new byte[8];
        key[7] = 1;
        byte[] value = new byte[FrameEntry.EncodedLengthBytes];
        new FrameEntry(1, 64, 300, 1, 1, 0).Encode(key, value);
        yield return [8, .. key, .. value];
        yield return [7, .. "records"u8, .. "x"u8];
    }

    private static ulong Entry(byte[] bytes)
    {
        (byte[] key, byte[] value) = Split(bytes);
        bool isFrame = FrameEntry.TryDecode(key, value, out FrameEntry entry);
        if (isFrame)
        {
            byte[] again = new byte[FrameEntry.EncodedLengthBytes];
            entry.Encode(key, again);
            Hold.That(again.AsSpan().SequenceEqual(value), "a frame's entry that decodes encodes to the same bytes");
        }

        bool isName = Tables.TryParseName(key, out StateTable table);
        Hold.That(!isName || Tables.Name(table).SequenceEqual(key), "a table's name names one table");
        long checks = 0;
        for (int code = 1; code <= Tables.Count; code++)
        {
            checks |= Tables.TryVerifyCheck((StateTable)code, key, value, out _) ? 1L << code : 0;
        }

        return Hold.Way(isFrame ? 1 : 0, isName ? (long)table : -1, checks);
    }

    private static (byte[] Key, byte[] Value) Split(byte[] bytes)
    {
        int length = bytes.Length == 0 ? 0 : Math.Min(bytes[0], bytes.Length - 1);
        return bytes.Length == 0 ? ([], []) : (bytes[1..(1 + length)], bytes[(1 + length)..]);
    }
}
