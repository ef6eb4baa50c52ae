// Why this file exists: a file that rotted where nobody looks is found by hashing it again, and an ordinary change is not called damage. Invariants: the tree is never written to by the check;
// a link that leads out of the tree is not followed.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Tests.Gates;
using SourceOS.StateStore.Governance.Workspace;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

public sealed class AdoptedFilesCheckTests : IDisposable
{
    private readonly GovernedFixture _store = new();
    private readonly TemporaryDirectory _tree = new();

    public void Dispose()
    {
        _store.Dispose();
        _tree.Dispose();
    }

    [Fact]
    public async Task Rot_is_damage_a_change_is_news_and_what_is_gone_is_named()
    {
        string deep = Path.Combine(_tree.Path, "a", "b");
        Directory.CreateDirectory(deep);
        for (int i = 0; i < 20; i++)
        {
            await WriteAsync(Path.Combine(deep, $"file-{i}"), $"content {i}");
        }

        await AdoptAsync();
        Assert.Empty(Check().Findings);
        await WriteAsync(Path.Combine(deep, "file-3"), "CONTENT 3");
        await File.WriteAllTextAsync(Path.Combine(deep, "file-4"), "another content");
        File.Delete(Path.Combine(deep, "file-5"));
        VerificationReport report = Check();
        Assert.Equal(VerificationVerdict.Damaged, report.Verdict);
        Assert.Equal(
            [("workspace.file.changed", "a/b/file-4"), ("workspace.file.differs", "a/b/file-3"), ("workspace.file.missing", "a/b/file-5")],
            report.Findings.Select(static finding => (finding.Code, finding.Place.File)).Order());
        await AdoptAsync();
        Assert.Equal(["workspace.file.differs"], Check().Findings.Select(static finding => finding.Code));
    }

    [Fact]
    public async Task A_folder_that_became_a_link_is_not_followed_and_a_tree_that_is_gone_is_not_checked()
    {
        string folder = Path.Combine(_tree.Path, "folder");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "file"), "content");
        await AdoptAsync();
        using TemporaryDirectory elsewhere = new();
        await File.WriteAllTextAsync(Path.Combine(elsewhere.Path, "file"), "content");
        Directory.Delete(folder, recursive: true);
        Directory.CreateSymbolicLink(folder, elsewhere.Path);
        Assert.Equal(["workspace.file.missing"], Check().Findings.Select(static finding => finding.Code));
        Directory.Delete(_tree.Path, recursive: true);
        VerificationReport report = Check();
        Assert.Empty(report.Findings);
        Assert.Contains(report.NotChecked, static left => left.What.StartsWith("files of workspace:", StringComparison.Ordinal));
    }

    // Files of one size are of one time too, so that only their bytes tell them apart.
    private static async Task WriteAsync(string path, string content)
    {
        await File.WriteAllTextAsync(path, content);
        File.SetLastWriteTimeUtc(path, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
    }

    private async Task AdoptAsync()
    {
        AdoptReport report = await WorkspaceAdapter.AdoptAsync(_store.Store, _store.Session().Identity, _tree.Path);
        Assert.Null(report.Refusal);
    }

    private VerificationReport Check()
    {
        VerificationReport report = StoreVerifier.Run(_store.Path);
        Assert.Equal(VerificationVerdict.Clean, report.Verdict);
        return AdoptedFilesCheck.AddTo(_store.Store, report with { Findings = [], FindingCount = 0, NotChecked = [] });
    }
}
