// Why this file exists: writes the bytes of a bundle. Invariants: the manifest is known before the first byte is written, so a bundle is read forwards; what is written is what the manifest was made for, or the writer throws.

using System.Buffers.Binary;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>Measures entries: what the manifest says of them.</summary>
/// <param name="bundleId">The bundle.</param>
internal sealed class BundleMeasure(string bundleId)
{
    internal Hash256 Running { get; private set; } = BundleCodec.Seed(bundleId);

    internal long Count { get; private set; }

    internal long Objects { get; private set; }

    internal long LengthBytes { get; private set; }

    /// <summary>Takes an entry in and gives its bytes up to the running hash.</summary>
    internal byte[] Add(BundleEntry entry)
    {
        byte[] content = BundleCodec.Content(entry, Count);
        Running = BundleCodec.Chain(Running, content);
        Count++;
        Objects += entry.Kind == RecordKind.Object ? 1 : 0;
        LengthBytes += content.Length + BundleCodec.EntryTailLengthBytes;
        return content;
    }
}

/// <summary>Writes a bundle. Not thread-safe.</summary>
internal sealed class BundleWriter
{
    private readonly Stream _stream;
    private readonly BundleManifest _manifest;
    private readonly BundleMeasure _measure;

    internal BundleWriter(Stream stream, BundleManifest manifest, PrivateKey? key)
    {
        (_stream, _manifest, _measure) = (stream, manifest, new BundleMeasure(manifest.BundleId));
        string text = manifest.ToText();
        byte[] bytes = key is null ? Encoding.UTF8.GetBytes(text) : key.SignNote(text, manifest.Checkpoint.Origin).Encode();
        _stream.Write(BundleCodec.Header(bytes, key is not null));
        _stream.Write(bytes);
    }

    internal void Write(BundleEntry entry)
    {
        ulong index = (ulong)_measure.Count;
        byte[] content = _measure.Add(entry);
        byte[] tail = new byte[BundleCodec.EntryTailLengthBytes];
        _measure.Running.CopyTo(tail);
        BinaryPrimitives.WriteUInt32LittleEndian(tail.AsSpan(Hash256.LengthBytes), Checksum.Crc32C(index, content, tail.AsSpan(0, Hash256.LengthBytes)));
        _stream.Write(content);
        _stream.Write(tail);
    }

    internal void Finish()
    {
        if (_measure.Count != _manifest.EntryCount || _measure.LengthBytes != _manifest.EntriesLengthBytes || _measure.Running != _manifest.Digest)
        {
            throw new InvalidOperationException("The entries that were written are not those that the manifest was made for.");
        }

        _stream.Write(BundleCodec.End(_measure.LengthBytes, _measure.Running));
    }
}
