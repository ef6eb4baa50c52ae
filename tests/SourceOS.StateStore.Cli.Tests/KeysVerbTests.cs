// Why this file exists: keys from the command line: what is recorded, what stays outside the store, and that nothing prints or stores a private key.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Tests;

[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class KeysVerbTests
{
    [Fact]
    public void A_key_is_created_listed_rotated_and_revoked_and_its_private_half_is_nowhere_in_the_store_or_the_output()
    {
        using Statestore store = Statestore.Initialised();
        Dictionary<string, string> keys = new() { [KeyFolder.FolderVariable] = store.PathOf("keys") };
        Answer created = store.RunWith(null, keys, "keys", "create", "--json").Exits(0);
        JsonElement key = created.Json.GetProperty("key");
        string id = key.GetProperty("id").GetString()!;
        string file = created.Json.GetProperty("privateKeyFile").GetString()!;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(store.PathOf("keys")));
        Assert.True(NoteKey.TryParse(key.GetProperty("verifierKey").GetString()!, out NoteKey? verifier));
        using (PrivateKey loaded = new KeyFolder(store.PathOf("keys")).Load(id))
        {
            Assert.True(Ed25519.Verify(verifier.PublicKey, "hello"u8, loaded.Sign("hello"u8)));
        }

        byte[] der = Convert.FromBase64String(File.ReadAllLines(file)[1]);
        byte[] seed = der[^32..];
        Answer rotated = store.RunWith(null, keys, "keys", "rotate", id, "--json").Exits(0);
        string second = rotated.Json.GetProperty("key").GetProperty("id").GetString()!;
        Assert.NotEqual(id, second);
        store.RunWith(null, keys, "keys", "rotate", id).Exits(3);
        store.RunWith(null, keys, "keys", "revoke", second).Exits(0);
        Answer list = store.RunWith(null, keys, "keys", "list", "--json").Exits(0);
        JsonElement old = Assert.Single(list.Lines, line => line.GetProperty("id").GetString() == id);
        Assert.Equal(second, old.GetProperty("replacedBy").GetString());
        Assert.All(list.Lines, line => Assert.True(line.GetProperty("revoked").GetBoolean()));
        string log = store.Run("log", "--json").Exits(0).Out;
        Assert.All((string[])["sync.key.registered", "sync.key.rotated", "sync.key.revoked"], type => Assert.Contains(type, log, StringComparison.Ordinal));

        foreach (string path in Directory.EnumerateFiles(store.StorePath, "*", SearchOption.AllDirectories))
        {
            Assert.Equal(-1, File.ReadAllBytes(path).AsSpan().IndexOf(seed));
        }

        string shown = created.Out + created.Error + list.Out + rotated.Out + log;
        Assert.DoesNotContain(Convert.ToBase64String(der), shown, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(seed), shown, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexStringLower(seed), shown, StringComparison.Ordinal);

        using StateStore opened = StateStore.OpenRead(store.StorePath);
        using ReadSnapshot snapshot = opened.OpenSnapshot();
        KeyRoom room = new(new KeyFolder(store.PathOf("keys")));
        Assert.Null(room.LoadSigner(snapshot));
        Assert.Null(room.LoadSigner(snapshot, second));
    }

    [Fact]
    public void A_key_folder_in_the_store_a_readable_key_and_a_swapped_key_are_refused()
    {
        using Statestore store = Statestore.Initialised();
        Dictionary<string, string> inside = new() { [KeyFolder.FolderVariable] = Path.Combine(store.StorePath, "keys") };
        store.RunWith(null, inside, "keys", "create").Exits(8);
        Assert.False(Directory.Exists(inside[KeyFolder.FolderVariable]));

        KeyFolder folder = new(store.PathOf("keys"));
        using PrivateKey first = PrivateKey.Generate();
        using PrivateKey second = PrivateKey.Generate();
        string path = folder.Save(first, store.StorePath);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Equal(StateStoreErrorCode.AccessDenied, Assert.Throws<StateStoreException>(() => folder.Load(first.Id)).Code);
        File.Copy(folder.Save(second, store.StorePath), path, overwrite: true);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(StateStoreErrorCode.InvalidInput, Assert.Throws<StateStoreException>(() => folder.Load(first.Id)).Code);
        File.WriteAllText(path, "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", Encoding.ASCII);
        Assert.Equal(StateStoreErrorCode.InvalidInput, Assert.Throws<StateStoreException>(() => folder.Load(first.Id)).Code);
        folder.Delete(first.Id);
        Assert.Equal(StateStoreErrorCode.NotInitialized, Assert.Throws<StateStoreException>(() => folder.Load(first.Id)).Code);
    }
}
