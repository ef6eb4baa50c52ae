// Why this file exists: an independent model of the log's bytes, written from format-spec/faster-layout.md. Invariants: uses nothing of the
// code under test.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Storage.Tests.Events;

internal sealed class LogModel
{
    private byte[] _bytes = new byte[1 << 16];

    public long Tail { get; private set; } = 64;

    public long Append(byte[] entry)
    {
        long page = Tail / LogFixture.PageBytes * LogFixture.PageBytes;
        long occupied = 4 + entry.Length + ((4 - (entry.Length % 4)) % 4);
        long address = Tail + occupied > page + LogFixture.PageBytes ? page + LogFixture.PageBytes : Tail;
        Tail = address + occupied;
        while (_bytes.Length < Tail)
        {
            Array.Resize(ref _bytes, _bytes.Length * 2);
        }

        BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan((int)address), entry.Length);
        entry.CopyTo(_bytes.AsSpan((int)address + 4));
        return address;
    }

    public ReadOnlySpan<byte> Bytes(long until) => _bytes.AsSpan(0, (int)until);

    public void Read(long address, Span<byte> destination) => _bytes.AsSpan((int)address, destination.Length).CopyTo(destination);
}
