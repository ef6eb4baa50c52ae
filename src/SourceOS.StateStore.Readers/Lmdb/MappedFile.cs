// Why this file exists: maps a data file once, over so much address space that the map never has to move under a reader.
// Invariants: the map is read-only and keeps its address until disposed; how much of it may be read is told per snapshot, never more than
// the file holds at that moment, because touching a mapped page beyond the end of the file kills the process.

using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>
/// A read-only map of a data file. Safe for several threads; the owner disposes it only when no snapshot is in use, and no one may
/// shorten the file while it is mapped.
/// </summary>
public sealed unsafe class MappedFile : IDisposable
{
    /// <summary>The address space reserved by default, in bytes: 1 TiB. Reserving costs no memory.</summary>
    public const long DefaultReserveBytes = 1L << 40;

    private const int OutOfMemory = 12;
    private const int InvalidArgument = 22;
    private const long SmallestReserveBytes = 4L << 30;

    private readonly SafeFileHandle _file;
    private readonly long _reservedBytes;
    private byte* _start;

    private MappedFile(SafeFileHandle file, byte* start, long reservedBytes, string path)
    {
        _file = file;
        _start = start;
        _reservedBytes = reservedBytes;
        FilePath = path;
    }

    /// <summary>The file that is mapped.</summary>
    public string FilePath { get; }

    /// <summary>The start of the map.</summary>
    public byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(_start is null, this);
            return _start;
        }
    }

    /// <summary>The file handle, for positional reads. The map keeps it open.</summary>
    public SafeFileHandle Handle => _file;

    /// <summary>Maps a file.</summary>
    /// <param name="path">The data file.</param>
    /// <param name="reserveBytes">The address space to reserve, in bytes: at least the largest size the file may reach.</param>
    /// <returns>The map.</returns>
    /// <exception cref="StateStoreException">The file cannot be opened or mapped.</exception>
    public static MappedFile Open(string path, long reserveBytes = DefaultReserveBytes)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(reserveBytes);
        SafeFileHandle file = OpenFile(path);
        nint start = Reserve(file, ref reserveBytes, out int error);
        if (start == -1)
        {
            file.Dispose();
            throw new StateStoreException(
                StateStoreErrorCode.InputOutput,
                $"The state file cannot be mapped: {Marshal.GetPInvokeErrorMessage(error)}.",
                path,
                "Check the process's address-space limit (ulimit -v).",
                innerException: new Win32Exception(error));
        }

        return new MappedFile(file, (byte*)start, reserveBytes, path);
    }

    /// <summary>The address space that was reserved, in bytes: less than was asked for where the process is not allowed as much.</summary>
    public long ReservedBytes => _reservedBytes;

    /// <summary>
    /// The bytes of the file that may be read now. A file that shrinks afterwards still kills the process, so nothing may shorten it.
    /// </summary>
    /// <returns>The file's length, at most the reserved address space; 0 when the operating system cannot tell.</returns>
    public long VisibleBytes()
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        long length = PositionalRead.Length(_file);
        return Math.Clamp(length, 0, _reservedBytes);
    }

    // Addresses cost nothing, and a process may be allowed fewer of them than a map that never has to grow takes: then one does that leaves the file room to double.
    private static nint Reserve(SafeFileHandle file, ref long reserveBytes, out int error)
    {
        long least = Math.Max(SmallestReserveBytes, PositionalRead.Length(file) * 2);
        while (true)
        {
            nint start = LibC.Map(0, (nuint)reserveBytes, LibC.ProtRead, LibC.MapShared | LibC.MapNoReserve, (int)file.DangerousGetHandle(), 0);
            error = start == -1 ? Marshal.GetLastPInvokeError() : 0;
            if (error is not (OutOfMemory or InvalidArgument) || reserveBytes <= least)
            {
                return start;
            }

            reserveBytes = Math.Max(least, reserveBytes / 16);
        }
    }

    /// <summary>Both meta records, read until two readings agree.</summary>
    /// <returns>The pair.</returns>
    public LmdbMetaPair ReadMetas() => LmdbMetaPair.ParseStable(MetaBytes());

    /// <summary>The meta of a pinned snapshot; see <see cref="LmdbMetaPair.ParsePinned"/>.</summary>
    /// <param name="transactionId">The transaction number of the pin.</param>
    /// <param name="meta">Its meta; meaningful only when the answer is no fault.</param>
    /// <returns>A fault when the meta is unusable or may be in the middle of being replaced: pin again then.</returns>
    public LmdbFault ReadPinned(ulong transactionId, out LmdbMeta meta) => LmdbMetaPair.ParsePinned(MetaBytes(), transactionId, out meta);

    /// <summary>The pages of a snapshot that the file holds now.</summary>
    /// <param name="meta">The snapshot's meta.</param>
    /// <returns>The pages: at most up to the snapshot's last page, at most the file's length.</returns>
    public MappedPages Snapshot(in LmdbMeta meta)
    {
        ulong pages = Math.Min((ulong)VisibleBytes() / (ulong)meta.PageSizeBytes, meta.LastPage + 1);
        return new MappedPages(_start, (long)(pages * (ulong)meta.PageSizeBytes), meta.PageSizeBytes);
    }

    /// <summary>Unmaps the file. Bytes handed out before must not be used after.</summary>
    public void Dispose()
    {
        if (_start is not null)
        {
            // The address and length are the ones mmap gave, so this cannot fail in a way that anyone could act on.
            _ = LibC.Unmap((nint)_start, (nuint)_reservedBytes);
            _start = null;
            _file.Dispose();
        }
    }

    private ReadOnlySpan<byte> MetaBytes() => new(_start, (int)Math.Min(VisibleBytes(), LmdbLayout.MaxPageSizeBytes + LmdbLayout.MetaBytes));

    private static SafeFileHandle OpenFile(string path) => NativePositionalFile.OpenHandle(path, out SafeFileHandle? file) switch
    {
        ReadStatus.Ok => file!,
        ReadStatus.AccessDenied => throw new StateStoreException(StateStoreErrorCode.AccessDenied, "The state file may not be read.", path, "Run as a user who may read it."),
        ReadStatus.WrongKind => throw new StateStoreException(StateStoreErrorCode.InputOutput, "Something other than a file stands in the state file's place.", path, "Look at it before removing it."),
        ReadStatus status => throw new StateStoreException(StateStoreErrorCode.InputOutput, $"The state file cannot be opened ({status}).", path),
    };
}
