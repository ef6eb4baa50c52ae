// Why this file exists: a store of hostile bytes a thousand times a second is not written to a disk. Invariants: the arrays are the files; nothing is copied.

using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Fuzz;

/// <summary>The files of a store in memory.</summary>
internal sealed class MemoryStoreFiles(string root, IReadOnlyDictionary<string, byte[]> files) : StoreFiles
{
    public override ReadStatus Open(string path, out PositionalFile? file)
    {
        file = files.TryGetValue(Path.GetRelativePath(root, path), out byte[]? bytes) ? new MemoryFile(path, bytes) : null;
        return file is null ? ReadStatus.NotFound : ReadStatus.Ok;
    }

    public override ReadStatus List(string directory, StoreEntryVisitor visit)
    {
        string relative = Path.GetRelativePath(root, directory);
        string prefix = relative == "." ? "" : relative + "/";
        HashSet<string> seen = [];
        foreach (string path in files.Keys.Where(path => path.StartsWith(prefix, StringComparison.Ordinal)))
        {
            string[] rest = path[prefix.Length..].Split('/', 2);
            if (seen.Add(rest[0]) && !visit(rest[0], rest.Length == 1 ? StoreEntryKind.File : StoreEntryKind.Directory))
            {
                break;
            }
        }

        return seen.Count == 0 ? ReadStatus.NotFound : ReadStatus.Ok;
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
