// Why this file exists: the one place through which every reader opens and lists files, so that a test can inject each error the
// kernel knows. Invariants: nothing is created, written or locked; no error of the operating system becomes an exception; a
// special file (a pipe, a device, a directory) is refused without waiting on it.

using System.IO.Enumeration;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>What a directory entry is.</summary>
public enum StoreEntryKind
{
    /// <summary>A regular file, or a link.</summary>
    File = 1,

    /// <summary>A directory.</summary>
    Directory = 2,
}

/// <summary>Receives one directory entry.</summary>
/// <param name="name">Its name without the directory.</param>
/// <param name="kind">What it is.</param>
/// <returns>Whether to go on.</returns>
public delegate bool StoreEntryVisitor(string name, StoreEntryKind kind);

/// <summary>Read access to files. Implementations are thread-safe.</summary>
public abstract class StoreFiles
{
    /// <summary>The files of the running kernel.</summary>
    public static StoreFiles Native { get; } = new NativeStoreFiles();

    /// <summary>Opens a regular file for reading.</summary>
    /// <param name="path">The file.</param>
    /// <param name="file">The open file, to be disposed by the caller; null unless the status is <see cref="ReadStatus.Ok"/>.</param>
    /// <returns>What became of it.</returns>
    public abstract ReadStatus Open(string path, out PositionalFile? file);

    /// <summary>Visits the entries of a directory, in no particular order, without holding them all.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="visit">Called once for each entry.</param>
    /// <returns>What became of it; entries may have been visited before a failure.</returns>
    public abstract ReadStatus List(string directory, StoreEntryVisitor visit);

    private sealed class NativeStoreFiles : StoreFiles
    {
        private static readonly EnumerationOptions _everything = new()
        {
            AttributesToSkip = 0,
            IgnoreInaccessible = false,
            RecurseSubdirectories = false,
            ReturnSpecialDirectories = false,
        };

        public override ReadStatus Open(string path, out PositionalFile? file) => NativePositionalFile.Open(path, out file);

        public override ReadStatus List(string directory, StoreEntryVisitor visit)
        {
            ArgumentException.ThrowIfNullOrEmpty(directory);
            ArgumentNullException.ThrowIfNull(visit);
            try
            {
                FileSystemEnumerable<(string Name, StoreEntryKind Kind)> entries = new(
                    directory,
                    static (ref FileSystemEntry entry) => (entry.FileName.ToString(), entry.IsDirectory ? StoreEntryKind.Directory : StoreEntryKind.File),
                    _everything);
                foreach ((string name, StoreEntryKind kind) in entries)
                {
                    if (!visit(name, kind))
                    {
                        break;
                    }
                }

                return ReadStatus.Ok;
            }
            catch (DirectoryNotFoundException)
            {
                return File.Exists(directory) ? ReadStatus.WrongKind : ReadStatus.NotFound;
            }
            catch (UnauthorizedAccessException)
            {
                return ReadStatus.AccessDenied;
            }
            catch (IOException)
            {
                return File.Exists(directory) ? ReadStatus.WrongKind : ReadStatus.InputOutput;
            }
        }
    }
}
