// Why this file exists: tests find the repository, and third-party data beside it, which is not part of the project.

namespace SourceOS.StateStore.Boot.Tests;

internal static class Repository
{
    /// <summary>The root of the repository.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The folder of third-party data; null where it is absent.</summary>
    public static string? Interop { get; } = Directory.Exists(Path.Combine(Root, "..", "shared", "interop")) ? Path.GetFullPath(Path.Combine(Root, "..", "shared", "interop")) : null;

    private static string FindRoot()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "SourceOS.StateStore.sln")))
        {
            at = at.Parent;
        }

        return at?.FullName ?? throw new InvalidOperationException("The repository's root was not found.");
    }
}
