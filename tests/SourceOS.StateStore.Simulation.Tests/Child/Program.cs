// Why this file exists: what dies must be a real process. The test assembly is also a program, so that a test can start it as a child, kill it, or
// trace it. Invariants: the first argument names the role; an unknown one ends it with 2; a role that fails says so on its standard output.

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>The roles that a child process can take.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        try
        {
            switch (args)
            {
                case ["commit", string path, string seed, string round]:
                    await CommittingChild.RunAsync(path, Numbers.Parse(seed), Numbers.Parse(round));
                    return 0;
                case ["lone", string path, string count]:
                    await TracedChild.RunAsync(path, Numbers.Parse(count));
                    return 0;
                case ["lmdb", string path, string damage, string from, string until]:
                    RawLmdbChild.Run(path, damage, Numbers.Parse(from), Numbers.Parse(until));
                    return 0;
                default:
                    return 2;
            }
        }
        catch (StateStoreException exception)
        {
            ChildOutput.Say($"fault {exception.Code}: {exception.Message}".ReplaceLineEndings(" "));
            return 3;
        }
    }
}
