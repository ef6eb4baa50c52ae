// Why this file exists: bytes that recovery overwrites are kept, each with a note of where they stood. Invariants: bytes and note are on the
// medium before the original is touched; names never collide; nothing is ever overwritten here.

using System.Buffers;
using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Recovery;

/// <summary>Sets bytes aside.</summary>
internal sealed class Quarantine(FileOps ops, string directory, TimeProvider clock)
{
    /// <summary>Bytes kept so far.</summary>
    internal long LengthBytes { get; private set; }

    /// <summary>The last file kept, or null.</summary>
    internal string? LastFile { get; private set; }

    /// <summary>Keeps bytes of the log.</summary>
    internal void Keep(string name, ReadOnlySpan<byte> bytes, long address, string reason)
    {
        StoreDirectory.CreateIfMissing(ops, directory);
        DateTimeOffset now = clock.GetUtcNow();
        string stamp = now.ToString("yyyyMMddTHHmmssfffffff", CultureInfo.InvariantCulture);
        string path = Path.Combine(directory, $"{name}-{stamp}.bin");
        WriteNew(path, bytes);
        ArrayBufferWriter<byte> note = new();
        using (Utf8JsonWriter writer = new(note, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            writer.WriteString("file", Path.GetFileName(path));
            writer.WriteNumber("logAddress", address);
            writer.WriteNumber("lengthBytes", bytes.Length);
            writer.WriteString("reason", reason);
            writer.WriteString("keptAt", now.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture));
            writer.WriteEndObject();
        }

        WriteNew(path + ".json", note.WrittenSpan);
        StoreDirectory.Sync(ops, directory);
        LengthBytes += bytes.Length;
        LastFile = path;
    }

    private void WriteNew(string path, ReadOnlySpan<byte> bytes)
    {
        using StoreFile file = StoreFile.Open(ops, path, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive | OpenOptions.NoFollow);
        file.Write(bytes, 0);
        file.SyncAll();
    }
}
