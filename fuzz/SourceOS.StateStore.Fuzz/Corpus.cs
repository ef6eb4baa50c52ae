// Why this file exists: what was worth keeping: samples of every kind, and each input that once failed, so that every run begins with it. Invariants: one file is one sample; a target without a folder has none.

namespace SourceOS.StateStore.Fuzz;

/// <summary>Reads the kept corpus and the golden store.</summary>
internal static class Corpus
{
    /// <summary>The repository.</summary>
    internal static string Root { get; } = FindRoot();

    /// <summary>The kept samples of a target.</summary>
    internal static IEnumerable<byte[]> Read(string target)
    {
        string folder = Path.Combine(Root, "fuzz", "corpus", target);
        return Directory.Exists(folder) ? Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal).Select(File.ReadAllBytes) : [];
    }

    /// <summary>The files of the golden store (format-spec/golden/README.md), by path.</summary>
    internal static Dictionary<string, byte[]> Golden { get; } = ReadGolden();

    private static Dictionary<string, byte[]> ReadGolden()
    {
        Dictionary<string, byte[]> files = [];
        MemoryStream bytes = new();
        string name = "";
        foreach (string line in File.ReadLines(Path.Combine(Root, "format-spec", "golden", "v1.store")).Where(static line => line.Length > 0 && line[0] != '#').Append("file: "))
        {
            if (!line.StartsWith("file: ", StringComparison.Ordinal))
            {
                AddPieces(bytes, line);
                continue;
            }

            if (name.Length > 0)
            {
                files.Add(name, bytes.ToArray());
            }

            bytes.SetLength(0);
            name = line[6..];
        }

        return files;
    }

    private static void AddPieces(MemoryStream bytes, string line)
    {
        foreach (string piece in line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            int times = piece.IndexOf('x', StringComparison.Ordinal);
            if (times < 0)
            {
                bytes.Write(Convert.FromHexString(piece));
                continue;
            }

            byte[] run = new byte[int.Parse(piece.AsSpan(times + 1), System.Globalization.CultureInfo.InvariantCulture)];
            run.AsSpan().Fill(Convert.FromHexString(piece.AsSpan(0, times))[0]);
            bytes.Write(run);
        }
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "SourceOS.StateStore.sln")))
            {
                return at.FullName;
            }
        }

        throw new DirectoryNotFoundException("The fuzz program runs from inside the repository, whose corpus it needs.");
    }
}
