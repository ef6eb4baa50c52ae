// Why this file exists: numbers that are stored or reported never change meaning. A change here is a change of the format, and must be one on purpose.

namespace SourceOS.StateStore.Format.Tests;

public sealed class StabilityTests
{
    private static string List<T>()
        where T : struct, Enum => string.Join(' ', Enum.GetValues<T>().Select(v => $"{v}={Convert.ToInt64(v)}"));

    [Fact]
    public void Stored_codes_do_not_change()
    {
        Assert.Equal("Normal=1 Priority=2 Secure=3 Ephemeral=4 Memory=5 Policy=6 Audit=7 Tombstone=8 Migration=9 Repair=10 Archive=11", List<Lane>());
        Assert.Equal("None=1 Put=2 Tombstone=3 Purge=4", List<EventAction>());
        Assert.Equal("None=0 BootCritical=1", List<ImageMarks>());
        Assert.Equal(
            "Object=1 Actor=2 Identity=3 Membership=4 Lease=5 Device=6 Profile=7 Schema=8 Migration=9 Plan=10 Conflict=11 Decision=12 Transaction=13 Report=14 Key=15 Trust=16 Operation=17 Task=18 Observation=19",
            List<RecordKind>());
        Assert.Equal("Absent=0 Null=1 Text=2 Json=3 Integer=4 Time=5 TextList=6 Boolean=7 Sha256=8", List<FieldTag>());
        Assert.Equal("Records=1 Index=2 Surrogates=3 Frames=4 Meta=5", List<StateTable>());
        Assert.Equal("ProfileType=1 WorkspacePath=2 LastActor=3 ContentHash=4 StateUpdated=5 BootCritical=6", List<ObjectIndex>());
    }

    [Fact]
    public void Reported_codes_do_not_change()
    {
        Assert.Equal(
            "None=0 Truncated=1 TrailingBytes=2 BadMagic=3 UnsupportedVersion=4 ChecksumMismatch=5 ReservedNotZero=6 UnknownFlag=7 UnknownCode=8 OutOfRange=9 LengthMismatch=10 CountMismatch=11 NeverWritten=12 WrongPlace=13 WrongStore=14 InvalidUtf8=15 InvalidIdentifier=16 InvalidJson=17 CompressionFault=18 HashMismatch=19 NotCanonical=20 RuleBroken=21 FrameNumberGap=22 SequenceGap=23 ChainBroken=24 CommitOrder=25 EpochOrder=26 ScratchTooSmall=27 Erased=28 DuplicateName=29 DoesNotFit=30",
            List<FaultCode>());
        Assert.Equal("None=0 Empty=1 TooLong=2 NotUtf8=3 ControlCharacter=4", List<IdentifierFault>());
        Assert.Equal(
            "None=0 TooLarge=1 InvalidJson=2 InvalidUtf8=3 TooDeep=4 NotAnObject=5 DuplicateName=6 MissingSchema=7 UnknownSchema=8 MissingId=9 InvalidId=10 InvalidName=11 TooManyFields=12",
            List<RecordJsonFaultCode>());
        Assert.Equal(
            "NotInitialized=1 AlreadyExists=2 UnsupportedFormat=3 Locked=4 AccessDenied=5 DiskFull=6 InputOutput=7 LogDamaged=8 StateDamaged=9 LogRolledBack=10 StoreRolledBack=11 Latched=12 Closed=13 NativeLibraryMissing=14 InvalidInput=15 SnapshotExpired=16 SuperblockDamaged=17 ReviewRequired=18",
            List<StateStoreErrorCode>());
    }

    [Fact]
    public void Every_fault_has_its_own_words()
    {
        string[] phrases = [.. Enum.GetValues<FaultCode>().Select(FormatFault.Describe)];
        Assert.Equal(phrases.Length, phrases.Distinct().Count());
        Assert.DoesNotContain(FormatFault.Describe((FaultCode)int.MaxValue), phrases);
        Assert.Equal("the checksum is not that of the bytes (offset 12)", new FormatFault(FaultCode.ChecksumMismatch, 12).ToString());
        Assert.Equal(new FormatFault(FaultCode.Truncated, 15), new FormatFault(FaultCode.Truncated, 5).At(10));
        Assert.Equal(FormatFault.None, FormatFault.None.At(10));
    }

    [Fact]
    public void Bounds_are_those_of_the_page()
    {
        string page = SpecPages.Read("README.md");
        foreach ((string row, long bound) in new (string, long)[]
        {
            ("identifier", FormatLimits.MaxIdentifierLengthBytes),
            ("event type", FormatLimits.MaxEventTypeLengthBytes),
            ("record body", FormatLimits.MaxRecordBodyLengthBytes),
            ("event", FormatLimits.MaxEventLengthBytes),
            ("event data (JSON)", FormatLimits.MaxEventDataLengthBytes),
            ("events in a frame", FormatLimits.MaxFrameEvents),
            ("raw body of a frame", FormatLimits.MaxFrameRawBodyLengthBytes),
            ("JSON depth", FormatLimits.MaxJsonDepth),
        })
        {
            string line = page.Split('\n').Single(l => l.StartsWith($"| {row} |", StringComparison.Ordinal));
            Assert.Contains($" {bound:N0}", line, StringComparison.Ordinal);
        }

        Assert.Equal((1 << 22) - 72, FormatLimits.MaxFrameLengthBytes(22));
    }
}
