// Why this file exists: the list of segments is what the directory holds and nothing more. Invariants: contents of the files do not matter.

using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Log;

public sealed class SegmentCatalogTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly StoreLayout _layout;

    public SegmentCatalogTests()
    {
        _layout = new StoreLayout(_directory.Path);
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Segments_are_listed_in_order_with_their_gaps()
    {
        Make("segment-00000009.log", "segment-00000002.log", "segment-00000003.log", "segment-00000005.log");
        SegmentCatalog catalog = SegmentCatalog.List(_layout);
        Assert.Equal(ReadStatus.Ok, catalog.Status);
        Assert.Equal([2, 3, 5, 9], catalog.Segments.ToArray());
        Assert.Equal((2, 9, 4), (catalog.First, catalog.Last, catalog.Count));
        Assert.Equal([new SegmentGap(4, 4), new SegmentGap(6, 8)], catalog.Gaps);
        Assert.Equal(4, catalog.MissingCount);
        Assert.True(catalog.Contains(5));
        Assert.False(catalog.Contains(4));
        Assert.Empty(catalog.StrayNames);
    }

    [Fact]
    public void Other_names_are_strays_and_half_made_segments_are_told_apart()
    {
        Make("segment-00000000.log", "segment-00000001.log.new", "segment-1.log", "readme", "segment-00000002.log~", "segment-1.log.new");
        Directory.CreateDirectory(Path.Combine(_layout.EventsPath, "segment-00000007.log"));
        SegmentCatalog catalog = SegmentCatalog.List(_layout);
        Assert.Equal([0], catalog.Segments.ToArray());
        Assert.Equal(["segment-00000001.log.new"], catalog.UnfinishedNames);
        Assert.Equal(["readme", "segment-00000002.log~", "segment-00000007.log", "segment-1.log", "segment-1.log.new"], catalog.StrayNames);
        Assert.Equal(5, catalog.StrayCount);
    }

    [Fact]
    public void A_missing_directory_is_a_status_and_an_empty_list()
    {
        SegmentCatalog catalog = SegmentCatalog.List(_layout);
        Assert.Equal(ReadStatus.NotFound, catalog.Status);
        Assert.Equal((-1, -1, 0), (catalog.First, catalog.Last, catalog.Count));
    }

    [Fact]
    public void A_directory_full_of_strays_keeps_only_some_of_their_names()
    {
        Make([.. Enumerable.Range(0, SegmentCatalog.MaxKept + 50).Select(static i => $"x{i}")]);
        SegmentCatalog catalog = SegmentCatalog.List(_layout);
        Assert.Equal(SegmentCatalog.MaxKept, catalog.StrayNames.Count);
        Assert.Equal(SegmentCatalog.MaxKept + 50, catalog.StrayCount);
    }

    [Fact]
    public void Very_many_gaps_are_counted_but_not_all_kept()
    {
        Make([.. Enumerable.Range(0, SegmentCatalog.MaxKept + 50).Select(static i => StoreLayout.SegmentName(i * 2))]);
        SegmentCatalog catalog = SegmentCatalog.List(_layout);
        Assert.Equal(SegmentCatalog.MaxKept, catalog.Gaps.Count);
        Assert.Equal(SegmentCatalog.MaxKept + 49, catalog.MissingCount);
    }

    private void Make(params string[] names)
    {
        Directory.CreateDirectory(_layout.EventsPath);
        foreach (string name in names)
        {
            File.WriteAllBytes(Path.Combine(_layout.EventsPath, name), []);
        }
    }
}
