// Why this file exists: which of the two meta pages starts the newest snapshot, and which starts a given one, is decided here only.
// Invariants: a slot that did not parse is never picked; the bytes of a slot are copied before they are judged, because a writer may change them.

using System.Threading;
using Microsoft.Win32.SafeHandles;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Both meta records of a data file, each either parsed or with the reason why it is not.</summary>
public readonly struct LmdbMetaPair
{
    private readonly LmdbMeta _first;
    private readonly LmdbMeta _second;

    private LmdbMetaPair(in LmdbMeta first, LmdbFault firstFault, in LmdbMeta second, LmdbFault secondFault)
    {
        _first = first;
        _second = second;
        FirstFault = firstFault;
        SecondFault = secondFault;
    }

    /// <summary>What is wrong with slot 0.</summary>
    public LmdbFault FirstFault { get; }

    /// <summary>What is wrong with slot 1.</summary>
    public LmdbFault SecondFault { get; }

    /// <summary>Whether the two slots are of consecutive transactions, or both of none, as a file at rest has them.</summary>
    public bool IsConsecutive =>
        !FirstFault.IsFault
        && !SecondFault.IsFault
        && (_first.TransactionId > _second.TransactionId ? _first.TransactionId - _second.TransactionId : _second.TransactionId - _first.TransactionId)
            == (_first.TransactionId == 0 && _second.TransactionId == 0 ? 0UL : 1UL);

    /// <summary>
    /// Checks what liblmdb needs before it may open a file at rest: both slots usable, of one page size, of consecutive transactions. liblmdb
    /// picks a slot by its transaction number alone.
    /// </summary>
    /// <returns>What is wrong, if anything.</returns>
    public LmdbFault CheckAtRest()
    {
        if (FirstFault.IsFault || SecondFault.IsFault)
        {
            return FirstFault.IsFault ? FirstFault : SecondFault;
        }

        return IsConsecutive ? default : new LmdbFault(LmdbFaultCode.MetaNotConsecutive, 0, LmdbLayout.MetaTransaction);
    }

    /// <summary>Parses both slots from the start of a mapped or loaded file. Never throws.</summary>
    /// <param name="file">The file's bytes from offset 0; two pages are enough.</param>
    /// <returns>The pair.</returns>
    public static LmdbMetaPair Parse(ReadOnlySpan<byte> file)
    {
        // The copy is what gets judged and kept: a mapped slot may change between a check and a use.
        Span<byte> copy = stackalloc byte[LmdbLayout.MetaBytes];
        LmdbFault firstFault = LmdbMeta.Parse(CopySlot(file, 0, copy), 0, out LmdbMeta first);
        if (!firstFault.IsFault)
        {
            return new LmdbMetaPair(first, default, ParseSecond(file, first.PageSizeBytes, copy, out LmdbFault fault), fault);
        }

        // Slot 0 does not tell where slot 1 is, so each page size is tried; the stamp there decides.
        LmdbFault secondFault = default;
        for (int size = LmdbLayout.MinPageSizeBytes; size <= LmdbLayout.MaxPageSizeBytes; size *= 2)
        {
            LmdbMeta second = ParseSecond(file, size, copy, out LmdbFault fault);
            if (!fault.IsFault)
            {
                return new LmdbMetaPair(first, firstFault, second, default);
            }

            secondFault = secondFault.IsFault ? secondFault : fault;
        }

        return new LmdbMetaPair(first, firstFault, default, secondFault);
    }

    /// <summary>Reads both slots of a file by position. Never maps. Reads at most twice the largest page size.</summary>
    /// <param name="file">The data file, open for reading.</param>
    /// <param name="pair">The pair; meaningful only when the answer is true.</param>
    /// <returns>False when the operating system cannot read the file.</returns>
    public static bool TryRead(SafeFileHandle file, out LmdbMetaPair pair)
    {
        ArgumentNullException.ThrowIfNull(file);
        byte[] buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(LmdbLayout.MaxPageSizeBytes + LmdbLayout.MetaBytes);
        try
        {
            int have = PositionalRead.Fill(file, buffer.AsSpan(0, LmdbLayout.MaxPageSizeBytes + LmdbLayout.MetaBytes), 0);
            pair = have < 0 ? default : Parse(buffer.AsSpan(0, have));
            return have >= 0;
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// Reads the pair until two readings in a row agree byte for byte in what they mean, so that a slot caught in the middle of
    /// a commit is not believed. Bounded: gives up after a fixed number of readings and answers with the last one.
    /// </summary>
    /// <param name="file">The file's bytes from offset 0.</param>
    /// <returns>The pair.</returns>
    public static LmdbMetaPair ParseStable(ReadOnlySpan<byte> file)
    {
        LmdbMetaPair before = Parse(file);
        for (int attempt = 0; attempt < 16; attempt++)
        {
            Thread.MemoryBarrier();
            LmdbMetaPair after = Parse(file);
            if (after.Matches(in before))
            {
                return after;
            }

            before = after;
        }

        return before;
    }

    /// <summary>
    /// Finds the meta of a snapshot that a read transaction has pinned, in a file that a writer may be changing. The pin promises that the meta
    /// was whole once; as long as the other slot holds no later transaction, no writer can have begun to replace it. Answers a fault when
    /// one may have: pin again then, the newer snapshot is there.
    /// </summary>
    /// <param name="file">The file's bytes from offset 0.</param>
    /// <param name="transactionId">The transaction number of the pin.</param>
    /// <param name="meta">Its meta; meaningful only when the answer is no fault.</param>
    /// <returns>A fault when the meta is unusable or may be in the middle of being replaced.</returns>
    public static LmdbFault ParsePinned(ReadOnlySpan<byte> file, ulong transactionId, out LmdbMeta meta)
    {
        LmdbMetaPair pair = Parse(file);
        LmdbFault fault = pair.TryTransaction(transactionId, out meta);
        if (fault.IsFault)
        {
            return fault;
        }

        // The copy of the slot must come before the look at the other one.
        Thread.MemoryBarrier();
        ulong other = (transactionId & 1) ^ 1;
        long at = ((long)other * meta.PageSizeBytes) + LmdbLayout.MetaTransaction;
        return at + 8 <= file.Length && System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(file[(int)at..]) <= transactionId
            ? default
            : new LmdbFault(LmdbFaultCode.MetaMissing, other, LmdbLayout.MetaTransaction);
    }

    /// <summary>As <see cref="ParsePinned"/>, by positional reads.</summary>
    /// <param name="file">The data file, open for reading.</param>
    /// <param name="transactionId">The transaction number of the pin.</param>
    /// <param name="meta">Its meta; meaningful only when the answer is no fault.</param>
    /// <returns>A fault when the file cannot be read, or the meta is unusable or may be in the middle of being replaced.</returns>
    public static LmdbFault ReadPinned(SafeFileHandle file, ulong transactionId, out LmdbMeta meta)
    {
        meta = default;
        if (!TryRead(file, out LmdbMetaPair pair))
        {
            return new LmdbFault(LmdbFaultCode.InputOutput, 0, 0);
        }

        LmdbFault fault = pair.TryTransaction(transactionId, out meta);
        if (fault.IsFault)
        {
            return fault;
        }

        // One read gives no order between the two slots, so the other is looked at in a second one.
        Span<byte> later = stackalloc byte[8];
        ulong other = (transactionId & 1) ^ 1;
        int have = PositionalRead.Fill(file, later, ((long)other * meta.PageSizeBytes) + LmdbLayout.MetaTransaction);
        return have == later.Length && System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(later) <= transactionId
            ? default
            : new LmdbFault(have < 0 ? LmdbFaultCode.InputOutput : LmdbFaultCode.MetaMissing, other, LmdbLayout.MetaTransaction);
    }

    /// <summary>Finds the newest snapshot.</summary>
    /// <param name="meta">The newest meta; meaningful only when the answer is no fault.</param>
    /// <returns>A fault when neither slot can be used.</returns>
    public LmdbFault TryNewest(out LmdbMeta meta)
    {
        if (FirstFault.IsFault && SecondFault.IsFault)
        {
            meta = default;
            return FirstFault;
        }

        bool second = !SecondFault.IsFault && (FirstFault.IsFault || _first.TransactionId < _second.TransactionId);
        meta = second ? _second : _first;
        return default;
    }

    /// <summary>Finds the snapshot of one transaction: the one that a read transaction has pinned.</summary>
    /// <param name="transactionId">The transaction number.</param>
    /// <param name="meta">Its meta; meaningful only when the answer is no fault.</param>
    /// <returns>A fault when the slot it lives in is unusable or already holds another transaction.</returns>
    public LmdbFault TryTransaction(ulong transactionId, out LmdbMeta meta)
    {
        bool second = (transactionId & 1) == 1;
        meta = second ? _second : _first;
        LmdbFault fault = second ? SecondFault : FirstFault;
        if (fault.IsFault)
        {
            return fault;
        }

        return meta.TransactionId == transactionId
            ? default
            : new LmdbFault(LmdbFaultCode.MetaMissing, second ? 1UL : 0UL, LmdbLayout.MetaTransaction);
    }

    private bool Matches(in LmdbMetaPair other) =>
        FirstFault == other.FirstFault && SecondFault == other.SecondFault && _first == other._first && _second == other._second;

    private static LmdbMeta ParseSecond(ReadOnlySpan<byte> file, int pageSizeBytes, Span<byte> copy, out LmdbFault fault)
    {
        fault = LmdbMeta.Parse(CopySlot(file, pageSizeBytes, copy), 1, out LmdbMeta meta);
        if (!fault.IsFault && meta.PageSizeBytes != pageSizeBytes)
        {
            fault = new LmdbFault(LmdbFaultCode.MetaPageSize, 1, LmdbLayout.MetaFreeDb + LmdbLayout.DbPad);
            meta = default;
        }

        return meta;
    }

    private static ReadOnlySpan<byte> CopySlot(ReadOnlySpan<byte> file, int offset, Span<byte> copy)
    {
        if (file.Length <= offset)
        {
            return default;
        }

        ReadOnlySpan<byte> source = file[offset..];
        source = source[..Math.Min(source.Length, copy.Length)];
        source.CopyTo(copy);
        return copy[..source.Length];
    }
}
