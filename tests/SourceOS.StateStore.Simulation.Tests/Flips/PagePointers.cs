// Why this file exists: finds the page pointers of an LMDB file by its published layout (format-spec/lmdb-layout.md) and leads them elsewhere. Invariants: knows nothing of the readers that are
// tested; a pointer is put back whatever the look at it came to.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Page pointers of an LMDB file.</summary>
internal static class PagePointers
{
    internal const int PageBytes = 4096;
    private const int FreeRootInMeta = 80;
    private const int MainRootInMeta = 128;
    private const int RootInRecord = 40;

    /// <summary>File offsets of the low 32 bits of each pointer: roots in metas and records, children of branches, overflow pages of leaves.</summary>
    internal static List<long> Find(byte[] file)
    {
        List<long> found = [FreeRootInMeta, MainRootInMeta, PageBytes + FreeRootInMeta, PageBytes + MainRootInMeta];
        for (int page = 2; page < file.Length / PageBytes; page++)
        {
            ReadOnlySpan<byte> bytes = file.AsSpan(page * PageBytes, PageBytes);
            int kind = ReadUInt16LittleEndian(bytes[10..]) & 0x07;
            int lower = ReadUInt16LittleEndian(bytes[12..]);
            if (ReadUInt64LittleEndian(bytes) != (ulong)page || kind is not (1 or 2) || lower < 16 || lower > PageBytes)
            {
                continue;
            }

            for (int at = 16; at < lower; at += 2)
            {
                int node = ReadUInt16LittleEndian(bytes[at..]);
                int flags = ReadUInt16LittleEndian(bytes[(node + 4)..]);
                int data = node + 8 + ReadUInt16LittleEndian(bytes[(node + 6)..]);
                int offset = kind == 1 ? node : flags == 1 ? data : flags == 2 ? data + RootInRecord : -1;
                if (offset >= 0)
                {
                    found.Add(((long)page * PageBytes) + offset);
                }
            }
        }

        return found;
    }

    /// <summary>Looks while a pointer leads to a page.</summary>
    internal static string? Pointing(FileStream file, long pointer, uint page, Func<string?> look)
    {
        byte[] sound = new byte[sizeof(uint)];
        byte[] led = new byte[sizeof(uint)];
        WriteUInt32LittleEndian(led, page);
        file.Position = pointer;
        file.ReadExactly(sound);
        file.Position = pointer;
        file.Write(led);
        file.Flush();
        try
        {
            return look();
        }
        finally
        {
            file.Position = pointer;
            file.Write(sound);
            file.Flush();
        }
    }
}
