// Why this file exists: "one sync per lone commit, none per read" is counted by the kernel's own witness, on a real process. Invariants: every kind of
// sync call counts; calls are taken by their start, so that two threads cannot hide one; the segment made ahead of need is not part of a commit.

using System.Diagnostics;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed class SyncCountTests(ITestOutputHelper output)
{
    private const int Commits = 40;
    private static readonly string[] s_syncs = ["fdatasync(", "fsync(", "sync_file_range(", "msync(", "syncfs(", "sync("];

    [Fact]
    public async Task A_lone_commit_syncs_once_and_a_read_never()
    {
        Campaign campaign = new("strace", output);
        using Scratch scratch = new();
        string trace = scratch.Next("trace");
        string store = scratch.Next();
        string[] wrapper = ["strace", "-f", "-y", "-e", "trace=fdatasync,fsync,sync_file_range,msync,syncfs,sync,write", "-e", "signal=none", "-o", trace];
        using (ChildProcess child = ChildProcess.Start(wrapper, "lone", store, ChildProcess.Text(Commits)))
        {
            IReadOnlyList<string> said = await child.EndAsync();
            Assert.True(said.SequenceEqual([TracedChild.Commits, TracedChild.Reads, TracedChild.End]), string.Join('\n', said));
        }

        List<string> lines = [.. await File.ReadAllLinesAsync(trace)];
        (int commits, int reads, int end) = (Find(lines, TracedChild.Commits), Find(lines, TracedChild.Reads), Find(lines, TracedChild.End));
        List<string> whileCommitting = Syncs(lines[commits..reads]);
        List<string> whileReading = Syncs(lines[reads..end]);
        campaign.Try("commits", () =>
        {
            int ofLog = whileCommitting.Count(line => line.Contains("fdatasync(", StringComparison.Ordinal) && line.Contains("/segment-00000000.log", StringComparison.Ordinal));
            return ofLog == Commits && whileCommitting.Count == Commits ? null : $"{Commits} commits, {ofLog} syncs of the log, all: {string.Join('\n', whileCommitting)}";
        });
        campaign.Try("reads", () => whileReading.Count == 0 ? null : string.Join('\n', whileReading));
        campaign.Finish(atLeast: 2);
    }

    private static int Find(List<string> lines, string mark)
    {
        int at = lines.FindIndex(line => line.Contains("write(", StringComparison.Ordinal) && line.Contains(mark, StringComparison.Ordinal));
        Assert.True(at >= 0, $"{mark} is not in the trace");
        return at;
    }

    private static List<string> Syncs(List<string> lines) =>
        [.. lines.Where(line => s_syncs.Any(call => line.Contains(" " + call, StringComparison.Ordinal)) && !line.Contains("/segment-00000001.log", StringComparison.Ordinal))];
}
