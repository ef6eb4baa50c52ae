// Why this file exists: an encrypted backup gives nothing away, opens with its secret alone, and is refused after any change. Invariants: raw files are searched for what the store holds; changes are of every file and every kind.

using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Backup;
using SourceOS.StateStore.Format;
using Xunit.Abstractions;

namespace SourceOS.StateStore.Tests;

[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class EncryptedBackupTests(ITestOutputHelper output)
{
    private const int Chunk = BackupCipher.ChunkLengthBytes;
    private const int Tag = BackupCipher.TagLengthBytes;

    [Theory]
    [InlineData("key")]
    [InlineData("passphrase")]
    public async Task It_opens_with_its_secret_alone_and_gives_nothing_away(string kind)
    {
        using TestDirectory directory = await FencedStores.MakeAsync(60);
        using BackupSecret secret = kind == "key" ? BackupSecret.CreateKeyFile(Path.Combine(directory.Root, "key")) : BackupSecret.FromPassphrase("correct horse battery staple");
        string backup = Path.Combine(directory.Root, "backup");
        BackupReport made = await StoreBackup.CreateAsync(directory.StorePath, backup, null, FencedStores.Options(), secret);
        Assert.True(made.IsEncrypted);
        Assert.True(StoreBackup.IsEncrypted(backup));
        foreach (string file in Directory.GetFiles(backup, "*", SearchOption.AllDirectories))
        {
            foreach (string text in (string[])["title 5", "note:0005", "actor:test", "SSFR", "sourceos-statestore-backup"])
            {
                Assert.Equal(-1, File.ReadAllBytes(file).AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)));
            }
        }

        Assert.DoesNotContain(Directory.GetFileSystemEntries(directory.Root), static entry => entry.EndsWith(".unfinished", StringComparison.Ordinal));
        string restored = Path.Combine(directory.Root, "restored");
        using BackupSecret again = kind == "key" ? BackupSecret.FromKeyFile(Path.Combine(directory.Root, "key")) : BackupSecret.FromPassphrase("correct horse battery staple");
        BackupReport report = await StoreBackup.RestoreAsync(backup, restored, null, FencedStores.Options(), again);
        Assert.Equal(made.Checkpoint, report.Checkpoint);
        Assert.True(report.IsEncrypted);
        Assert.Equal(FencedStores.Records(directory.StorePath), FencedStores.Records(restored));

        using BackupSecret otherKey = BackupSecret.FromKey(RandomNumberGenerator.GetBytes(32));
        using BackupSecret otherPassphrase = BackupSecret.FromPassphrase("correct horse battery stable");
        foreach (BackupSecret? wrong in (BackupSecret?[])[null, otherKey, otherPassphrase])
        {
            StateStoreException refused = await Assert.ThrowsAsync<StateStoreException>(() => StoreBackup.TestAsync(backup, null, FencedStores.Options(), wrong));
            Assert.Equal(StateStoreErrorCode.InvalidInput, refused.Code);
        }
    }

    [Fact]
    public async Task A_signed_one_is_held_to_its_signature_and_a_plain_one_takes_no_secret()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(20);
        using Keys.PrivateKey key = Keys.PrivateKey.Generate();
        using Keys.PrivateKey other = Keys.PrivateKey.Generate();
        using BackupSecret secret = BackupSecret.FromKey(RandomNumberGenerator.GetBytes(32));
        string backup = Path.Combine(directory.Root, "backup");
        BackupReport made = await StoreBackup.CreateAsync(directory.StorePath, backup, key, FencedStores.Options(), secret, directory.Root);
        Assert.True((await StoreBackup.TestAsync(backup, key.NoteKeyFor(made.Checkpoint.Origin), FencedStores.Options(), secret)).IsSigned);
        await RefusedAsync(() => StoreBackup.TestAsync(backup, other.NoteKeyFor(made.Checkpoint.Origin), FencedStores.Options(), secret));
        string plain = Path.Combine(directory.Root, "plain");
        await StoreBackup.CreateAsync(directory.StorePath, plain, key, FencedStores.Options());
        await RefusedAsync(() => StoreBackup.TestAsync(plain, null, FencedStores.Options(), secret));
    }

    [Fact]
    public async Task Changed_in_any_way_it_is_refused()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(40);
        using BackupSecret secret = BackupSecret.FromKey(RandomNumberGenerator.GetBytes(32));
        string backup = Path.Combine(directory.Root, "backup");
        string twin = Path.Combine(directory.Root, "twin");
        await StoreBackup.CreateAsync(directory.StorePath, backup, null, FencedStores.Options(), secret);
        await StoreBackup.CreateAsync(directory.StorePath, twin, null, FencedStores.Options(), secret);
        Random random = new(31);
        string[] files = [.. Directory.GetFiles(backup, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
        int tried = 0;
        foreach (string file in files)
        {
            byte[] whole = File.ReadAllBytes(file);
            List<byte[]> changed = [[], whole[..^1], [.. whole, 0], whole[..(whole.Length / 2)], File.ReadAllBytes(file.Replace("/backup/", "/twin/", StringComparison.Ordinal)), File.ReadAllBytes(files[(Array.IndexOf(files, file) + 1) % files.Length])];
            for (int i = 0; i < 12 * CutCalls.Scale; i++)
            {
                byte[] bad = (byte[])whole.Clone();
                bad[random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
                changed.Add(bad);
            }

            foreach (byte[] bad in changed)
            {
                File.WriteAllBytes(file, bad);
                await RefusedAsync(() => StoreBackup.TestAsync(backup, null, FencedStores.Options(), secret));
                tried++;
            }

            File.Delete(file);
            Exception? gone = await Record.ExceptionAsync(() => StoreBackup.TestAsync(backup, null, FencedStores.Options(), secret));
            Assert.True(gone is StateStoreException { Code: StateStoreErrorCode.InvalidInput or StateStoreErrorCode.NotInitialized }, $"{file}: {gone}");
            File.WriteAllBytes(file, whole);
        }

        Assert.True((await StoreBackup.TestAsync(backup, null, FencedStores.Options(), secret)).Checkpoint.RecordCount >= 39);
        output.WriteLine($"{tried} tried, {tried} held");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Chunk - 1)]
    [InlineData(Chunk)]
    [InlineData(Chunk + 1)]
    [InlineData((3 * Chunk) + 77)]
    public void A_stream_of_chunks_cannot_be_cut_lengthened_or_reordered(int length)
    {
        using BackupKeys keys = new(RandomNumberGenerator.GetBytes(32));
        byte[] plain = RandomNumberGenerator.GetBytes(length);
        byte[] whole = Seal(keys, plain);
        Assert.True(Opens(keys, whole, plain));
        Assert.False(Opens(keys, [.. whole, .. new byte[Tag]], plain));
        Assert.False(Opens(keys, whole[..Math.Max(0, whole.Length - Tag)], plain));
        if (length > Chunk)
        {
            Assert.False(Opens(keys, whole[..(Chunk + Tag)], plain));
            Assert.False(Opens(keys, whole[(Chunk + Tag)..], plain));
        }

        if (length > 2 * Chunk)
        {
            int unit = Chunk + Tag;
            Assert.False(Opens(keys, [.. whole[unit..(2 * unit)], .. whole[..unit], .. whole[(2 * unit)..]], plain));
        }

        using MemoryStream other = new(whole);
        Assert.False(BackupCipher.TryOpen(keys, "another", other, static _ => { }, CancellationToken.None));
    }

    [Theory]
    [InlineData("kdf scrypt 1099511627776 8 1")]
    [InlineData("kdf scrypt 131073 8 1")]
    [InlineData("kdf scrypt 131072 0 1")]
    [InlineData("kdf scrypt 131072 8 1000000")]
    [InlineData("kdf scrypt -2 8 1")]
    [InlineData("kdf argon 1 1 1")]
    [InlineData("kdf  scrypt 131072 8 1")]
    public void Hostile_costs_are_refused_before_anything_is_derived(string kdf)
    {
        string zeroes = new('0', 64);
        string text = $"sourceos-statestore-encrypted-backup/1\ncipher aes-256-gcm 1048576\n{kdf}\nsalt {zeroes}\ncheck {zeroes}\n";
        Assert.False(BackupEnvelope.TryParse(text, out _, out _));
        Assert.True(BackupEnvelope.TryParse(text.Replace(kdf, "kdf scrypt 131072 8 1", StringComparison.Ordinal), out _, out _));
    }

    // RFC 7914, section 12.
    [Theory]
    [InlineData("", "", 16, 1, 1, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906")]
    [InlineData("pleaseletmein", "SodiumChloride", 16384, 8, 1, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887")]
    public void Scrypt_gives_the_vectors_of_its_specification(string passphrase, string salt, int n, int r, int p, string expected)
    {
        byte[] key = new byte[64];
        Assert.True(Scrypt.TryDerive(Encoding.ASCII.GetBytes(passphrase), Encoding.ASCII.GetBytes(salt), n, r, p, key));
        Assert.Equal(expected, Convert.ToHexStringLower(key));
    }

    [Fact]
    public void A_key_file_is_its_owners_alone_and_is_never_overwritten()
    {
        using TestDirectory directory = new();
        string path = Path.Combine(directory.Root, "key");
        BackupSecret.CreateKeyFile(path).Dispose();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(StateStoreErrorCode.AlreadyExists, Assert.Throws<StateStoreException>(() => BackupSecret.CreateKeyFile(path)).Code);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Equal(StateStoreErrorCode.AccessDenied, Assert.Throws<StateStoreException>(() => BackupSecret.FromKeyFile(path)).Code);
        File.SetUnixFileMode(path, UnixFileMode.UserRead);
        BackupSecret.FromKeyFile(path).Dispose();
        Assert.Equal(StateStoreErrorCode.NotInitialized, Assert.Throws<StateStoreException>(() => BackupSecret.FromKeyFile(path + "x")).Code);
        string wrong = Path.Combine(directory.Root, "wrong");
        File.WriteAllText(wrong, "0123");
        File.SetUnixFileMode(wrong, UnixFileMode.UserRead);
        Assert.Equal(StateStoreErrorCode.InvalidInput, Assert.Throws<StateStoreException>(() => BackupSecret.FromKeyFile(wrong)).Code);
        using BackupSecret passphrase = BackupSecret.FromPassphraseFile(wrong);
        Assert.True(passphrase.IsPassphrase);
    }

    private static async Task RefusedAsync(Func<Task<BackupReport>> work)
    {
        StateStoreException refused = await Assert.ThrowsAsync<StateStoreException>(work);
        Assert.Equal(StateStoreErrorCode.InvalidInput, refused.Code);
    }

    private static byte[] Seal(BackupKeys keys, byte[] plain)
    {
        using MemoryStream source = new(plain);
        using MemoryStream target = new();
        BackupCipher.Seal(keys, "name", source, target, CancellationToken.None);
        return target.ToArray();
    }

    private static bool Opens(BackupKeys keys, byte[] whole, byte[] plain)
    {
        using MemoryStream source = new(whole);
        using MemoryStream taken = new();
        return BackupCipher.TryOpen(keys, "name", source, chunk => taken.Write(chunk.Span), CancellationToken.None) && taken.ToArray().AsSpan().SequenceEqual(plain);
    }
}
