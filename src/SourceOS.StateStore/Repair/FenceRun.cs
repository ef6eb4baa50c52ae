// Why this file exists: sets a fence, and undoes it. Invariants: the writer's lock is held from the last look to the last rename; the store is changed by the swap alone, after
// what takes its place was made, verified and noted; undoing is refused once anything was written behind the fence.

using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;
using SourceOS.StateStore.Checkpoints;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Locking;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;

namespace SourceOS.StateStore;

/// <summary>Runs the steps of a fence.</summary>
internal sealed class FenceRun(RepairPlace place)
{
    private const int MaxNoteBytes = 1 << 20;

    /// <summary>Sets the fence of a plan that was accepted.</summary>
    internal async Task<RepairOutcome> RunAsync(RepairPlan plan, SessionIdentity identity, RepairConsent? consent)
    {
        RecoverFirst();
        using WriterLock writerLock = WriterLock.Acquire(place.Ops, place.Layout.LockPath, place.Clock);
        RepairFacts facts = RepairFacts.Collect(place.Layout, place.Ops, place.Files, place.Options);
        if (facts.Fence is not FencePlan fence)
        {
            throw new StateStoreException(StateStoreErrorCode.InputOutput, "The log's damage is no longer the one that was planned for.", place.Layout.StorePath, "Plan again.", isRetryable: true);
        }

        RepairFolder folder = NewFolder(plan);
        int lastSegment = SegmentCatalog.List(place.Layout, place.Files).Last;
        string reportId = $"report:repair-{plan.PlanHash[..16]}-{fence.LastSequence.ToString(CultureInfo.InvariantCulture)}";
        byte[] report = [];
        FenceBuild build = new(place.Layout, facts.Superblock, place.Options, place.Ops);
        FenceOrder order = new(
            folder,
            fence,
            facts.Found,
            lastSegment,
            identity,
            reportId,
            kept => Ask(consent, plan, facts.Superblock, kept),
            (records, answer) => report = RepairReports.Make(plan, identity, reportId, fence.Summary, new RepairCounts(records, 0, lastSegment + 1, plan.HumanReview.Count), place.Clock.GetUtcNow(), answer));
        FenceResult made;
        try
        {
            made = await build.RunAsync(order).ConfigureAwait(false);
        }
        catch (StateStoreException exception) when (exception.Code == StateStoreErrorCode.ReviewRequired)
        {
            StoreTree.Remove(place.Ops, folder.Path);
            throw;
        }

        folder.WriteNote(Note(folder, plan, identity, made, report));
        folder.Forward.Run();

        // They are of the history that was set aside.
        CheckpointFolder.DropAll(place.Ops, place.Layout);

        // The parity of what was set aside covers nothing any more; a cut-off here leaves a step for the next plan.
        ParityRepair.Make(place.Layout, made.Superblock, place.Ops, place.Clock, ParityRepair.Find(place.Layout, made.Superblock, place.Files));
        RepairReports.Keep(place.Ops, place.Layout, reportId, report);
        return new RepairOutcome(plan.PlanHash, "repaired", reportId, null);
    }

    private RepairConsentAnswer Ask(RepairConsent? consent, RepairPlan plan, Superblock superblock, ReadSnapshot kept)
    {
        RepairConsentAnswer answer = consent?.Invoke(plan, StoreIds.ToGuid(superblock.StoreId), kept) ?? RepairConsentAnswer.Unsigned;
        return answer.Refusal is null ? answer : throw new StateStoreException(StateStoreErrorCode.ReviewRequired, answer.Refusal, place.Layout.StorePath, $"Nothing was changed. {answer.Next}");
    }

    /// <summary>Undoes a fence.</summary>
    internal void Undo(string id)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        if (!id.StartsWith(RepairFolder.Prefix, StringComparison.Ordinal) || id.Contains('/', StringComparison.Ordinal))
        {
            throw new ArgumentException("Only a fence can be undone; its id begins with 'fence-'.", nameof(id));
        }

        RepairFolder folder = new(place.Ops, place.Layout, id);
        if (!place.Ops.Exists(Path.Combine(folder.Old, StoreLayout.SuperblockName)))
        {
            throw new StateStoreException(StateStoreErrorCode.NotInitialized, "There is no such fence, or it was undone already.", folder.Path, "List them with `statestore repair quarantine list`.");
        }

        using WriterLock writerLock = WriterLock.Acquire(place.Ops, place.Layout.LockPath, place.Clock);
        if (!folder.Backward.IsUnfinished)
        {
            ThrowIfWritten(folder);
        }

        folder.Backward.Run();
    }

    /// <summary>Keeps the report of the newest fence as a file, after a swap that was finished later.</summary>
    internal static string KeepReport(RepairPlace place)
    {
        string last = "";
        foreach (RepairFolder folder in RepairFolder.All(place.Ops, place.Layout).Where(folder => place.Ops.Exists(folder.NotePath)))
        {
            using JsonDocument? note = ReadNote(place, folder);
            if (note is not null && note.RootElement.TryGetProperty("report"u8, out JsonElement report) && report.TryGetProperty("report_id"u8, out JsonElement id) && id.GetString() is { Length: > 0 } text)
            {
                RepairReports.Keep(place.Ops, place.Layout, text, JsonBytes(report));
                last = text;
            }
        }

        return last;
    }

    // What recovery does at every open comes first, so that the state is at the log's end and the fence stands behind both.
    private void RecoverFirst()
    {
        RepairFacts facts = RepairFacts.Collect(place.Layout, place.Ops, place.Files, place.Options);
        if (facts.Found.Decision.MayWrite && (facts.Found.Decision.Case != RecoveryCase.Clean || facts.Found.State.Checkpoint is not null))
        {
            StateStore.Open(place.Layout.StorePath, place.Options).Dispose();
        }
    }

    private RepairFolder NewFolder(RepairPlan plan)
    {
        string name = RepairFolder.Prefix + plan.PlanHash[..16];
        RepairFolder folder = new(place.Ops, place.Layout, name);
        for (int n = 2; place.Ops.Exists(folder.Old) || place.Ops.Exists(folder.Undone); n++)
        {
            folder = new RepairFolder(place.Ops, place.Layout, string.Create(CultureInfo.InvariantCulture, $"{name}-{n}"));
        }

        return folder;
    }

    private byte[] Note(RepairFolder folder, RepairPlan plan, SessionIdentity identity, FenceResult made, byte[] report)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            writer.WriteString("file"u8, folder.Id);
            writer.WriteString("reason"u8, plan.HumanReview[0]);
            writer.WriteString("keptAt"u8, place.Clock.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture));
            writer.WriteString("actor"u8, identity.ActorId);
            writer.WriteString("planHash"u8, plan.PlanHash);
            writer.WriteNumber("baseAddress"u8, made.Superblock.BaseAddress);
            writer.WriteNumber("baseSequence"u8, made.Superblock.BaseSequence);
            writer.WriteNumber("records"u8, made.Records);
            writer.WriteNumber("lastSequence"u8, made.LastSequence);
            writer.WriteString("chainHead"u8, made.ChainHead.ToString());
            FenceBuild.WriteRanges(writer, plan.LostRanges);
            writer.WritePropertyName("report"u8);
            writer.WriteRawValue(report);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private void ThrowIfWritten(RepairFolder folder)
    {
        RepairFacts now = RepairFacts.Collect(place.Layout, place.Ops, place.Files, place.Options);
        using JsonDocument? note = ReadNote(place, folder);
        bool isSame = note is not null
            && note.RootElement.TryGetProperty("chainHead"u8, out JsonElement head)
            && head.ValueKind == JsonValueKind.String && head.GetString() == now.Found.Tip.ChainHead.ToString();
        if (!isSame)
        {
            throw new StateStoreException(StateStoreErrorCode.ReviewRequired, "Something was written behind the fence, and undoing it would lose that.", folder.Path, "Nothing was changed. Read what was set aside where it is.");
        }
    }

    private static JsonDocument? ReadNote(RepairPlace place, RepairFolder folder)
    {
        try
        {
            // The parser does not look into strings, and whoever reads one out of bytes that are no text is thrown out.
            byte[] bytes = StoreTree.ReadUpTo(place.Ops, folder.NotePath, MaxNoteBytes);
            if (!Utf8.IsValid(bytes))
            {
                return null;
            }

            JsonDocument note = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 64 });
            if (note.RootElement.ValueKind == JsonValueKind.Object)
            {
                return note;
            }

            note.Dispose();
            return null;
        }
        catch (JsonException)
        {
            // A note that rotted says nothing; then nothing is undone on its word.
            return null;
        }
    }

    private static byte[] JsonBytes(JsonElement element)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            element.WriteTo(writer);
        }

        return buffer.WrittenSpan.ToArray();
    }
}
