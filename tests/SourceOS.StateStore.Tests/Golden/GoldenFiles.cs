// Why this file exists: a golden store is kept as text that people can read and diff (format-spec/golden/README.md); this turns it into files and back.
// Invariants: the same files give the same text; a change of the damaged twin says what stood there, and a twin that does not fit its store fails.

using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Tests.Golden;

/// <summary>One byte of the damaged twin.</summary>
internal sealed record GoldenChange(string File, long Offset, byte Was, byte Becomes);

/// <summary>Reads and writes the files of format-spec/golden.</summary>
internal static class GoldenFiles
{
    private const int LineBytes = 32;
    private const int ShortestRun = 8;

    /// <summary>The folder format-spec.</summary>
    internal static string Pages { get; } = FindPages();

    internal static string PathOf(string name) => Path.Combine(Pages, "golden", name);

    /// <summary>Lines of a file without comments and empty ones.</summary>
    internal static List<string> Lines(string name) => [.. File.ReadLines(PathOf(name)).Where(line => line.Length > 0 && line[0] != '#')];

    /// <summary>Writes the golden store as files.</summary>
    internal static void Unpack(string name, string store)
    {
        Directory.CreateDirectory(store);
        string file = "";
        MemoryStream bytes = new();
        foreach (string line in Lines(name).Append("file: "))
        {
            if (!line.StartsWith("file: ", StringComparison.Ordinal))
            {
                AddPieces(bytes, line);
                continue;
            }

            if (file.Length > 0)
            {
                string path = Path.Combine(store, file);
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllBytes(path, bytes.ToArray());
            }

            file = line[6..];
            bytes.SetLength(0);
        }
    }

    /// <summary>The store's files as text; LOCK and liblmdb's lock file hold nothing that outlives a process, so they are left out.</summary>
    internal static string Pack(string store)
    {
        StringBuilder text = new();
        foreach (string path in Directory.EnumerateFiles(store, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            if (Path.GetFileName(path) is not ("LOCK" or "lock.mdb"))
            {
                text.Append(CultureInfo.InvariantCulture, $"file: {Path.GetRelativePath(store, path)}\n");
                WritePieces(text, File.ReadAllBytes(path));
            }
        }

        return text.ToString();
    }

    /// <summary>The damaged twin's changes.</summary>
    internal static List<GoldenChange> Changes(string name) =>
    [
        .. Values(name, "change").Select(static value =>
        {
            string[] parts = value.Split(' ');
            return new GoldenChange(parts[0], long.Parse(parts[1], CultureInfo.InvariantCulture), Convert.FromHexString(parts[2])[0], Convert.FromHexString(parts[3])[0]);
        }),
    ];

    /// <summary>Makes a golden store its damaged twin.</summary>
    internal static void Apply(IEnumerable<GoldenChange> changes, string store)
    {
        foreach (GoldenChange change in changes)
        {
            using FileStream file = new(Path.Combine(store, change.File), FileMode.Open);
            file.Position = change.Offset;
            Assert.Equal(change.Was, file.ReadByte());
            file.Position = change.Offset;
            file.WriteByte(change.Becomes);
        }
    }

    /// <summary>The values of all lines with a name, in order.</summary>
    internal static IEnumerable<string> Values(string file, string name) =>
        Lines(file).Where(line => line.StartsWith(name + ": ", StringComparison.Ordinal)).Select(line => line[(name.Length + 2)..]);

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

            byte[] run = new byte[int.Parse(piece.AsSpan(times + 1), CultureInfo.InvariantCulture)];
            run.AsSpan().Fill(Convert.FromHexString(piece.AsSpan(0, times))[0]);
            bytes.Write(run);
        }
    }

    private static void WritePieces(StringBuilder text, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int run = RunAt(bytes);
            if (run >= ShortestRun)
            {
                text.Append(CultureInfo.InvariantCulture, $"  {bytes[0]:x2}x{run}\n");
                bytes = bytes[run..];
                continue;
            }

            int plain = 0;
            while (plain < Math.Min(LineBytes, bytes.Length) && RunAt(bytes[plain..]) < ShortestRun)
            {
                plain++;
            }

            text.Append("  ").Append(Convert.ToHexStringLower(bytes[..plain])).Append('\n');
            bytes = bytes[plain..];
        }
    }

    private static int RunAt(ReadOnlySpan<byte> bytes)
    {
        int other = bytes.IndexOfAnyExcept(bytes[0]);
        return other < 0 ? bytes.Length : other;
    }

    private static string FindPages()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            string candidate = Path.Combine(at.FullName, "format-spec");
            if (File.Exists(Path.Combine(candidate, "README.md")))
            {
                return candidate;
            }
        }

        throw new DirectoryNotFoundException("format-spec stands above no folder of the test's output.");
    }
}
