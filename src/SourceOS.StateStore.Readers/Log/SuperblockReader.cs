// Why this file exists: what the file STORE says, slot by slot, also when a part of it cannot be read. Invariants: at most one byte more
// than the two slots is read; a slot that the medium refuses does not take its twin along.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>What became of reading a superblock.</summary>
/// <param name="Status">How reading the file went: <see cref="ReadStatus.Ok"/> when all of both slots could be read, <see cref="ReadStatus.EndOfFile"/> when the file is too short.</param>
/// <param name="LengthBytes">The file's length; 0 when it could not be opened.</param>
/// <param name="Choice">The slot that counts, and what is wrong with each.</param>
public sealed record SuperblockReading(ReadStatus Status, long LengthBytes, SuperblockChoice Choice)
{
    /// <summary>The superblock that counts; null when there is none.</summary>
    public Superblock? Newest => Choice.Newest;
}

/// <summary>Reads superblocks. Thread-safe.</summary>
public static class SuperblockReader
{
    /// <summary>Reads the superblock of a store.</summary>
    /// <param name="layout">The store's paths.</param>
    /// <param name="files">How to open files; the running kernel's when null.</param>
    /// <returns>What is there.</returns>
    public static SuperblockReading Read(StoreLayout layout, StoreFiles? files = null)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ReadStatus status = (files ?? StoreFiles.Native).Open(layout.SuperblockPath, out PositionalFile? file);
        if (file is null)
        {
            return new SuperblockReading(status == ReadStatus.Ok ? ReadStatus.InputOutput : status, 0, Superblock.ChooseNewest(default));
        }

        using (file)
        {
            byte[] bytes = new byte[Superblock.FileLengthBytes];
            status = file.GetLength(out long lengthBytes);
            ReadStatus first = file.Read(0, bytes.AsSpan(0, Superblock.SlotLengthBytes), out int firstRead);
            ReadStatus second = file.Read(Superblock.SlotLengthBytes, bytes.AsSpan(Superblock.SlotLengthBytes), out int secondRead);
            status = status != ReadStatus.Ok ? status : first != ReadStatus.Ok ? first : second;

            // A slot that was not read stays zero, which no valid slot is; a file that ends early is shown as short as it is.
            bool isShort = first is ReadStatus.Ok or ReadStatus.EndOfFile && second == ReadStatus.EndOfFile;
            ReadOnlySpan<byte> known = isShort ? bytes.AsSpan(0, firstRead + secondRead) : bytes;
            SuperblockChoice choice = Superblock.ChooseNewest(known);
            return new SuperblockReading(status, lengthBytes, choice with { HasTrailingBytes = lengthBytes > Superblock.FileLengthBytes });
        }
    }
}
