// Why this file exists: private keys live in a folder of their own, never in a store, so that no backup, export or bundle of a store can carry one. Invariants: folder
// 0700, files 0600, made under another name, synced, renamed; a file that others can read is refused, because a key that may have leaked must not sign.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Keys;

/// <summary>A folder of private keys. Thread-safe.</summary>
public sealed class KeyFolder
{
    /// <summary>The environment variable that names the folder.</summary>
    public const string FolderVariable = "SOURCEOS_STATE_KEYS";

    private const string Extension = ".pem";
    private const int MaxFileBytes = 4096;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>Names a folder; it is made when the first key is saved.</summary>
    /// <param name="path">Its path.</param>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    public KeyFolder(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Path = System.IO.Path.GetFullPath(path);
    }

    /// <summary>The folder's path.</summary>
    public string Path { get; }

    /// <summary>The folder of the calling user: the environment variable <see cref="FolderVariable"/>, else `sourceos-statestore/keys` in the user's data folder.</summary>
    /// <returns>The folder.</returns>
    public static KeyFolder OfUser()
    {
        string? given = Environment.GetEnvironmentVariable(FolderVariable);
        if (!string.IsNullOrEmpty(given))
        {
            return new KeyFolder(given);
        }

        string data = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return data.Length > 0
            ? new KeyFolder(System.IO.Path.Combine(data, "sourceos-statestore", "keys"))
            : throw new StateStoreException(StateStoreErrorCode.NotInitialized, "There is no folder for private keys.", next: $"Name one in the environment variable {FolderVariable}.");
    }

    /// <summary>Whether the folder has a key's file.</summary>
    /// <param name="keyId">The key's identifier.</param>
    /// <returns>True when it has.</returns>
    public bool Contains(string keyId) => File.Exists(PathOf(keyId));

    /// <summary>Saves a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="storePath">The store that the key will sign for; the folder must not lie in it.</param>
    /// <returns>The file's path.</returns>
    /// <exception cref="StateStoreException">InvalidInput when the folder lies in the store; AlreadyExists; AccessDenied; InputOutput.</exception>
    public string Save(PrivateKey key, string storePath)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentException.ThrowIfNullOrEmpty(storePath);
        string store = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(storePath));
        if ((Path + "/").StartsWith(store + "/", StringComparison.Ordinal))
        {
            throw new StateStoreException(
                StateStoreErrorCode.InvalidInput, "Private keys are not kept in a store: its backups would carry them.", Path, $"Name another folder in {FolderVariable}.");
        }

        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Private keys are kept in files with a mode; this system has none.");
        }

        string target = PathOf(key.Id);
        string made = target + ".new";
        byte[] pem = key.ToPem();
        try
        {
            Directory.CreateDirectory(Path, OwnerOnly | UnixFileMode.UserExecute);
            File.Delete(made);
            using (FileStream file = new(made, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }))
            {
                file.Write(pem);
                file.Flush(flushToDisk: true);
            }

            File.Move(made, target, overwrite: false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Failed(exception, "saved", target);
        }
        finally
        {
            System.Security.Cryptography.CryptographicOperations.ZeroMemory(pem);
        }

        return target;
    }

    /// <summary>Loads a key.</summary>
    /// <param name="keyId">Its identifier.</param>
    /// <returns>The key; dispose it.</returns>
    /// <exception cref="StateStoreException">NotInitialized when there is no such file; AccessDenied when others can read it; InvalidInput when it is not this key;
    /// InputOutput; NativeLibraryMissing.</exception>
    public PrivateKey Load(string keyId)
    {
        Ed25519.Require();
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Private keys are kept in files with a mode; this system has none.");
        }

        string path = PathOf(keyId);
        byte[] pem = new byte[MaxFileBytes];
        try
        {
            int length;
            if (LinuxFileOps.Instance.Stat(path, out FileStatus status) == 0 && status.Kind is FileKind.Other)
            {
                throw new StateStoreException(StateStoreErrorCode.InvalidInput, "Something other than a file stands where the private key should be.", path, "Put the right file back, or rotate the key.");
            }

            using (FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read))
            {
                if ((File.GetUnixFileMode(file.SafeFileHandle) & Others) != 0)
                {
                    throw new StateStoreException(
                        StateStoreErrorCode.AccessDenied, "Others can read or write this private key, so it is not used.", path, "Replace it (statestore keys rotate), or set its mode to 0600 if nobody did.");
                }

                length = file.ReadAtLeast(pem, MaxFileBytes, throwOnEndOfStream: false);
            }

            return PrivateKey.TryParsePem(pem.AsSpan(0, length), out PrivateKey? key) && string.Equals(key.Id, keyId, StringComparison.Ordinal)
                ? key
                : throw new StateStoreException(StateStoreErrorCode.InvalidInput, $"The file does not hold the Ed25519 private key {keyId}.", path, "Put the right file back, or rotate the key.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Failed(exception, "read", path);
        }
        finally
        {
            System.Security.Cryptography.CryptographicOperations.ZeroMemory(pem);
        }
    }

    /// <summary>Deletes a key's file, if it is there. Signatures made with it stay valid.</summary>
    /// <param name="keyId">Its identifier.</param>
    public void Delete(string keyId) => File.Delete(PathOf(keyId));

    private static StateStoreException Failed(Exception exception, string what, string path) => exception switch
    {
        FileNotFoundException or DirectoryNotFoundException => new StateStoreException(
            StateStoreErrorCode.NotInitialized, "This machine does not have the private key.", path, $"Sign where it is kept, or name its folder in {FolderVariable}.", innerException: exception),
        UnauthorizedAccessException => new StateStoreException(StateStoreErrorCode.AccessDenied, $"The private key cannot be {what}.", path, innerException: exception),
        _ => new StateStoreException(StateStoreErrorCode.InputOutput, $"The private key cannot be {what}: {exception.Message}", path, innerException: exception),
    };

    private string PathOf(string keyId)
    {
        ArgumentException.ThrowIfNullOrEmpty(keyId);
        string name = keyId.StartsWith("key:", StringComparison.Ordinal) ? keyId[4..] : "";
        return name.Length == 16 && name.All(char.IsAsciiHexDigitLower)
            ? System.IO.Path.Combine(Path, name + Extension)
            : throw new ArgumentException("A key's identifier is `key:` and 16 hex digits.", nameof(keyId));
    }
}
