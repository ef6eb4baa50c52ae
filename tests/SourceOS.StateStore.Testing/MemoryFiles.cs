// Why this file exists: tests that change one bit and look again, hundreds of thousands of times, must not write a file each time.
// Invariants: the arrays are the files; a test that changes an array changes the file.

using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Testing;

/// <summary>Files in memory, by path.</summary>
public sealed class MemoryFiles : StoreFiles
{
    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>Loads a directory and everything below it.</summary>
    public static MemoryFiles Load(string directory)
    {
        MemoryFiles files = new();
        foreach (string path in Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories))
        {
            files.Files[path] = File.ReadAllBytes(path);
        }

        return files;
    }

    public override ReadStatus Open(string path, out PositionalFile? file)
    {
        file = Files.TryGetValue(path, out byte[]? bytes) ? new MemoryFile(path, bytes) : null;
        return file is null ? ReadStatus.NotFound : ReadStatus.Ok;
    }

    public override ReadStatus List(string directory, StoreEntryVisitor visit)
    {
        string prefix = directory + Path.DirectorySeparatorChar;
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (string path in Files.Keys.Where(path => path.StartsWith(prefix, StringComparison.Ordinal)))
        {
            string rest = path[prefix.Length..];
            int slash = rest.IndexOf(Path.DirectorySeparatorChar, StringComparison.Ordinal);
            string name = slash < 0 ? rest : rest[..slash];
            if (seen.Add(name) && !visit(name, slash < 0 ? StoreEntryKind.File : StoreEntryKind.Directory))
            {
                break;
            }
        }

        return ReadStatus.Ok;
    }

    private sealed class MemoryFile(string path, byte[] bytes) : PositionalFile(path)
    {
        public override ReadStatus GetLength(out long lengthBytes)
        {
            lengthBytes = bytes.Length;
            return ReadStatus.Ok;
        }

        protected override ReadStatus ReadSome(long offset, Span<byte> destination, out int countBytes)
        {
            countBytes = (int)Math.Clamp(bytes.Length - offset, 0, destination.Length);
            bytes.AsSpan((int)Math.Min(offset, bytes.Length), countBytes).CopyTo(destination);
            return ReadStatus.Ok;
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
