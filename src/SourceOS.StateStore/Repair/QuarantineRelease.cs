// Why this file exists: what was set aside is let go when somebody has looked at it, entry by entry. Invariants: what goes is named in the log, with its length and hash, before a byte of it is removed; a swap that is not finished needs its folder and keeps it; a cut-off in the middle is finished by running it again.

using System.Buffers;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>What letting go of an entry removes.</summary>
/// <param name="Id">The entry.</param>
/// <param name="Files">How many files.</param>
/// <param name="LengthBytes">Their length.</param>
/// <param name="Hash">SHA-256 over the SHA-256 of each file, in the order of their paths.</param>
public sealed record QuarantineContent(string Id, int Files, long LengthBytes, Hash256 Hash);

/// <summary>Looks into quarantine entries and lets them go.</summary>
internal static class QuarantineRelease
{
    private const int BufferBytes = 1 << 20;

    /// <summary>What an entry holds.</summary>
    internal static QuarantineContent Survey(RepairPlace place, string id)
    {
        QuarantineEntry entry = QuarantineEntry.Find(place.Ops, place.Layout, id);
        Sha256Hasher all = Sha256Hasher.Create();
        byte[] buffer = new byte[BufferBytes];
        int files = 0;
        long length = 0;
        foreach (string path in entry.Files(place.Ops))
        {
            using StoreFile file = StoreFile.Open(place.Ops, path, OpenOptions.Read | OpenOptions.NoFollow);
            Sha256Hasher one = Sha256Hasher.Create();
            long at = 0;
            int read;
            while ((read = file.ReadUpTo(buffer, at)) > 0)
            {
                one.Append(buffer.AsSpan(0, read));
                at += read;
            }

            all.Append(one.Finish().Bytes);
            files++;
            length += at;
        }

        return new QuarantineContent(id, files, length, all.Finish());
    }

    /// <summary>Records what goes, then removes it.</summary>
    internal static async Task<CommitReceipt> RunAsync(RepairPlace place, StateSession session, QuarantineContent content, CancellationToken cancellationToken)
    {
        if (RepairFolder.FindUnfinished(place.Ops, place.Layout, out string unfinished) is not null && unfinished == content.Id)
        {
            throw new StateStoreException(StateStoreErrorCode.ReviewRequired, "The store is in the middle of being put in place from this entry.", content.Id, "Finish it first: statestore repair --apply");
        }

        CommitBatch batch = new CommitBatch().Append("sync.repair.released", RecordKind.Report, "quarantine:" + content.Id, new ChangeOptions { Lane = Lane.Repair, DataJson = Describe(content) });
        CommitReceipt receipt = await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
        if (receipt.IsCommitted)
        {
            Remove(place, content.Id);
        }

        return receipt;
    }

    private static void Remove(RepairPlace place, string id)
    {
        QuarantineEntry entry = QuarantineEntry.Find(place.Ops, place.Layout, id);
        if (place.Ops.Stat(entry.Path, out FileStatus status) == 0 && status.Kind == FileKind.Directory)
        {
            foreach (DirectoryEntry part in StoreDirectory.List(place.Ops, entry.Path).Where(static part => part.Kind == FileKind.Directory))
            {
                StoreTree.Remove(place.Ops, Path.Combine(entry.Path, part.Name));
            }

            StoreDirectory.Sync(place.Ops, entry.Path);
            return;
        }

        // The note last, so that bytes without a note never stay behind.
        StoreDirectory.RemoveFile(place.Ops, entry.Path);
        StoreDirectory.RemoveFile(place.Ops, entry.Path + ".json");
        StoreDirectory.Sync(place.Ops, place.Layout.QuarantinePath);
    }

    private static ReadOnlyMemory<byte> Describe(QuarantineContent content)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("id"u8, content.Id);
            writer.WriteNumber("files"u8, content.Files);
            writer.WriteNumber("lengthBytes"u8, content.LengthBytes);
            writer.WriteString("sha256"u8, content.Hash.ToString());
            writer.WriteEndObject();
        }

        return buffer.WrittenMemory.ToArray();
    }
}
