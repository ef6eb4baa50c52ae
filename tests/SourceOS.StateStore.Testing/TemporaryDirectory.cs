// Why this file exists: every test gets a directory of its own and leaves nothing behind. Invariants: names never collide
// between processes; Dispose removes everything, also after a failed test.

namespace SourceOS.StateStore.Testing;

/// <summary>A fresh directory under the system's temporary directory, removed on dispose.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    public TemporaryDirectory()
    {
        Path = Directory.CreateTempSubdirectory("statestore-test-").FullName;
    }

    /// <summary>Its path.</summary>
    public string Path { get; }

    /// <summary>The path of a name in it.</summary>
    public string PathOf(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        if (Directory.Exists(Path))
        {
            Directory.Delete(Path, recursive: true);
        }
    }
}
