// Why this file exists: backup and restore from the command line, with and without a key, and their refusals with exit codes.

using SourceOS.StateStore.Cli.Tests.Support;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Tests;

[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class BackupVerbTests
{
    [Fact]
    public void A_store_is_backed_up_tested_restored_and_a_damaged_backup_is_refused()
    {
        using Statestore store = Statestore.Initialised();
        Dictionary<string, string> keys = new() { [KeyFolder.FolderVariable] = store.PathOf("keys") };
        Assert.False(store.RunWith(null, keys, "backup", store.PathOf("plain"), "--json").Exits(0).Json.GetProperty("signed").GetBoolean());
        string key = store.RunWith(null, keys, "keys", "create", "--json").Exits(0).Json.GetProperty("key").GetProperty("verifierKey").GetString()!;
        string backup = store.PathOf("backup");
        Answer made = store.RunWith(null, keys, "backup", backup, "--json").Exits(0);
        Assert.True(made.Json.GetProperty("signed").GetBoolean());
        store.RunWith(null, keys, "backup", backup).Exits(8);

        Answer tested = store.Run("restore", "--test", backup, "--root-key", key, "--json").Exits(0);
        Answer restored = store.Run("restore", backup, store.PathOf("restored"), "--root-key", key, "--json").Exits(0);
        foreach (string name in (string[])["root", "recordsRoot"])
        {
            Assert.Equal(made.Json.GetProperty(name).GetString(), tested.Json.GetProperty(name).GetString());
            Assert.Equal(made.Json.GetProperty(name).GetString(), restored.Json.GetProperty(name).GetString());
        }

        store.Run("--store", store.PathOf("restored"), "verify").Exits(0);
        Assert.Equal(store.Run("list", "actors", "--json").Exits(0).Out, store.Run("--store", store.PathOf("restored"), "list", "actors", "--json").Exits(0).Out);
        store.Run("restore", "--test", store.PathOf("plain")).Exits(0);
        store.Run("restore", "--test", store.PathOf("plain"), "--root-key", key).Exits(8);
        store.Run("restore", backup).Exits(2);
        store.Run("restore", backup, store.PathOf("x"), "--test").Exits(2);
        store.Run("restore", "--test", store.PathOf("nothing")).Exits(3);

        string segment = Directory.EnumerateFiles(Path.Combine(backup, "events")).Order(StringComparer.Ordinal).First();
        byte[] bytes = File.ReadAllBytes(segment);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(segment, bytes);
        store.Run("restore", "--test", backup).Exits(8);
        store.Run("restore", backup, store.PathOf("second")).Exits(8);
        Assert.False(Directory.Exists(store.PathOf("second")));
    }

    [Fact]
    public void An_encrypted_backup_opens_with_its_secret_alone()
    {
        using Statestore store = Statestore.Initialised();
        string key = store.PathOf("backup.key");
        Answer made = store.Run("backup", store.PathOf("sealed"), "--encrypt", "--new-key-file", key, "--json").Exits(0);
        Assert.True(made.Json.GetProperty("encrypted").GetBoolean());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
        store.Run("restore", "--test", store.PathOf("sealed")).Exits(8);
        store.Run("restore", "--test", store.PathOf("sealed"), "--key-file", key).Exits(0);
        Answer restored = store.Run("restore", store.PathOf("sealed"), store.PathOf("restored"), "--key-file", key, "--json").Exits(0);
        Assert.Equal(made.Json.GetProperty("recordsRoot").GetString(), restored.Json.GetProperty("recordsRoot").GetString());

        string passphrase = store.Write("passphrase", "correct horse battery staple\n");
        string wrong = store.Write("wrong", "correct horse battery stable\n");
        store.Run("backup", store.PathOf("second"), "--passphrase-file", passphrase).Exits(7);
        File.SetUnixFileMode(passphrase, UnixFileMode.UserRead);
        File.SetUnixFileMode(wrong, UnixFileMode.UserRead);
        store.Run("backup", store.PathOf("second"), "--encrypt", "--passphrase-file", passphrase).Exits(0);
        store.Run("restore", "--test", store.PathOf("second"), "--passphrase-file", passphrase).Exits(0);
        store.Run("restore", "--test", store.PathOf("second"), "--passphrase-file", wrong).Exits(8);
        store.Run("restore", "--test", store.PathOf("second"), "--key-file", key).Exits(8);
        store.Run("restore", "--test", store.PathOf("second"), "--key-file", key, "--passphrase-file", wrong).Exits(2);
        store.Run("backup", store.PathOf("third"), "--encrypt").Exits(2);
        store.Run("backup", store.PathOf("third"), "--new-key-file", key).Exits(8);
        Assert.False(Path.Exists(store.PathOf("third")));
        Assert.DoesNotContain(Directory.GetFileSystemEntries(store.Root), static entry => entry.EndsWith(".unfinished", StringComparison.Ordinal));
    }
}
