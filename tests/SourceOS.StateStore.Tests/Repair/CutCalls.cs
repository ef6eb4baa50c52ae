// Why this file exists: tests that cut work off at calls to the kernel choose those calls the same way. Invariants: every change of a name is a step of its own; of the writes and syncs between them the first and every so
// many; from the chosen call on every call that changes anything fails; STATESTORE_SCALE multiplies how many steps are chosen.

using System.Globalization;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Tests;

internal static class CutCalls
{
    private const FileCallKinds Names = FileCallKinds.Rename | FileCallKinds.Unlink | FileCallKinds.MkDir | FileCallKinds.RmDir;
    private const FileCallKinds Changing = Names | FileCallKinds.PWrite | FileCallKinds.FDataSync | FileCallKinds.FSync | FileCallKinds.FTruncate | FileCallKinds.Fallocate | FileCallKinds.FSyncDirectory;

    /// <summary>STATESTORE_SCALE; 1 when it is not set.</summary>
    internal static double Scale => double.TryParse(Environment.GetEnvironmentVariable("STATESTORE_SCALE"), NumberStyles.Float, CultureInfo.InvariantCulture, out double scale) ? scale : 1;

    /// <summary>Runs work on a copy of a store and numbers its calls that change anything.</summary>
    internal static async Task<List<long>> StepsAsync(TestDirectory directory, int every, Func<string, FileOps, Task> work)
    {
        string copy = Path.Combine(directory.Root, "counted");
        StoreCopy.CopyLive(directory.StorePath, copy);
        List<long> names = [];
        List<long> others = [];
        long changing = 0;
        Lock gate = new();
        FaultingFileOps ops = new(LinuxFileOps.Instance)
        {
            Before = call =>
            {
                lock (gate)
                {
                    if ((call.Kind & Changing) != 0)
                    {
                        changing++;
                        ((call.Kind & Names) != 0 ? names : others).Add(changing);
                    }
                }
            },
        };
        await work(copy, ops);
        Directory.Delete(copy, recursive: true);
        return [.. names.Concat(others.Where((_, i) => i % every == 0)).Order()];
    }

    /// <summary>As many steps as the scale asks for, spread over all.</summary>
    internal static IEnumerable<long> Chosen(List<long> steps, int count)
    {
        int wanted = (int)Math.Min(steps.Count, Math.Max(1, count * Scale));
        return Enumerable.Range(0, wanted).Select(i => steps[(int)((long)i * steps.Count / wanted)]).Distinct();
    }

    /// <summary>Calls of which every one that changes anything fails from a step on.</summary>
    internal static FaultingFileOps FailingFrom(long step)
    {
        FaultingFileOps ops = new(LinuxFileOps.Instance);
        ops.Fail(Changing, Errno.EIO, nth: (int)step, times: FaultRule.Forever);
        return ops;
    }
}
