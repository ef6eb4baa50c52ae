// Why this file exists: names for the error numbers that the store tells apart. Invariants: these values are the same on
// every Linux architecture that .NET runs on; everything else is shown by number.

using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Storage.Files;

/// <summary>Linux error numbers, positive; <see cref="FileOps"/> returns them negated.</summary>
public static class Errno
{
    /// <summary>Operation not permitted.</summary>
    public const int EPERM = 1;

    /// <summary>No such file or directory.</summary>
    public const int ENOENT = 2;

    /// <summary>Interrupted by a signal.</summary>
    public const int EINTR = 4;

    /// <summary>Input/output error.</summary>
    public const int EIO = 5;

    /// <summary>No such device or address: neither a file nor a directory.</summary>
    public const int ENXIO = 6;

    /// <summary>Bad file descriptor.</summary>
    public const int EBADF = 9;

    /// <summary>Try again; a lock is held by another.</summary>
    public const int EAGAIN = 11;

    /// <summary>Out of memory.</summary>
    public const int ENOMEM = 12;

    /// <summary>Permission denied.</summary>
    public const int EACCES = 13;

    /// <summary>Already there.</summary>
    public const int EEXIST = 17;

    /// <summary>Part of the path is not a directory.</summary>
    public const int ENOTDIR = 20;

    /// <summary>Is a directory.</summary>
    public const int EISDIR = 21;

    /// <summary>Invalid argument.</summary>
    public const int EINVAL = 22;

    /// <summary>Too many open files in the system.</summary>
    public const int ENFILE = 23;

    /// <summary>Too many open files in this process.</summary>
    public const int EMFILE = 24;

    /// <summary>File too large.</summary>
    public const int EFBIG = 27;

    /// <summary>No space left on the device.</summary>
    public const int ENOSPC = 28;

    /// <summary>The file system is mounted read-only.</summary>
    public const int EROFS = 30;

    /// <summary>Function not there.</summary>
    public const int ENOSYS = 38;

    /// <summary>Directory not empty.</summary>
    public const int ENOTEMPTY = 39;

    /// <summary>A symbolic link where none may be.</summary>
    public const int ELOOP = 40;

    /// <summary>Not supported by this file system.</summary>
    public const int EOPNOTSUPP = 95;

    /// <summary>The user's disk quota is used up.</summary>
    public const int EDQUOT = 122;

    /// <summary>Name, number and the system's words for an error.</summary>
    /// <param name="errno">A positive error number.</param>
    /// <returns>For example "ENOSPC 28, No space left on device".</returns>
    public static string Describe(int errno)
    {
        string name = errno switch
        {
            EPERM => "EPERM",
            ENOENT => "ENOENT",
            EINTR => "EINTR",
            EIO => "EIO",
            ENXIO => "ENXIO",
            EBADF => "EBADF",
            EAGAIN => "EAGAIN",
            ENOMEM => "ENOMEM",
            EACCES => "EACCES",
            EEXIST => "EEXIST",
            ENOTDIR => "ENOTDIR",
            EISDIR => "EISDIR",
            EINVAL => "EINVAL",
            ENFILE => "ENFILE",
            EMFILE => "EMFILE",
            EFBIG => "EFBIG",
            ENOSPC => "ENOSPC",
            EROFS => "EROFS",
            ENOSYS => "ENOSYS",
            ENOTEMPTY => "ENOTEMPTY",
            ELOOP => "ELOOP",
            EOPNOTSUPP => "EOPNOTSUPP",
            EDQUOT => "EDQUOT",
            _ => "errno",
        };
        return $"{name} {errno}, {Marshal.GetPInvokeErrorMessage(errno)}";
    }
}
