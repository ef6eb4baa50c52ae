// Why this file exists: the byte ruler of an event (format-spec/events.md), shared by reader and writer. Invariants: the chain of offsets ends at 64.

namespace SourceOS.StateStore.Format;

internal static class EventLayout
{
    internal const int VersionAt = 0;
    internal const int LaneAt = VersionAt + 1;
    internal const int ActionAt = LaneAt + 1;
    internal const int SubjectKindAt = ActionAt + 1;
    internal const int TotalLengthAt = SubjectKindAt + 1;
    internal const int SequenceAt = TotalLengthAt + 4;
    internal const int PreviousAt = SequenceAt + 8;
    internal const int OccurredAtAt = PreviousAt + 8;
    internal const int ImageFlagsAt = OccurredAtAt + 8;
    internal const int TypeLengthAt = ImageFlagsAt + 2;
    internal const int ActorLengthAt = TypeLengthAt + 2;
    internal const int DeviceLengthAt = ActorLengthAt + 2;
    internal const int ProfileLengthAt = DeviceLengthAt + 2;
    internal const int WorkspaceLengthAt = ProfileLengthAt + 2;
    internal const int SubjectLengthAt = WorkspaceLengthAt + 2;
    internal const int DecisionLengthAt = SubjectLengthAt + 2;
    internal const int DataLengthAt = DecisionLengthAt + 2;
    internal const int ImageLengthAt = DataLengthAt + 4;
    internal const int ReservedAt = ImageLengthAt + 4;
    internal const int HeaderLength = ReservedAt + 8;
    private const byte _headerIs64 = HeaderLength == 64 ? 0 : -1;

    internal const int Version = 1;
    internal const ImageMarks KnownFlags = ImageMarks.BootCritical;
}
