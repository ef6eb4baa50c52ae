// Why this file exists: the files of the repository, as the house rules see them. Invariants: paths are relative to the repository's root with
// forward slashes; what a build or a test run leaves behind is not part of it.

namespace SourceOS.StateStore.Architecture.Tests.Support;

/// <summary>Finds and reads the repository's own files.</summary>
internal static class Repository
{
    private static readonly HashSet<string> s_leftovers = new(StringComparer.Ordinal)
    {
        "bin", "obj", ".git", ".vs", ".idea", "TestResults", "BenchmarkDotNet.Artifacts", "artifacts", ".statestore",
    };

    private static readonly string[] s_binaryEndings = [".gz", ".mdb", ".png", ".so"];

    /// <summary>The directory that holds the solution.</summary>
    internal static string Root { get; } = FindRoot();

    /// <summary>Every file, in order of its path.</summary>
    internal static IReadOnlyList<string> Files { get; } = List();

    /// <summary>Files that people read: all but compressed and compiled ones.</summary>
    internal static IEnumerable<string> TextFiles => Files.Where(path => !s_binaryEndings.Any(ending => path.EndsWith(ending, StringComparison.Ordinal)));

    /// <summary>The C# files under some top folders.</summary>
    internal static IEnumerable<string> CSharp(params string[] folders) =>
        Files.Where(path => path.EndsWith(".cs", StringComparison.Ordinal) && folders.Any(folder => path.StartsWith(folder + "/", StringComparison.Ordinal)));

    /// <summary>The whole text of a file.</summary>
    internal static string Read(string path) => File.ReadAllText(System.IO.Path.Combine(Root, path));

    /// <summary>Whether a file is there.</summary>
    internal static bool Exists(string path) => File.Exists(System.IO.Path.Combine(Root, path));

    private static string FindRoot()
    {
        for (DirectoryInfo? directory = new(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(directory.FullName, "SourceOS.StateStore.sln")))
            {
                return directory.FullName;
            }
        }

        throw new InvalidOperationException("The tests run from inside the repository, but no folder above them holds SourceOS.StateStore.sln.");
    }

    private static List<string> List()
    {
        List<string> files = [];
        Stack<string> folders = new([Root]);
        while (folders.TryPop(out string? folder))
        {
            foreach (string child in Directory.GetDirectories(folder))
            {
                if (!s_leftovers.Contains(System.IO.Path.GetFileName(child)))
                {
                    folders.Push(child);
                }
            }

            files.AddRange(Directory.GetFiles(folder).Select(file => System.IO.Path.GetRelativePath(Root, file)));
        }

        // In a linked work tree .git is a file, not a folder.
        files.Remove(".git");
        files.Sort(StringComparer.Ordinal);
        return files;
    }
}
