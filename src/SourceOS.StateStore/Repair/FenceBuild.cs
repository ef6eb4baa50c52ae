// Why this file exists: makes the store behind a fence, beside the damaged one: a log that starts at a base, and every record written into it again (format-spec/fences.md).
// Invariants: the damaged store is only read; the new one is made by the ordinary writer, closed, verified and compared record by record before anything points to it.

using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Proofs;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>What was built.</summary>
/// <param name="Superblock">The superblock of the new store.</param>
/// <param name="Records">Records written again.</param>
/// <param name="LastSequence">The last sequence of the new log.</param>
/// <param name="ChainHead">Its chain head.</param>
internal sealed record FenceResult(Superblock Superblock, ulong Records, ulong LastSequence, Hash256 ChainHead);

/// <summary>What is to be built.</summary>
/// <param name="Folder">Where.</param>
/// <param name="Fence">The fence.</param>
/// <param name="Found">What recovery says of the damaged log.</param>
/// <param name="LastSegment">Its last segment.</param>
/// <param name="Identity">Who repairs.</param>
/// <param name="ReportId">The report's identifier.</param>
/// <param name="Ask">Asks for consent, with the records that are kept; throws when it is refused.</param>
/// <param name="Report">Makes the report, of how many records and which consent.</param>
internal sealed record FenceOrder(
    RepairFolder Folder, FencePlan Fence, LogRecoveryResult Found, int LastSegment, SessionIdentity Identity, string ReportId, Func<ReadSnapshot, RepairConsentAnswer> Ask, Func<ulong, RepairConsentAnswer, byte[]> Report);

/// <summary>Builds the store behind a fence.</summary>
internal sealed class FenceBuild(StoreLayout layout, Superblock superblock, StateStoreOptions options, FileOps ops)
{
    private const int BatchRecords = 256;
    private const int BatchBytes = 512 << 10;
    private const int NamedRanges = 1024;
    private readonly TimeProvider _clock = options.Clock ?? TimeProvider.System;

    /// <summary>Builds it.</summary>
    internal async Task<FenceResult> RunAsync(FenceOrder order)
    {
        RepairFolder folder = order.Folder;
        folder.Prepare();
        if (order.Fence.Salvage is { } salvage)
        {
            new SalvageFold(layout, superblock, options, ops).Run(folder.Salvage, salvage, order.Found.EndOfSegments);
        }

        FenceResult result = await BuildAsync(order).ConfigureAwait(false);
        StoreTree.Remove(ops, folder.Salvage);
        return result;
    }

    private async Task<FenceResult> BuildAsync(FenceOrder order)
    {
        (RepairFolder folder, FencePlan fence) = (order.Folder, order.Fence);
        StateStore old = StateStore.OpenRead(fence.Salvage is null ? layout.StorePath : folder.Salvage, Plain());
        await using (old.ConfigureAwait(false))
        {
            using ReadSnapshot before = old.OpenSnapshot();
            RepairConsentAnswer answer = order.Ask(before);
            Superblock next = MakeEmpty(folder, old, before, order.Found.LastEpoch + 1, order.LastSegment);
            StateStore made = StateStore.Open(folder.New, Plain());
            FenceResult result;
            await using (made.ConfigureAwait(false))
            {
                StateSession session = made.OpenSession(order.Identity);
                await CommitAsync(session, new CommitBatch()
                    .Append("sync.repair.started", RecordKind.Report, order.ReportId, new ChangeOptions { Lane = Lane.Repair })
                    .Append("sync.repair.fenced", RecordKind.Report, order.ReportId, new ChangeOptions { Lane = Lane.Repair, DataJson = Describe(folder, fence, before.Header) })).ConfigureAwait(false);
                ulong records = await SalvageAsync(session, before).ConfigureAwait(false);
                await CommitAsync(session, new CommitBatch()
                    .PutJson(order.Report(records, answer), new ChangeOptions { Lane = Lane.Repair, EventType = "sync.repair.completed" })).ConfigureAwait(false);
                using ReadSnapshot after = made.OpenSnapshot();
                Compare(before, after);
                result = new FenceResult(next, records, after.Sequence, after.Header.ChainHead);
            }

            Verify(folder.New);
            return result;
        }
    }

    private StateStoreOptions Plain() => new()
    {
        LogMemoryPages = options.LogMemoryPages,
        StateQuotaBytes = options.StateQuotaBytes,
        ReserveBytes = options.ReserveBytes,
        LoggerFactory = options.LoggerFactory,
        Clock = options.Clock,
        Files = options.Files,
        SnapshotMaxAgeMs = 3_600_000,
        KeepsParity = false,
        KeepsCheckpoints = false,
    };

    // The base lies in a segment that never was, 64 bytes behind its start like the first address of any log, so that tail slots of the empty log have a segment to stand in.
    private Superblock MakeEmpty(RepairFolder folder, StateStore old, ReadSnapshot before, ulong epoch, int lastSegment)
    {
        StoreLayout made = new(folder.New);
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        StateHeader header = before.Header;
        int segment = Math.Max(lastSegment, geometry.SegmentOf(header.LogPosition)) + 1;
        Superblock next = superblock.Next() with
        {
            StateGeneration = superblock.StateGeneration + 1,
            BaseAddress = geometry.SegmentStart(segment) + FormatLimits.FirstLogAddress,
            BaseFrame = header.FrameCount,
            BaseSequence = header.LastSequence + 1,
            BaseChainHead = header.ChainHead,
            BaseStateDigest = new Prover(old, before).MakeCheckpoint().RecordsRoot!.Value,
            BaseFrontier = header.Frontier.Hashes.ToArray(),
            WriterBuild = EngineBuild.Name,
        };
        StoreDirectory.Create(ops, made.EventsPath);
        using (SegmentFiles segments = SegmentFiles.OpenForWriting(ops, made.EventsPath, superblock.SegmentBits, (number, bytes) => new SegmentHeader
        {
            StoreId = superblock.StoreId,
            SegmentNumber = number,
            PageBits = superblock.PageBits,
            SegmentBits = superblock.SegmentBits,
            CreatedAtMicros = Times.MicrosOf(_clock.GetUtcNow()),
            WriterEpoch = epoch,
        }.Encode(bytes)))
        {
            segments.CreateSegment(segment);
        }

        StateGenerations.Create(made, next, next.StateGeneration, ops);
        StoreDirectory.Sync(ops, made.StatePath);
        byte[] file = new byte[Superblock.FileLengthBytes];
        Superblock written = next.EncodeNewFile(file);
        StoreTree.WriteWhole(ops, folder.BasePath, file);
        StoreTree.WriteWhole(ops, made.SuperblockPath, file);
        return written;
    }

    private static ReadOnlyMemory<byte> Describe(RepairFolder folder, FencePlan fence, StateHeader header)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("quarantine"u8, folder.Id);
            writer.WriteString("previousChainHead"u8, header.ChainHead.ToString());
            writer.WriteNumber("previousFrames"u8, header.FrameCount);
            writer.WriteNumber("previousSequence"u8, header.LastSequence);
            writer.WriteNumber("lostEvents"u8, fence.LostEvents);
            if (fence.Salvage is { } salvage)
            {
                writer.WriteBoolean("salvaged"u8, true);
                writer.WriteNumber("recordsUpTo"u8, salvage.StartSequence);
                writer.WriteBoolean("treeExact"u8, salvage.IsTreeExact);
            }

            writer.WriteNumber("lostRangeCount"u8, fence.Lost.Count);
            WriteRanges(writer, fence.Lost.Take(NamedRanges));
            writer.WriteEndObject();
        }

        return buffer.WrittenMemory.ToArray();
    }

    /// <summary>Writes lost sequences as pairs.</summary>
    internal static void WriteRanges(Utf8JsonWriter writer, IEnumerable<SequenceRange> ranges)
    {
        writer.WriteStartArray("lost"u8);
        foreach (SequenceRange range in ranges)
        {
            writer.WriteStartArray();
            writer.WriteNumberValue(range.First);
            writer.WriteNumberValue(range.Last);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
    }

    private static async Task<ulong> SalvageAsync(StateSession session, ReadSnapshot before)
    {
        ulong records = 0;
        CommitBatch batch = new();
        foreach (RecordKindInfo kind in RecordKinds.All)
        {
            string? last = null;
            List<StoredRecord> page;
            while ((page = before.Range(kind.Kind, last, includeTombstones: true).ToList(BatchRecords)).Count > 0)
            {
                foreach (StoredRecord record in page)
                {
                    last = record.Id;
                    batch.Salvage(record, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"sequence\":{record.Sequence}}}")));
                    records++;
                    if (batch.Count >= BatchRecords || batch.LengthBytes >= BatchBytes)
                    {
                        await CommitAsync(session, batch).ConfigureAwait(false);
                        batch = new CommitBatch();
                    }
                }
            }
        }

        if (batch.Count > 0)
        {
            await CommitAsync(session, batch).ConfigureAwait(false);
        }

        return records;
    }

    private static async Task CommitAsync(StateSession session, CommitBatch batch)
    {
        CommitReceipt receipt = await session.CommitAsync(batch).ConfigureAwait(false);
        if (!receipt.IsCommitted)
        {
            throw new StateStoreException(StateStoreErrorCode.ReviewRequired, $"A record could not be written again: {receipt.Refusal?.Reason}", next: "Nothing of the store was changed. Restore a backup.");
        }
    }

    private static void Compare(ReadSnapshot before, ReadSnapshot after)
    {
        foreach (RecordKindInfo kind in RecordKinds.All)
        {
            foreach (RecordView record in before.Range(kind.Kind, includeTombstones: true))
            {
                bool isSame = after.TryGet(kind.Kind, record.Id, out RecordView copy)
                    && copy.IsTombstone == record.IsTombstone && copy.IsBootCritical == record.IsBootCritical && copy.BodyBytes.SequenceEqual(record.BodyBytes);
                if (!isSame)
                {
                    throw new StateStoreException(StateStoreErrorCode.StateDamaged, "A record that was written again is not the one that was read.", Encoding.UTF8.GetString(record.Id), "Nothing of the store was changed. Check the device's memory and storage.");
                }
            }
        }
    }

    private void Verify(string path)
    {
        VerificationReport report = StoreVerifier.Run(path, new VerifyOptions { Files = new SeamStoreFiles(ops) });
        if (report.Verdict != VerificationVerdict.Clean)
        {
            string what = report.Findings.Count > 0 ? report.Findings[0].Message : report.Verdict.ToString();
            throw new StateStoreException(StateStoreErrorCode.InputOutput, $"The store behind the fence does not verify: {what}", path, "Nothing of the store was changed. Check the device, and run the repair again.");
        }
    }
}
