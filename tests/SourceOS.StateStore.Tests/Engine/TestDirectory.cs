// Why this file exists: a directory of a test's own. Invariants: removed when the test is done, unless the test failed and asked to keep it.

namespace SourceOS.StateStore.Tests;

internal sealed class TestDirectory : IDisposable
{
    internal TestDirectory() => Root = Directory.CreateTempSubdirectory("statestore-test-").FullName;

    internal string Root { get; }

    internal string StorePath => Path.Combine(Root, "store");

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
