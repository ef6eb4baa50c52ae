// Why this file exists: what counts as checked decides which pages liblmdb may touch unchecked, so its few rules are looked at one by one.

using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

public sealed class CheckedPagesTests
{
    [Fact]
    public void Only_what_was_added_counts_until_all_is_forgotten_and_pages_beyond_the_bound_never_do()
    {
        CheckedPages pages = new(100_000);
        pages.Add(7);
        pages.Add(99_999);
        pages.Add(100_000);
        Assert.True(pages.Contains(7));
        Assert.True(pages.Contains(99_999));
        Assert.False(pages.Contains(8));
        Assert.False(pages.Contains(100_000));
        Assert.False(pages.Contains(ulong.MaxValue));
        pages.Clear();
        Assert.False(pages.Contains(7));
    }
}
