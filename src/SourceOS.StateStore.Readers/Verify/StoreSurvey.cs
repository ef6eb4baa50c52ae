// Why this file exists: which store this is, how its log is cut and what lies in its directory, also when the superblock is gone. Invariants:
// every name in the store is either known, reported as stray, or counted when there are too many.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>What the rest of a verification starts from.</summary>
internal sealed class StoreSurvey
{
    private const int MaxStrays = 1000;
    private const int HeadersToAsk = 64;

    private StoreSurvey(VerifyContext context, SuperblockReading reading, SegmentCatalog catalog)
    {
        Catalog = catalog;
        Superblock = reading.Newest;
        if (Superblock is not null)
        {
            StoreId = Superblock.StoreId;
            Geometry = new LogGeometry(Superblock.PageBits, Superblock.SegmentBits);
            Generation = Superblock.StateGeneration;
        }
        else
        {
            AskHeaders(context);
        }
    }

    /// <summary>The superblock that counts; null when there is none.</summary>
    public Superblock? Superblock { get; }

    /// <summary>The store's id, from the superblock or else a segment's header; null when nothing tells it.</summary>
    public StoreId? StoreId { get; private set; }

    /// <summary>The log's geometry; null when nothing tells it.</summary>
    public LogGeometry? Geometry { get; private set; }

    /// <summary>The state generation that counts; 0 when nothing tells it.</summary>
    public ulong Generation { get; private set; }

    /// <summary>The segments, as they were listed last.</summary>
    public SegmentCatalog Catalog { get; private set; }

    public static StoreSurvey Make(VerifyContext context)
    {
        SuperblockReading reading = SuperblockReader.Read(context.Layout, context.Files);
        ReportSuperblock(context, reading);
        SegmentCatalog catalog = SegmentCatalog.List(context.Layout, context.Files);
        ReportCatalog(context, catalog);
        StoreSurvey survey = new(context, reading, catalog);
        survey.ListDirectories(context);
        return survey;
    }

    /// <summary>Lists the segments again, for those that a writer made meanwhile.</summary>
    public void RefreshCatalog(VerifyContext context) => Catalog = SegmentCatalog.List(context.Layout, context.Files);

    /// <summary>Whether the superblock names another state generation than when it was read.</summary>
    public bool GenerationMoved(VerifyContext context) =>
        Superblock is not null && SuperblockReader.Read(context.Layout, context.Files).Newest is { } now && now.StateGeneration != Generation;

    /// <summary>Reads which state generation counts now.</summary>
    public void RefreshGeneration(VerifyContext context)
    {
        if (Superblock is not null && SuperblockReader.Read(context.Layout, context.Files).Newest is { } now)
        {
            Generation = now.StateGeneration;
        }
    }

    private static void ReportSuperblock(VerifyContext context, SuperblockReading reading)
    {
        string path = context.Layout.SuperblockPath;
        if (reading.Status is ReadStatus.NotFound)
        {
            context.Find(FindingKinds.SuperblockMissing, path, null, "The superblock's file is not there.");
            return;
        }

        if (reading.Status is not (ReadStatus.Ok or ReadStatus.EndOfFile))
        {
            context.Find(FindingKinds.FileUnreadable, path, null, $"The superblock cannot be read in full ({reading.Status}).");
        }

        context.Account(path, Superblock.FileLengthBytes, Math.Min(reading.LengthBytes, Superblock.FileLengthBytes));
        if (reading.LengthBytes != Superblock.FileLengthBytes)
        {
            context.Find(FindingKinds.SuperblockLength, path, reading.LengthBytes, $"The superblock has {reading.LengthBytes} bytes instead of {Superblock.FileLengthBytes}.");
        }

        FindingKind kind = reading.Newest is null ? FindingKinds.SuperblockBoth : FindingKinds.SuperblockSlot;
        foreach ((FormatFault fault, int slot) in new[] { (reading.Choice.FirstFault, 0), (reading.Choice.SecondFault, 1) })
        {
            if (fault.IsFault)
            {
                FindingKind own = fault.Code == FaultCode.UnsupportedVersion ? FindingKinds.SuperblockVersion : kind;
                context.Find(own, path, fault.OffsetBytes, $"Slot {slot} is not valid: {FormatFault.Describe(fault.Code)}.");
            }
        }
    }

    private static void ReportCatalog(VerifyContext context, SegmentCatalog catalog)
    {
        StoreLayout layout = context.Layout;
        if (catalog.Status != ReadStatus.Ok)
        {
            context.Find(FindingKinds.FileUnreadable, layout.EventsPath, null, $"The directory of segments cannot be listed ({catalog.Status}).");
        }

        if (catalog.IsTruncated)
        {
            context.CannotCheck("segments beyond the first 16,777,216", "there are more than this verifier lists");
        }

        foreach (string name in catalog.UnfinishedNames)
        {
            context.Find(FindingKinds.SegmentUnfinished, Path.Combine(layout.EventsPath, name), null, "A segment was being made when a writer stopped.");
        }

        foreach (string name in catalog.StrayNames)
        {
            context.Find(FindingKinds.Stray, Path.Combine(layout.EventsPath, name), null, "This name has no meaning in a store.");
        }

        if (catalog.StrayCount > catalog.StrayNames.Count)
        {
            context.Find(FindingKinds.Stray, layout.EventsPath, null, $"{catalog.StrayCount - catalog.StrayNames.Count} further names have no meaning in a store.");
        }
    }

    private void AskHeaders(VerifyContext context)
    {
        ReadOnlySpan<int> segments = Catalog.Segments;
        for (int i = 0; i < Math.Min(HeadersToAsk, segments.Length); i++)
        {
            SegmentInfo info = SegmentInfo.Read(context.Layout, segments[i], null, null, context.Files);
            if (!info.HeaderFault.IsFault)
            {
                StoreId = info.Header.StoreId;
                Geometry = new LogGeometry(info.Header.PageBits, info.Header.SegmentBits);
                return;
            }
        }
    }

    private void ListDirectories(VerifyContext context)
    {
        StoreLayout layout = context.Layout;
        List<ulong> generations = [];
        List(context, layout.StatePath, (name, kind) =>
        {
            if (kind == StoreEntryKind.Directory && StoreLayout.TryParseGenerationName(name, out ulong generation))
            {
                generations.Add(generation);
                return true;
            }

            return false;
        });
        if (Generation == 0 && generations.Count > 0)
        {
            Generation = generations.Max();
        }

        foreach (ulong other in generations.Where(g => g != Generation).Order().Take(MaxStrays))
        {
            context.Find(FindingKinds.StateOtherGeneration, layout.GenerationPath(other), null, $"Generation {other} of the state is not the one that counts, {Generation}.");
        }

        if (generations.Contains(Generation))
        {
            List(context, layout.GenerationPath(Generation), static (name, kind) => kind == StoreEntryKind.File && name is StoreLayout.StateDataName or StoreLayout.StateLockName);
        }

        List(context, layout.StorePath, (name, kind) => name switch
        {
            StoreLayout.SuperblockName or StoreLayout.LockName => kind == StoreEntryKind.File,
            StoreLayout.EventsName or StoreLayout.StateName or StoreLayout.QuarantineName or StoreLayout.ReportsName or StoreLayout.ParityName or StoreLayout.CheckpointsName => kind == StoreEntryKind.Directory,
            StoreLayout.ErasureJournalName => FindErasure(context, kind),
            _ => false,
        });
        long setAside = 0;
        List(context, layout.QuarantinePath, (_, _) =>
        {
            setAside++;
            return true;
        });
        if (setAside > 0)
        {
            context.Find(FindingKinds.Quarantine, layout.QuarantinePath, null, string.Create(CultureInfo.InvariantCulture, $"{setAside} files hold bytes that recovery or repair set aside."));
        }
    }

    private static bool FindErasure(VerifyContext context, StoreEntryKind kind)
    {
        if (kind == StoreEntryKind.File)
        {
            context.Find(FindingKinds.ErasureUnfinished, context.Layout.ErasureJournalPath, null, "An erasure was begun and not finished; frames that it writes may be torn until it is.");
        }

        return kind == StoreEntryKind.File;
    }

    private static void List(VerifyContext context, string directory, Func<string, StoreEntryKind, bool> isKnown)
    {
        long strays = 0;
        ReadStatus status = context.Files.List(directory, (name, kind) =>
        {
            context.Cancellation.ThrowIfCancellationRequested();
            if (!isKnown(name, kind) && ++strays <= MaxStrays)
            {
                context.Find(FindingKinds.Stray, Path.Combine(directory, name), null, "This name has no meaning in a store.");
            }

            return true;
        });
        if (strays > MaxStrays)
        {
            context.Find(FindingKinds.Stray, directory, null, $"{strays - MaxStrays} further names have no meaning in a store.");
        }

        if (status is not (ReadStatus.Ok or ReadStatus.NotFound))
        {
            context.Find(FindingKinds.FileUnreadable, directory, null, $"The directory cannot be listed ({status}).");
        }
    }
}
