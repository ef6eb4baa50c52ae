// Why this file exists: tests of readers write real files and leave none behind. Invariants: each instance has its own directory.

namespace SourceOS.StateStore.Readers.Tests.Log;

internal sealed class ScratchDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("statestore-readers-").FullName;

    public string PathOf(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
