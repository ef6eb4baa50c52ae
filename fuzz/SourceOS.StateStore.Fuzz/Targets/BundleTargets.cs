// Why this file exists: bundles come on media that anyone may have held. Invariants: what is read to its end is written again as the same bytes; anything else ends in the store's own fault and nothing else.

using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bundles;

namespace SourceOS.StateStore.Fuzz.Targets;

/// <summary>The reader of bundles.</summary>
internal static class BundleTargets
{
    private const string Id = "00112233445566778899aabbccddeeff";

    internal static IReadOnlyList<Target> List { get; } = [new("bundle", static () => [Seed(3), Seed(0)], Bundle, Mend)];

    private static ulong Bundle(byte[] bytes)
    {
        List<BundleEntry> entries = [];
        try
        {
            BundleReader reader = BundleReader.Open(new MemoryStream(bytes), "fuzz");
            while (reader.Read() is { } entry)
            {
                entries.Add(entry);
            }

            Hold.That(reader.IsComplete, "a bundle that ends is complete");
            if (reader.Note is null)
            {
                using MemoryStream again = new();
                Write(again, reader.Manifest, entries);
                Hold.That(again.ToArray().AsSpan().SequenceEqual(bytes), "a bundle that is read is written as the same bytes");
            }

            return Hold.Way(entries.Count, reader.Note is null ? 0 : 1, (long)reader.Manifest.Scope.Kind);
        }
        catch (StateStoreException fault) when (fault.Code == StateStoreErrorCode.InvalidInput)
        {
            string offset = fault.Place[(fault.Place.LastIndexOf(' ') + 1)..];
            return Hold.Way(fault.Summary.Length, entries.Count, long.TryParse(offset, NumberStyles.None, CultureInfo.InvariantCulture, out long at) ? Math.Min(at, 4096) / 16 : -1);
        }
    }

    private static byte[] Seed(int entryCount)
    {
        List<BundleEntry> entries = [];
        foreach (string json in new[]
        {
            """{"schema":"sourceos.profile-record/v1alpha1","profile_id":"profile:p","profile_class":"air_gapped"}""",
            """{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:a","actor_type":"human","trust_level":"external"}""",
            """{"schema":"sourceos.object-record/v1alpha1","object_id":"note:1","object_type":"note","title":"t","future":{"a":[1]}}""",
        }.Take(entryCount))
        {
            _ = RecordJson.TryParse(Encoding.UTF8.GetBytes(json), out RecordKind kind, out string? id, out byte[]? body, out _);
            entries.Add(new BundleEntry(kind, id!, 7, body));
        }

        BundleMeasure measure = new(Id);
        foreach (BundleEntry entry in entries)
        {
            _ = measure.Add(entry);
        }

        Checkpoint checkpoint = new(Checkpoint.OriginOf(Guid.Parse("6a9b4f7e-1f7c-4c53-9a08-0a2f5f4d7c11")), 5, MerkleHash.Leaf("log"u8), 10, 4, MerkleHash.Leaf("records"u8));
        BundleManifest manifest = new(checkpoint, Id, DateTimeOffset.UnixEpoch.AddDays(20_000), new BundleScope(BundleScopeKind.Workspace, "workspace:w"), measure.Count, measure.Objects, measure.LengthBytes, measure.Running);
        using MemoryStream bundle = new();
        Write(bundle, manifest, entries);
        return bundle.ToArray();
    }

    private static void Write(Stream stream, BundleManifest manifest, List<BundleEntry> entries)
    {
        BundleWriter writer = new(stream, manifest, null);
        entries.ForEach(writer.Write);
        writer.Finish();
    }

    // Makes chain, digest and checksums hold again, as far as the lengths lead.
    private static void Mend(byte[] bytes)
    {
        if (bytes.Length < BundleCodec.HeaderLengthBytes)
        {
            return;
        }

        long manifestLength = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(16));
        long at = BundleCodec.HeaderLengthBytes + manifestLength;
        if (at <= bytes.Length)
        {
            Span<byte> manifest = bytes.AsSpan(BundleCodec.HeaderLengthBytes, (int)manifestLength);
            int idAt = manifest.IndexOf("\nbundle "u8) + 8;
            Hash256 running = MendEntries(bytes, at, BundleCodec.Seed(idAt >= 8 && idAt + 32 <= manifest.Length ? Encoding.ASCII.GetString(manifest.Slice(idAt, 32)) : Id));
            int digestAt = manifest.LastIndexOf("\ndigest "u8) + 8;
            if (digestAt >= 8 && digestAt + 64 <= manifest.Length)
            {
                Encoding.ASCII.GetBytes(running.ToString()).CopyTo(manifest[digestAt..]);
            }

            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(24), Checksum.Crc32C(manifest));
        }

        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(28), Checksum.Crc32C(bytes.AsSpan(0, 28)));
    }

    private static Hash256 MendEntries(byte[] bytes, long at, Hash256 running)
    {
        for (ulong index = 0; at + BundleCodec.EntryHeadLengthBytes <= bytes.Length && bytes.AsSpan((int)at).StartsWith(BundleCodec.EntryMagic); index++)
        {
            ReadOnlySpan<byte> head = bytes.AsSpan((int)at);
            long content = BundleCodec.EntryHeadLengthBytes + (long)BinaryPrimitives.ReadUInt32LittleEndian(head[4..]) + BinaryPrimitives.ReadUInt16LittleEndian(head[14..]);
            if (at + content + BundleCodec.EntryTailLengthBytes > bytes.Length)
            {
                return running;
            }

            Span<byte> entry = bytes.AsSpan((int)at, (int)content + BundleCodec.EntryTailLengthBytes);
            running = BundleCodec.Chain(running, entry[..(int)content]);
            running.CopyTo(entry[(int)content..]);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[^4..], Checksum.Crc32C(index, entry[..^4]));
            at += entry.Length;
        }

        if (at + BundleCodec.EndLengthBytes <= bytes.Length)
        {
            Span<byte> end = bytes.AsSpan((int)at, BundleCodec.EndLengthBytes);
            running.CopyTo(end[16..]);
            BinaryPrimitives.WriteUInt32LittleEndian(end[48..], Checksum.Crc32C(end[..48]));
        }

        return running;
    }
}
