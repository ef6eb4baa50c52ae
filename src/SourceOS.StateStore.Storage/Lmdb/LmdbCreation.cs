// Why this file exists: LMDB does not sync the first metas of a fresh file, so a new environment is made beside its place and moved there
// when every byte and every name of it is on the disk.
// Invariants: the target appears complete or not at all; a leftover of an earlier attempt is removed only when it holds nothing but an
// environment's own two files; the recipe is: fill, sync, close, fsync file, fsync directory, rename, fsync parent.

using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>An environment in the making. Fill <see cref="Environment"/>, then <see cref="Complete"/>; disposing it before removes it.</summary>
public sealed class LmdbCreation : IDisposable
{
    /// <summary>What is appended to the target's name while it is being made.</summary>
    public const string TemporarySuffix = ".new";

    private readonly FileOps _files;
    private readonly string _temporary;
    private LmdbEnvironment? _environment;
    private bool _isComplete;

    private LmdbCreation(FileOps files, string target, string temporary, LmdbEnvironment environment)
    {
        _files = files;
        TargetPath = target;
        _temporary = temporary;
        _environment = environment;
    }

    /// <summary>The directory that the environment will have.</summary>
    public string TargetPath { get; }

    /// <summary>The environment to fill. It does not sync by itself.</summary>
    public LmdbEnvironment Environment
    {
        get
        {
            ObjectDisposedException.ThrowIf(_environment is null, this);
            return _environment;
        }
    }

    /// <summary>Starts an empty environment beside its place.</summary>
    /// <param name="target">The directory it will have; it must not exist, its parent must.</param>
    /// <param name="options">How to open it; syncs are left to <see cref="Complete"/> whatever it says.</param>
    /// <param name="files">The system-call seam; null for the real one.</param>
    /// <returns>The creation.</returns>
    /// <exception cref="StateStoreException">The target exists, or the operating system or liblmdb refuses.</exception>
    public static LmdbCreation Begin(string target, LmdbOptions options, FileOps? files = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(target);
        ArgumentNullException.ThrowIfNull(options);
        files ??= LinuxFileOps.Instance;
        target = Path.TrimEndingDirectorySeparator(target);
        if (files.Exists(target))
        {
            throw new StateStoreException(StateStoreErrorCode.AlreadyExists, "A state of this generation exists.", target);
        }

        string temporary = target + TemporarySuffix;
        RemoveLeftover(files, temporary);
        StoreDirectory.Create(files, temporary, 0x1C0); // 0700
        LmdbEnvironment? environment = null;
        try
        {
            environment = LmdbEnvironment.Open(temporary, options with { NoSync = true }, files);
            return new LmdbCreation(files, target, temporary, environment);
        }
        finally
        {
            if (environment is null)
            {
                RemoveLeftover(files, temporary);
            }
        }
    }

    /// <summary>Creates an environment with empty named databases.</summary>
    /// <param name="target">As for <see cref="Begin"/>.</param>
    /// <param name="databases">The names of its databases.</param>
    /// <param name="options">As for <see cref="Begin"/>.</param>
    /// <param name="files">As for <see cref="Begin"/>.</param>
    /// <exception cref="StateStoreException">As for <see cref="Begin"/> and <see cref="Complete"/>.</exception>
    public static void Create(string target, IReadOnlyList<string> databases, LmdbOptions options, FileOps? files = null)
    {
        ArgumentNullException.ThrowIfNull(databases);
        using LmdbCreation creation = Begin(target, options, files);
        using (LmdbWriteTransaction transaction = creation.Environment.BeginWrite())
        {
            foreach (string database in databases)
            {
                transaction.OpenDatabase(database, create: true);
            }

            transaction.Commit();
        }

        creation.Complete();
    }

    /// <summary>Makes the environment durable and moves it to its place. It is closed then; open it there.</summary>
    /// <exception cref="StateStoreException">Something on the way failed; the target does not exist, or exists and may not be durable.</exception>
    public void Complete()
    {
        LmdbEnvironment environment = Environment;
        environment.Sync();
        environment.Dispose();
        _environment = null;

        // The lock file belongs to the processes that have the environment open; none has.
        StoreDirectory.RemoveFile(_files, Path.Combine(_temporary, LmdbEnvironment.LockFileName));
        using (StoreFile data = StoreFile.Open(_files, Path.Combine(_temporary, LmdbEnvironment.DataFileName), OpenOptions.ReadWrite))
        {
            data.SyncAll();
        }

        StoreDirectory.Sync(_files, _temporary);
        StoreDirectory.Rename(_files, _temporary, TargetPath);
        _isComplete = true;
        StoreDirectory.Sync(_files, Path.GetDirectoryName(Path.GetFullPath(TargetPath))!);
    }

    /// <summary>Removes what was made unless it was completed.</summary>
    public void Dispose()
    {
        if (_environment is LmdbEnvironment environment)
        {
            _environment = null;
            environment.Dispose();
        }

        if (!_isComplete)
        {
            _isComplete = true;
            RemoveLeftover(_files, _temporary);
        }
    }

    /// <summary>Removes an attempt that did not finish. Anything in it but an environment's files makes the removal of the directory fail.</summary>
    private static void RemoveLeftover(FileOps files, string temporary)
    {
        if (!files.Exists(temporary))
        {
            return;
        }

        StoreDirectory.RemoveFile(files, Path.Combine(temporary, LmdbEnvironment.DataFileName));
        StoreDirectory.RemoveFile(files, Path.Combine(temporary, LmdbEnvironment.LockFileName));
        StoreDirectory.Remove(files, temporary);
    }
}
