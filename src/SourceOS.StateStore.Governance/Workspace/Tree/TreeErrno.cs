// Why this file exists: names for the error numbers that a walk tells apart, and what each means for a report. Invariants: the
// values are the same on every Linux architecture that .NET runs on.

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>Linux error numbers, positive; <see cref="TreeCalls"/> returns them negated.</summary>
internal static class TreeErrno
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int EINTR = 4;
    public const int EIO = 5;
    public const int EACCES = 13;
    public const int ENOTDIR = 20;
    public const int EINVAL = 22;
    public const int ENAMETOOLONG = 36;
    public const int ELOOP = 40;
    public const int ESTALE = 116;

    /// <summary>Whether the error says that the name is gone, or became something else, since it was listed.</summary>
    public static bool IsVanished(int result) => result is -ENOENT or -ENOTDIR or -ELOOP or -ESTALE;

    /// <summary>The reason a path that gave this error is reported with.</summary>
    public static string Reason(int result) => result switch
    {
        -ENOENT or -ENOTDIR or -ELOOP or -ESTALE => SkipReason.Vanished,
        -EACCES or -EPERM => SkipReason.Unreadable,
        -ENAMETOOLONG => SkipReason.PathTooLong,
        _ => SkipReason.InputOutput,
    };
}
