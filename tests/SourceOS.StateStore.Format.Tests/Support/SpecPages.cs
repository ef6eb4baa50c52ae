// Why this file exists: tests that compare code with the specification's pages must find them, wherever the tests run from.

namespace SourceOS.StateStore.Format.Tests;

internal static class SpecPages
{
    /// <summary>The folder format-spec of the repository.</summary>
    internal static string Folder { get; } = Find();

    internal static string Read(string page) => File.ReadAllText(Path.Combine(Folder, page));

    private static string Find()
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
