// Why this file exists: a bundle comes from somewhere else on a medium that anyone may have held, so reading it trusts nothing. Invariants: one pass, bounded memory (one entry), no length or count is believed before it is
// checked against its bound and against the manifest; whatever the bytes are, the answer is entries or one StateStoreException; the last entry is given only after nothing was wrong, and the end only when the file ends too.

using System.Buffers.Binary;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>Reads a bundle from its beginning to its end. Not thread-safe; does not own its stream.</summary>
public sealed class BundleReader
{
    private const string Advice = "Have the bundle carried again, or made anew: statestore export.";
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly Stream _stream;
    private readonly string _place;
    private long _offset;
    private long _index;
    private long _objects;
    private long _entriesLengthBytes;
    private RecordKind _lastKind;
    private byte[] _lastId = [];

    private BundleReader(Stream stream, string place)
    {
        _stream = stream;
        _place = place;
        byte[] header = Read(BundleCodec.HeaderLengthBytes);
        Require(BundleCodec.ReadHeader(header, out int length, out uint checksum, out bool isSigned), 0);
        byte[] manifest = Read(length);
        if (Checksum.Crc32C(manifest) != checksum)
        {
            Fail(FaultCode.ChecksumMismatch, BundleCodec.HeaderLengthBytes);
        }

        Note = isSigned ? ReadNote(manifest) : null;
        string text = Note?.Text ?? Decode(manifest);
        Manifest = BundleManifest.TryParse(text, out BundleManifest? parsed, out string reason) ? parsed : throw Broken($"its manifest is not valid: {reason}", BundleCodec.HeaderLengthBytes);
        Running = BundleCodec.Seed(Manifest.BundleId);
    }

    /// <summary>What the bundle says of itself. Nothing of it is proven before <see cref="Read()"/> answered null; who says it, only <see cref="Note"/> tells.</summary>
    public BundleManifest Manifest { get; }

    /// <summary>The signed manifest; null when the bundle is not signed.</summary>
    public SignedNote? Note { get; }

    /// <summary>The running SHA-256 after the entries read so far.</summary>
    public Hash256 Running { get; private set; }

    /// <summary>Whether the whole bundle was read and is what its manifest says.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Reads the head of a bundle.</summary>
    /// <param name="stream">The bundle's bytes, from the first; read forwards only.</param>
    /// <param name="place">Its name in errors.</param>
    /// <returns>The reader.</returns>
    /// <exception cref="StateStoreException">InvalidInput when this is not a bundle; InputOutput when it cannot be read.</exception>
    public static BundleReader Open(Stream stream, string place)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(place);
        return new BundleReader(stream, place);
    }

    /// <summary>Requires that a key signed the bundle.</summary>
    /// <param name="trusted">The key.</param>
    /// <exception cref="StateStoreException">InvalidInput when it did not; NativeLibraryMissing when nothing can be checked.</exception>
    public void RequireSignature(NoteKey trusted)
    {
        ArgumentNullException.ThrowIfNull(trusted);
        switch (Note?.Verify(trusted) ?? NoteVerdict.NotSigned)
        {
            case NoteVerdict.Verified:
                return;
            case NoteVerdict.CannotCheck:
                throw new StateStoreException(StateStoreErrorCode.NativeLibraryMissing, Ed25519.MissingReason);
            case NoteVerdict.BadSignature:
                throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The bundle's signature by this key is wrong.", _place, Advice);
            default:
                throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The bundle is not signed by this key.", _place, "Name the key of the store that made it (there: statestore keys list).");
        }
    }

    /// <summary>Reads the next entry.</summary>
    /// <returns>The entry; null behind the last one, when the whole bundle was proven to be what its manifest says.</returns>
    /// <exception cref="StateStoreException">InvalidInput when the bytes are not those of a bundle; InputOutput when they cannot be read.</exception>
    public BundleEntry? Read()
    {
        if (IsComplete)
        {
            return null;
        }

        long start = _offset;
        if (_index == Manifest.EntryCount)
        {
            ReadEnd(start);
            return null;
        }

        byte[] head = Read(BundleCodec.EntryHeadLengthBytes);
        Require(BundleCodec.ReadEntryHead(head, _index, out RecordKind kind, out int idLength, out int bodyLength), start);
        int contentLength = head.Length + idLength + bodyLength;
        if (_entriesLengthBytes + contentLength + BundleCodec.EntryTailLengthBytes > Manifest.EntriesLengthBytes)
        {
            Fail(FaultCode.LengthMismatch, start + 4);
        }

        byte[] entry = new byte[contentLength + BundleCodec.EntryTailLengthBytes];
        head.CopyTo(entry, 0);
        Fill(entry.AsSpan(head.Length));
        Hash256 running = BundleCodec.Chain(Running, entry.AsSpan(0, contentLength));
        CheckTail(entry, contentLength, running, start);
        ulong sequence = BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(16));
        if (sequence == 0 || sequence > Manifest.SourceSequence)
        {
            Fail(FaultCode.OutOfRange, start + 16);
        }

        byte[] id = entry[head.Length..(head.Length + idLength)];
        ReadOnlyMemory<byte> body = entry.AsMemory(head.Length + idLength, bodyLength);
        CheckEntry(kind, id, body.Span, start + head.Length);
        (Running, _lastKind, _lastId) = (running, kind, id);
        _entriesLengthBytes += entry.Length;
        _index++;
        _objects += kind == RecordKind.Object ? 1 : 0;
        return new BundleEntry(kind, Encoding.UTF8.GetString(id), sequence, body);
    }

    private void CheckTail(ReadOnlySpan<byte> entry, int contentLength, in Hash256 running, long start)
    {
        int checkedLength = contentLength + Hash256.LengthBytes;
        if (BinaryPrimitives.ReadUInt32LittleEndian(entry[checkedLength..]) != Checksum.Crc32C((ulong)_index, entry[..checkedLength]))
        {
            Fail(FaultCode.ChecksumMismatch, start + checkedLength);
        }

        if (!entry.Slice(contentLength, Hash256.LengthBytes).SequenceEqual(running.Bytes))
        {
            Fail(FaultCode.HashMismatch, start + contentLength);
        }
    }

    private void CheckEntry(RecordKind kind, ReadOnlySpan<byte> id, ReadOnlySpan<byte> body, long idAt)
    {
        if (Identifier.Check(id) != IdentifierFault.None)
        {
            Fail(FaultCode.InvalidIdentifier, idAt);
        }

        if (_index > 0 && BundleCodec.Compare(kind, id, _lastKind, _lastId) is int order and <= 0)
        {
            throw Broken(order == 0 ? "a record stands in it twice" : "its entries are not in their order", idAt);
        }

        Require(BundleCodec.CheckBody(kind, body), idAt + id.Length);
    }

    private void ReadEnd(long start)
    {
        byte[] end = Read(BundleCodec.EndLengthBytes);
        if (!end.AsSpan().StartsWith(BundleCodec.EndMagic))
        {
            Fail(FaultCode.BadMagic, start);
        }

        Require(BundleCodec.ReadEnd(end, _entriesLengthBytes, Running), start);
        if (_entriesLengthBytes != Manifest.EntriesLengthBytes || Running != Manifest.Digest || _objects != Manifest.ObjectCount)
        {
            throw Broken("its entries are not those that its manifest tells of", start);
        }

        if (ReadSome(new byte[1]) != 0)
        {
            Fail(FaultCode.TrailingBytes, _offset);
        }

        IsComplete = true;
    }

    private SignedNote ReadNote(byte[] bytes) =>
        SignedNote.TryParse(bytes, out SignedNote? note, out string reason) ? note : throw Broken($"its signed manifest is not valid: {reason}", BundleCodec.HeaderLengthBytes);

    private string Decode(byte[] manifest)
    {
        try
        {
            return s_strict.GetString(manifest);
        }
        catch (DecoderFallbackException)
        {
            throw Broken(FormatFault.Describe(FaultCode.InvalidUtf8), BundleCodec.HeaderLengthBytes);
        }
    }

    private byte[] Read(int length)
    {
        byte[] bytes = new byte[length];
        Fill(bytes);
        return bytes;
    }

    private void Fill(Span<byte> bytes)
    {
        int read = ReadSome(bytes);
        if (read != bytes.Length)
        {
            Fail(FaultCode.Truncated, _offset + read);
        }

        _offset += read;
    }

    private int ReadSome(Span<byte> bytes)
    {
        try
        {
            return _stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        }
        catch (IOException exception)
        {
            throw new StateStoreException(StateStoreErrorCode.InputOutput, $"The bundle cannot be read: {exception.Message}", $"{_place}, offset {_offset}", "Read it from another medium.", isRetryable: true, innerException: exception);
        }
    }

    private void Require(FormatFault fault, long start)
    {
        if (fault.IsFault)
        {
            throw fault.Code == FaultCode.UnsupportedVersion
                ? new StateStoreException(StateStoreErrorCode.InvalidInput, "The bundle was written in a version that this program does not read.", _place, "Import it with a newer program.")
                : Broken(FormatFault.Describe(fault.Code), start + fault.OffsetBytes);
        }
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private void Fail(FaultCode code, long offset) => throw Broken(FormatFault.Describe(code), offset);

    private StateStoreException Broken(string what, long offset) =>
        new(StateStoreErrorCode.InvalidInput, $"The bundle is refused and nothing of it is taken in: {what}.", $"{_place}, offset {offset}", Advice);
}
