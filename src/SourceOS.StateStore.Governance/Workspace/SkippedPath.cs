// Why this file exists: whatever an adoption could not take is named with a reason that programs can tell apart. Invariants: reasons
// are stable words; a path is printable, so bytes that are not UTF-8 appear as \xNN.

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>A path that was not adopted.</summary>
/// <param name="Path">The path below the tree's root; bytes that are not UTF-8 appear as <c>\xNN</c>. Empty for the root itself.</param>
/// <param name="Reason">One of <see cref="SkipReason"/>.</param>
public sealed record SkippedPath(string Path, string Reason);

/// <summary>Why a path was not adopted. The words are stable.</summary>
public static class SkipReason
{
    /// <summary>The process may not read it.</summary>
    public const string Unreadable = "unreadable";

    /// <summary>It was gone, or had become something else, when it was its turn.</summary>
    public const string Vanished = "vanished";

    /// <summary>It is a pipe, a socket or a device.</summary>
    public const string SpecialFile = "special_file";

    /// <summary>It is larger than <see cref="AdoptOptions.MaxFileBytes"/>.</summary>
    public const string TooLarge = "too_large";

    /// <summary>Its name is not UTF-8.</summary>
    public const string NameNotUtf8 = "name_not_utf8";

    /// <summary>Its path has more than 4,095 bytes.</summary>
    public const string PathTooLong = "path_too_long";

    /// <summary>It changed while it was read, twice.</summary>
    public const string Changing = "changing";

    /// <summary>The operating system could not read it.</summary>
    public const string InputOutput = "io_error";

    /// <summary>The folder is on another file system.</summary>
    public const string OtherFileSystem = "other_file_system";

    /// <summary>The folder is more than 255 levels below the root.</summary>
    public const string TooDeep = "too_deep";

    /// <summary>The folder contains itself, by a mount.</summary>
    public const string FolderLoop = "folder_loop";

    /// <summary>The link's target is not UTF-8 or has more than 4,095 bytes.</summary>
    public const string LinkTarget = "link_target";

    /// <summary>The ignore file cannot be read, or has more than 65,536 bytes; the folder is adopted without it.</summary>
    public const string IgnoreFileUnreadable = "ignore_file";

    /// <summary>Every identifier that the path may have belongs to an object that was renamed away from it.</summary>
    public const string NoIdentifier = "no_identifier";
}
