// Why this file exists: names of store files are made and understood in exactly one way. Invariants: every accepted name is the one
// that making gives.

using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Tests.Log;

public sealed class StoreLayoutTests
{
    [Theory]
    [InlineData("segment-00000000.log", 0)]
    [InlineData("segment-00000042.log", 42)]
    [InlineData("segment-99999999.log", 99999999)]
    [InlineData("segment-100000000.log", 100000000)]
    [InlineData("segment-2147483647.log", int.MaxValue)]
    public void A_segment_name_is_understood(string name, int number)
    {
        Assert.True(StoreLayout.TryParseSegmentName(name, out int segment));
        Assert.Equal(number, segment);
        Assert.Equal(name, StoreLayout.SegmentName(number));
    }

    [Theory]
    [InlineData("segment-0.log")]
    [InlineData("segment-000000042.log")]
    [InlineData("segment-00000042.log.new")]
    [InlineData("segment-0000004２.log")]
    [InlineData("segment-+0000042.log")]
    [InlineData("segment--0000042.log")]
    [InlineData("segment- 0000042.log")]
    [InlineData("segment-99999999999999999999999.log")]
    [InlineData("segment-18446744073709551616.log")]
    [InlineData("segment-2147483648.log")]
    [InlineData("Segment-00000042.log")]
    [InlineData("segment-.log")]
    [InlineData("segment-")]
    [InlineData(".log")]
    [InlineData("")]
    public void Any_other_name_is_not_a_segment(string name) => Assert.False(StoreLayout.TryParseSegmentName(name, out _));

    [Theory]
    [InlineData("g1", true)]
    [InlineData("g120", true)]
    [InlineData("g0", false)]
    [InlineData("g01", false)]
    [InlineData("g", false)]
    [InlineData("G1", false)]
    [InlineData("g-1", false)]
    [InlineData("g1 ", false)]
    public void Generations_have_one_name(string name, bool valid)
    {
        Assert.Equal(valid, StoreLayout.TryParseGenerationName(name, out ulong generation));
        Assert.Equal(valid ? name : "g0", StoreLayout.GenerationName(generation));
    }

    [Fact]
    public void Paths_stand_below_the_store_and_are_shown_relative_to_it()
    {
        StoreLayout layout = new("/a/store");
        Assert.Equal("/a/store/events/segment-00000007.log", layout.SegmentPath(7));
        Assert.Equal("/a/store/state/g3/data.mdb", layout.StateDataPath(3));
        Assert.Equal("events/segment-00000007.log", layout.Relative(layout.SegmentPath(7)));
        Assert.Equal("/elsewhere/x", layout.Relative("/elsewhere/x"));
        Assert.Equal("/a/storey", layout.Relative("/a/storey"));
    }
}
