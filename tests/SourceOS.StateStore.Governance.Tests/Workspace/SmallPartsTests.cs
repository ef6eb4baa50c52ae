// Why this file exists: identifiers, the set of seen objects and paths as text are small, and wrong in them would be wrong everywhere.

using System.Text;
using SourceOS.StateStore.Governance.Workspace;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

public sealed class SmallPartsTests
{
    [Fact]
    public void A_surrogate_is_first_once_also_for_many_threads()
    {
        SeenSet seen = new();
        int firsts = 0;
        Parallel.For(0, 8, _ =>
        {
            for (ulong i = 0; i < 100_000; i += 3)
            {
                if (seen.TryMark(i))
                {
                    Interlocked.Increment(ref firsts);
                }
            }
        });
        Assert.Equal(33_334, firsts);
        Assert.True(seen.Contains(99_999));
        Assert.False(seen.Contains(99_998));
        Assert.True(seen.TryMark(ulong.MaxValue));
        Assert.True(seen.Contains(ulong.MaxValue));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(200)]
    [InlineData(201)]
    [InlineData(255)]
    public void An_identifier_fits_whatever_the_workspace_is_called(int length)
    {
        WorkspaceIds ids = new(new string('w', length));
        foreach (EntryKind kind in (EntryKind[])[EntryKind.File, EntryKind.Folder, EntryKind.Link])
        {
            string id = IdOf(ids, kind, "some/path", 0);
            Assert.True(Format.Identifier.IsValid(id));
            Assert.StartsWith(Encoding.UTF8.GetString(ids.Prefix(kind)), id, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Identifiers_differ_by_path_kind_ordinal_and_workspace_and_are_stable()
    {
        WorkspaceIds ids = new("workspace:a");
        string[] all =
        [
            IdOf(ids, EntryKind.File, "p", 0), IdOf(ids, EntryKind.File, "p", 1), IdOf(ids, EntryKind.File, "p", 2), IdOf(ids, EntryKind.File, "q", 0),
            IdOf(ids, EntryKind.Folder, "p", 0), IdOf(ids, EntryKind.Link, "p", 0), IdOf(new WorkspaceIds("workspace:b"), EntryKind.File, "p", 0),
        ];
        Assert.Equal(all.Length, all.Distinct().Count());

        // Stored in real stores: a change here would make every known file new.
        Assert.Equal("file:workspace:a:148de9c5a7a44d19e56cd9ae1a554bf6", all[0]);
    }

    [Fact]
    public void A_path_that_is_not_text_shows_its_bytes()
    {
        Assert.Equal("a/ü/b", PathText.Render("a/ü/b"u8));
        Assert.Equal(@"a\xff\xc3/ü", PathText.Render([(byte)'a', 0xFF, 0xC3, (byte)'/', .. "ü"u8]));
    }

    private static string IdOf(WorkspaceIds ids, EntryKind kind, string path, int ordinal)
    {
        byte[] buffer = new byte[255];
        return Encoding.UTF8.GetString(buffer, 0, ids.Write(kind, Encoding.UTF8.GetBytes(path), ordinal, buffer));
    }
}
