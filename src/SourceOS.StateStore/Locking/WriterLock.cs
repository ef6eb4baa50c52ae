// Why this file exists: one writer per store, and the trace it leaves for the next one. Invariants: the flock is the lock, the content
// is advice; the content of the previous holder is read before it is replaced; the note names this boot only once the state was found good
// under it, so that an open that fails half-way does not hide a power loss from the next; the lock lives exactly as long as this object.

using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Locking;

/// <summary>What a previous writer left in the lock file.</summary>
/// <param name="ProcessId">Its process id; 0 when unreadable.</param>
/// <param name="BootId">The kernel boot it ran under; empty when unreadable.</param>
/// <param name="OpenedAt">When it opened the store, as it wrote it; empty when unreadable.</param>
/// <param name="Inode">The inode of the lock file that it wrote to; a copied store has another one. 0 when unreadable.</param>
/// <param name="IsStateUnsynced">Whether its last sync of the state failed: the page cache may show what no disk has, so not even a proof says that the state is good.</param>
internal sealed record LockNote(int ProcessId, string BootId, string OpenedAt, ulong Inode, bool IsStateUnsynced = false)
{
    internal static LockNote Unreadable { get; } = new(0, "", "", 0);

    internal static LockNote Parse(ReadOnlySpan<byte> content)
    {
        try
        {
            Utf8JsonReader reader = new(content, new JsonReaderOptions { MaxDepth = 4 });
            int pid = 0;
            string boot = "";
            string opened = "";
            ulong inode = 0;
            bool isUnsynced = false;
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName)
                {
                    continue;
                }

                string name = reader.GetString() ?? "";
                reader.Read();
                switch (name)
                {
                    case "pid" when reader.TokenType == JsonTokenType.Number:
                        pid = reader.TryGetInt32(out int parsed) ? parsed : 0;
                        break;
                    case "bootId" when reader.TokenType == JsonTokenType.String:
                        boot = reader.GetString() ?? "";
                        break;
                    case "openedAt" when reader.TokenType == JsonTokenType.String:
                        opened = reader.GetString() ?? "";
                        break;
                    case "inode" when reader.TokenType == JsonTokenType.Number:
                        inode = reader.TryGetUInt64(out ulong number) ? number : 0;
                        break;
                    case "stateUnsynced":
                        isUnsynced = reader.TokenType == JsonTokenType.True;
                        break;
                    default:
                        break;
                }
            }

            return new LockNote(pid, boot, opened, inode, isUnsynced);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // Whatever stands there was not written by a writer that finished; recovery treats it like a missing lock.
            return Unreadable;
        }
    }
}

/// <summary>The exclusive right to write a store.</summary>
internal sealed class WriterLock : IDisposable
{
    private const int MaxContentBytes = 4096;
    private readonly StoreFile _file;

    private WriterLock(StoreFile file, LockNote previous, ulong inode)
    {
        _file = file;
        Previous = previous;
        Inode = inode;
    }

    /// <summary>The inode of the lock file.</summary>
    internal ulong Inode { get; }

    /// <summary>What the holder before left; <see cref="LockNote.Unreadable"/> when the file was missing or foreign.</summary>
    internal LockNote Previous { get; }

    /// <summary>Takes the lock or fails at once with the holder's process id.</summary>
    internal static WriterLock Acquire(FileOps ops, string path, TimeProvider clock)
    {
        StoreFile file = StoreFile.Open(ops, path, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.NoFollow);
        try
        {
            LockNote note = ReadNote(file);
            if (!file.TryLock(FileLockKind.Exclusive))
            {
                ThrowLocked(note, path);
            }

            // The note is read again under the lock: the holder may have changed between the read and the lock.
            note = ReadNote(file);
            ulong inode = file.GetStatus().Inode;
            WriteNote(file, clock, note.BootId, note.Inode, note.IsStateUnsynced);
            return new WriterLock(file, note, inode);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Fails when a writer has the store open; takes and changes nothing.</summary>
    internal static void ThrowIfHeld(FileOps ops, string path)
    {
        if (StoreFile.TryOpen(ops, path, OpenOptions.Read | OpenOptions.NoFollow, out StoreFile? file) < 0 || file is null)
        {
            return;
        }

        using (file)
        {
            if (!file.TryLock(FileLockKind.Shared))
            {
                ThrowLocked(ReadNote(file), path);
            }
        }
    }

    /// <summary>The current kernel boot, or empty where the kernel does not tell.</summary>
    internal static string CurrentBootId()
    {
        const string path = "/proc/sys/kernel/random/boot_id";
        return File.Exists(path) ? File.ReadAllText(path).Trim() : "";
    }

    /// <summary>Whether the state that the previous holder left must be proven, as far as the lock tells.</summary>
    /// <param name="isClean">Whether the newest slot says that the store was closed cleanly.</param>
    internal bool AsksForProof(bool isClean)
    {
        string boot = CurrentBootId();
        bool isSameBoot = boot.Length > 0 && Previous.BootId == boot;
        bool isKnown = Previous.BootId.Length > 0 && Previous.Inode == Inode;
        return !isKnown || (!isClean && !isSameBoot);
    }

    /// <summary>Says that the state is good under this kernel: from here on it need not be proven again after a mere kill.</summary>
    internal void NoteBoot(TimeProvider clock) => WriteNote(_file, clock, CurrentBootId(), Inode, isStateUnsynced: false);

    /// <summary>Says that a sync of the state failed: the next writer makes the state anew instead of believing what the page cache shows.</summary>
    internal void NoteStateUnsynced(TimeProvider clock) => WriteNote(_file, clock, CurrentBootId(), Inode, isStateUnsynced: true);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void ThrowLocked(LockNote note, string path)
    {
        string holder = note.ProcessId == 0 ? "another process" : string.Create(CultureInfo.InvariantCulture, $"process {note.ProcessId}");
        throw new StateStoreException(
            StateStoreErrorCode.Locked,
            $"The store is open for writing by {holder}.",
            path,
            "Close it there, or open the store for reading.",
            isRetryable: true);
    }

    private static LockNote ReadNote(StoreFile file)
    {
        byte[] content = new byte[MaxContentBytes];
        int length = file.ReadUpTo(content, 0);
        return length == 0 ? LockNote.Unreadable : LockNote.Parse(content.AsSpan(0, length).TrimEnd((byte)0));
    }

    private static void WriteNote(StoreFile file, TimeProvider clock, string bootId, ulong inode, bool isStateUnsynced)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteNumber("pid", Environment.ProcessId);
            writer.WriteString("bootId", bootId);
            writer.WriteString("openedAt", clock.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture));
            writer.WriteNumber("inode", inode);
            if (isStateUnsynced)
            {
                writer.WriteBoolean("stateUnsynced", value: true);
            }

            writer.WriteEndObject();
        }

        buffer.Write(Encoding.ASCII.GetBytes("\n"));
        file.Truncate(0);
        file.Write(buffer.WrittenSpan, 0);
        file.Sync();
    }
}
