// Why this file exists: shows one frame of the log: header, leaves, body and events, with offsets. Invariants: the log is followed from its base with the strict reader,
// so a frame that is shown as valid is one that the chain leads to; damage on the way is said with its place; events are bounded by the frame.

using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Cli.Inspect;

/// <summary>Inspects frames.</summary>
internal static class FrameInspector
{
    private const int PartsShown = 256;

    /// <summary>Reads the parts of a frame.</summary>
    /// <param name="storePath">The store.</param>
    /// <param name="number">The frame's number.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    public static (string Place, IReadOnlyList<InspectedPart> Parts) Inspect(string storePath, ulong number, CancellationToken cancellationToken)
    {
        StoreLayout layout = new(Path.GetFullPath(storePath));
        SuperblockReading reading = SuperblockReader.Read(layout);
        if (reading.Newest is not { } superblock)
        {
            throw reading.Status == ReadStatus.NotFound
                ? new StateStoreException(StateStoreErrorCode.NotInitialized, "There is no store here.", layout.StorePath)
                : new StateStoreException(StateStoreErrorCode.SuperblockDamaged, "The superblock cannot be read, so the log cannot be followed.", layout.SuperblockPath, "See its bytes: statestore inspect " + layout.SuperblockPath);
        }

        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        using LogReader reader = new(layout, geometry);
        FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.AtBase(superblock), depth: FrameDepth.Chain);
        while (scanner.MoveNext() == ScanOutcome.Frame)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (scanner.Header.FrameNumber == number)
            {
                long address = scanner.Header.Address;
                string segment = $"{StoreLayout.EventsName}/{StoreLayout.SegmentName(geometry.SegmentOf(address))}";
                long fileOffset = geometry.FileOffsetOf(address) + LogGeometry.EntryPrefixBytes;
                return ($"frame {number}, log address {address}, {segment}", Parts(scanner.Frame(), fileOffset));
            }
        }

        throw scanner.Fault.IsFault
            ? new StateStoreException(StateStoreErrorCode.LogDamaged, $"The log cannot be followed to frame {number}: {scanner.Fault}.", $"log address {scanner.NextEntryAddress}", "See the whole damage: statestore verify")
            : CliException.NotFound($"There is no frame {number}; the log has {scanner.FrameCount} frames from frame {superblock.BaseFrame} on.", $"frame {number}");
    }

    // The frame's bytes may be damaged behind its header, so each part says what it is worth.
    private static List<InspectedPart> Parts(FrameView frame, long fileOffset)
    {
        List<InspectedPart> parts =
        [
            new("frame header", fileOffset, "valid", FieldTable.Read(Rulers.Frame, frame.HeaderBytes, fileOffset)),
        ];
        List<InspectedField> leaves = [];
        for (int i = 0; i < Math.Min(frame.Header.EventCount, PartsShown); i++)
        {
            leaves.Add(new InspectedField(fileOffset + FrameHeader.LengthBytes + (i * Hash256.LengthBytes), Hash256.LengthBytes, $"leaf_{i}", frame.LeafHash(i).ToString()));
        }

        parts.Add(new("leaf hashes", fileOffset + FrameHeader.LengthBytes, frame.VerifyLeaves() ? "valid" : "they do not give the events root", leaves));
        long bodyOffset = fileOffset + frame.Header.BodyAreaOffset;
        FrameScratch scratch = new();
        bool isOpen = frame.TryOpenBody(scratch, out FrameBody body, out FormatFault fault);
        parts.Add(new("body area", bodyOffset, isOpen ? "valid" : fault.ToString(), FieldTable.Read(Rulers.BodyHead, frame.BodyArea, bodyOffset)));
        if (isOpen)
        {
            AddEvents(parts, frame, body);
        }

        return parts;
    }

    private static void AddEvents(List<InspectedPart> parts, FrameView frame, FrameBody body)
    {
        long offset = 4L * body.Count;
        foreach (FrameEvent item in body)
        {
            if (item.Index >= PartsShown)
            {
                parts.Add(new($"{body.Count - PartsShown} more events", offset, "not shown", []));
                return;
            }

            string name = $"event {item.Sequence}, offsets in the raw body";
            if (item.IsErased)
            {
                parts.Add(new(name, offset, "erased", []));
                offset += FrameBody.SaltLengthBytes + item.EventBytes.Length;
                continue;
            }

            string verdict = frame.VerifyEvent(item) ? "valid" : "it does not match its leaf";
            List<InspectedField> fields = [new(offset, FrameBody.SaltLengthBytes, "salt", FieldTable.Hex(item.Salt))];
            long eventOffset = offset + FrameBody.SaltLengthBytes;
            fields.AddRange(FieldTable.Read(Rulers.Event, item.EventBytes, eventOffset));
            if (EventView.TryRead(item.EventBytes, out EventView view, out FormatFault fault))
            {
                AddTexts(fields, view, eventOffset);
            }
            else
            {
                verdict = fault.ToString();
            }

            parts.Add(new(name, offset, verdict, fields));
            offset = eventOffset + item.EventBytes.Length;
        }
    }

    private static void AddTexts(List<InspectedField> fields, EventView view, long eventOffset)
    {
        long at = eventOffset + Rulers.Event[^1].Offset + Rulers.Event[^1].Length;
        Add("type", view.Type, FieldKind.Text);
        Add("actor", view.Actor, FieldKind.Text);
        Add("device", view.Device, FieldKind.Text);
        Add("profile", view.Profile, FieldKind.Text);
        Add("workspace", view.Workspace, FieldKind.Text);
        Add("subject_id", view.SubjectId, FieldKind.Text);
        Add("decision_id", view.DecisionId, FieldKind.Text);
        Add("data", view.Data, FieldKind.Text);
        Add("image", view.Image, FieldKind.Hex);

        void Add(string name, ReadOnlySpan<byte> bytes, FieldKind kind)
        {
            if (!bytes.IsEmpty)
            {
                fields.Add(new InspectedField(at, bytes.Length, name, FieldTable.Value(bytes, kind)));
            }

            at += bytes.Length;
        }
    }
}
