// Why this file exists: which paths an adoption leaves out. Invariants: rules come only from `.statestoreignore` files inside the tree, each
// bounded; the rule that decides is the last matching one of the deepest file that has one; an unreadable ignore file is reported, never guessed.
//
// The syntax is the common core of gitignore: `#` comments, `!` takes back in, a slash at the end means folders only, a slash
// elsewhere ties the pattern to the file's folder, `*` `?` `[a-z]` `[!a-z]` stay within one name, `**` as a whole segment spans folders,
// a backslash takes the next byte as it is. As in gitignore, nothing below an ignored folder can be taken back in.

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>The ignore rules in force in one folder. Immutable.</summary>
internal sealed class IgnoreRules
{
    /// <summary>Largest ignore file that is read.</summary>
    public const int MaxFileBytes = 64 * 1024;

    /// <summary>Longest line that is read as a pattern; longer ones match nothing.</summary>
    public const int MaxLineBytes = 1024;

    private readonly IgnoreRules? _outer;
    private readonly IgnorePattern[] _patterns;
    private readonly int _baseLength;

    private IgnoreRules(IgnoreRules? outer, IgnorePattern[] patterns, int baseLength)
    {
        _outer = outer;
        _patterns = patterns;
        _baseLength = baseLength;
    }

    /// <summary>The name of an ignore file, with its NUL.</summary>
    public static ReadOnlySpan<byte> FileNameWithNul => ".statestoreignore\0"u8;

    /// <summary>Adds a folder's own rules to those around it.</summary>
    /// <param name="outer">The rules of the folder above; null when there are none.</param>
    /// <param name="content">The ignore file's bytes.</param>
    /// <param name="folderPath">The folder's path below the root, empty for the root.</param>
    /// <returns>The rules in force in the folder.</returns>
    public static IgnoreRules? Add(IgnoreRules? outer, ReadOnlySpan<byte> content, ReadOnlySpan<byte> folderPath)
    {
        List<IgnorePattern> patterns = [];
        foreach (Range range in content.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = content[range];
            if (line.Length <= MaxLineBytes && IgnorePattern.Parse(line) is { } pattern)
            {
                patterns.Add(pattern);
            }
        }

        return patterns.Count == 0 ? outer : new IgnoreRules(outer, [.. patterns], folderPath.IsEmpty ? 0 : folderPath.Length + 1);
    }

    /// <summary>Whether the rules leave a path out.</summary>
    /// <param name="path">The path below the root.</param>
    /// <param name="isFolder">Whether it is a folder.</param>
    public bool IsIgnored(ReadOnlySpan<byte> path, bool isFolder)
    {
        for (IgnoreRules? rules = this; rules is not null; rules = rules._outer)
        {
            ReadOnlySpan<byte> below = path[rules._baseLength..];
            for (int i = rules._patterns.Length - 1; i >= 0; i--)
            {
                if (rules._patterns[i].IsMatch(below, isFolder))
                {
                    return !rules._patterns[i].IsNegated;
                }
            }
        }

        return false;
    }
}
