// Why this file exists: one bad slot, one bad sector or a short file never hides the other slot. Invariants: the store is 8,192 bytes
// made by the codec.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Log;

public sealed class SuperblockReaderTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly StoreLayout _layout;
    private readonly byte[] _file = new byte[Superblock.FileLengthBytes];

    public SuperblockReaderTests()
    {
        _layout = new StoreLayout(_directory.Path);
        _ = Superblock.CreateNew(new StoreId(Enumerable.Repeat((byte)7, 16).ToArray()), 16, 17, 0, "test").EncodeNewFile(_file);
        File.WriteAllBytes(_layout.SuperblockPath, _file);
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void The_newer_slot_counts()
    {
        SuperblockReading reading = SuperblockReader.Read(_layout);
        Assert.Equal(ReadStatus.Ok, reading.Status);
        Assert.Equal(2UL, reading.Newest!.UpdateCounter);
        Assert.False(reading.Choice.FirstFault.IsFault || reading.Choice.SecondFault.IsFault || reading.Choice.HasTrailingBytes);
        Assert.Equal(Superblock.FileLengthBytes, reading.LengthBytes);
    }

    [Fact]
    public void A_missing_file_is_a_status()
    {
        File.Delete(_layout.SuperblockPath);
        SuperblockReading reading = SuperblockReader.Read(_layout);
        Assert.Equal(ReadStatus.NotFound, reading.Status);
        Assert.Null(reading.Newest);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_slot_on_a_bad_sector_leaves_its_twin(int slot)
    {
        FaultyFiles files = new((string _, long offset, ref int _) => offset / 4096 == slot ? ReadStatus.InputOutput : ReadStatus.Ok);
        SuperblockReading reading = SuperblockReader.Read(_layout, files);
        Assert.Equal(ReadStatus.InputOutput, reading.Status);
        Assert.Equal(1 - slot, reading.Newest!.SlotIndex);
        Assert.True((slot == 0 ? reading.Choice.FirstFault : reading.Choice.SecondFault).IsFault);
        Assert.Equal(0, files.StillOpen);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(4095, false)]
    [InlineData(4096, true)]
    [InlineData(8191, true)]
    public void A_short_file_is_judged_as_short(int length, bool hasFirst)
    {
        File.WriteAllBytes(_layout.SuperblockPath, _file[..length]);
        SuperblockReading reading = SuperblockReader.Read(_layout);
        Assert.Equal(ReadStatus.EndOfFile, reading.Status);
        Assert.Equal(hasFirst, reading.Newest is not null);
        Assert.Equal(FaultCode.Truncated, reading.Choice.SecondFault.Code);
        Assert.Equal(length, reading.LengthBytes);
    }

    [Fact]
    public void A_long_file_is_said_to_be_long()
    {
        File.WriteAllBytes(_layout.SuperblockPath, [.. _file, 1]);
        SuperblockReading reading = SuperblockReader.Read(_layout);
        Assert.True(reading.Choice.HasTrailingBytes);
        Assert.NotNull(reading.Newest);
    }
}
