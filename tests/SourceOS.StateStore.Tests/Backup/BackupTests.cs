// Why this file exists: a backup restores to what it says, also when it was made beside a writer; one that was tampered with is refused; an interrupted run is completed by running it again.

using System.Text;
using SourceOS.StateStore.Backup;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Tests.Backup;

public sealed class BackupTests
{
    private const int Tamperings = 1000;
    private static readonly SessionIdentity s_me = new("actor:test");

    [Fact]
    public async Task A_closed_store_is_backed_up_restored_proven_and_tested()
    {
        using TestDirectory directory = new();
        await CommitAsync(StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()), 40);
        using PrivateKey key = PrivateKey.Generate();
        string backup = Path.Combine(directory.Root, "backup");
        BackupReport made = await StoreBackup.CreateAsync(directory.StorePath, backup, key, RoundTripTests.SmallOptions());
        NoteKey trusted = key.NoteKeyFor(made.Checkpoint.Origin);
        string restored = Path.Combine(directory.Root, "restored");
        BackupReport report = await StoreBackup.RestoreAsync(backup, restored, trusted, RoundTripTests.SmallOptions());
        Assert.Equal(made.Checkpoint, report.Checkpoint);
        Assert.Equal(made.Checkpoint, (await StoreBackup.TestAsync(backup, trusted, RoundTripTests.SmallOptions())).Checkpoint);
        Assert.Equal(Contents(directory.StorePath), Contents(restored));
        Assert.Equal(["MANIFEST", "STORE", "events"], Directory.EnumerateFileSystemEntries(backup).Select(static path => Path.GetFileName(path)!).Order(StringComparer.Ordinal));

        // What was restored is a store like any other.
        await CommitAsync(StateStore.Open(restored, RoundTripTests.SmallOptions()), 1);
        using PrivateKey other = PrivateKey.Generate();
        await RefusedAsync(StateStoreErrorCode.InvalidInput, () => StoreBackup.TestAsync(backup, other.NoteKeyFor(made.Checkpoint.Origin), RoundTripTests.SmallOptions()));
        await RefusedAsync(StateStoreErrorCode.AlreadyExists, () => StoreBackup.RestoreAsync(backup, restored, trusted, RoundTripTests.SmallOptions()));
        await RefusedAsync(StateStoreErrorCode.AlreadyExists, () => StoreBackup.CreateAsync(directory.StorePath, backup, key, RoundTripTests.SmallOptions()));
        await RefusedAsync(StateStoreErrorCode.InvalidInput, () => StoreBackup.CreateAsync(directory.StorePath, Path.Combine(directory.StorePath, "in"), key, RoundTripTests.SmallOptions()));
        await RefusedAsync(StateStoreErrorCode.NotInitialized, () => StoreBackup.TestAsync(directory.StorePath, null, RoundTripTests.SmallOptions()));
    }

    [Fact]
    public async Task Backups_beside_a_writer_hold_all_that_was_acknowledged_before()
    {
        using TestDirectory directory = new();
        await using StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions());
        using CancellationTokenSource done = new();
        Task writer = Task.Run(async () =>
        {
            StateSession session = store.OpenSession(s_me);
            for (int i = 0; !done.IsCancellationRequested; i++)
            {
                Assert.True((await session.CommitAsync(Batch(i))).IsCommitted);
            }
        });
        for (int i = 0; i < 6; i++)
        {
            ulong acknowledged = store.VisibleSequence;
            string backup = Path.Combine(directory.Root, $"backup{i}");
            BackupReport made = await StoreBackup.CreateAsync(directory.StorePath, backup, null, RoundTripTests.SmallOptions());
            Assert.True(made.Checkpoint.Sequence >= acknowledged);
            Assert.Equal(made.Checkpoint, (await StoreBackup.TestAsync(backup, null, RoundTripTests.SmallOptions())).Checkpoint);
        }

        await done.CancelAsync();
        await writer;
    }

    [Fact]
    public async Task Every_tampering_with_a_backup_is_refused_and_leaves_no_store()
    {
        using TestDirectory directory = new();
        await CommitAsync(StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()), 5);
        using PrivateKey key = PrivateKey.Generate();
        string backup = Path.Combine(directory.Root, "backup");
        BackupReport made = await StoreBackup.CreateAsync(directory.StorePath, backup, key, RoundTripTests.SmallOptions());
        NoteKey trusted = key.NoteKeyFor(made.Checkpoint.Origin);
        string[] files = [.. Directory.EnumerateFiles(backup, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
        Random random = new(20260101);
        for (int i = 0; i < Tamperings; i++)
        {
            string file = files[random.Next(files.Length)];
            byte[] good = File.ReadAllBytes(file);
            File.WriteAllBytes(file, Tamper(good, random));
            string target = Path.Combine(directory.Root, "restored");
            StateStoreException refused = await RefusedAsync(StateStoreErrorCode.InvalidInput, () => StoreBackup.RestoreAsync(backup, target, trusted, RoundTripTests.SmallOptions()));
            Assert.NotEmpty(refused.Place);
            Assert.False(Directory.Exists(target));
            File.WriteAllBytes(file, good);
        }

        Assert.Equal(made.Checkpoint, (await StoreBackup.TestAsync(backup, trusted, RoundTripTests.SmallOptions())).Checkpoint);
        foreach (string file in files.Where(static file => Path.GetFileName(file) != "MANIFEST"))
        {
            File.Move(file, file + ".away");
            await RefusedAsync(StateStoreErrorCode.InvalidInput, () => StoreBackup.TestAsync(backup, trusted, RoundTripTests.SmallOptions()));
            File.Move(file + ".away", file);
        }

        // A pipe that nobody writes to is not waited for, the manifest's neither.
        foreach (string file in files)
        {
            File.Move(file, file + ".away");
            using (System.Diagnostics.Process pipe = System.Diagnostics.Process.Start("mkfifo", [file]))
            {
                await pipe.WaitForExitAsync();
            }

            await RefusedAsync(StateStoreErrorCode.InvalidInput, () => StoreBackup.TestAsync(backup, trusted, RoundTripTests.SmallOptions())).WaitAsync(TimeSpan.FromSeconds(30));
            File.Move(file + ".away", file, overwrite: true);
        }
    }

    [Fact]
    public async Task What_an_interrupted_run_left_does_not_stand_in_the_way()
    {
        using TestDirectory directory = new();
        await CommitAsync(StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()), 5);
        string backup = Path.Combine(directory.Root, "backup");
        string restored = Path.Combine(directory.Root, "restored");
        foreach (string target in (string[])[backup, restored])
        {
            Directory.CreateDirectory(Path.Combine(target + ".unfinished", "events"));
            File.WriteAllText(Path.Combine(target + ".unfinished", "STORE"), "half");
        }

        BackupReport made = await StoreBackup.CreateAsync(directory.StorePath, backup, null, RoundTripTests.SmallOptions());
        Assert.Equal(made.Checkpoint, (await StoreBackup.RestoreAsync(backup, restored, null, RoundTripTests.SmallOptions())).Checkpoint);
        Assert.Empty(Directory.EnumerateDirectories(directory.Root, "*.unfinished"));
    }

    private static byte[] Tamper(byte[] good, Random random)
    {
        byte[] bad = [.. good];
        int at = random.Next(bad.Length);
        switch (random.Next(4))
        {
            case 0:
                bad[at] ^= (byte)(1 << random.Next(8));
                return bad;
            case 1:
                return bad[..at];
            case 2:
                return [.. bad[..at], (byte)random.Next(256), .. bad[at..]];
            default:
                bad.AsSpan(at, Math.Min(512, bad.Length - at)).Fill((byte)(bad[at] ^ 0x55));
                return bad;
        }
    }

    private static async Task<StateStoreException> RefusedAsync(StateStoreErrorCode code, Func<Task<BackupReport>> act)
    {
        StateStoreException refused = await Assert.ThrowsAsync<StateStoreException>(act);
        Assert.True(refused.Code == code, refused.ToString());
        return refused;
    }

    private static List<string> Contents(string path)
    {
        using StateStore store = StateStore.OpenRead(path);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return [.. snapshot.Range(RecordKind.Object, includeTombstones: true).ToList().Select(static record => $"{record.Id} {record.Sequence} {Convert.ToHexString(record.Body.Span)}"), store.GetStatus().LogRoot];
    }

    private static CommitBatch Batch(int i) => new CommitBatch().PutJson(Encoding.UTF8.GetBytes(
        $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:{{i % 50}}","object_type":"note","title":"{{i}} {{new string('x', i % 900)}}"}"""));

    private static async Task CommitAsync(StateStore store, int commits)
    {
        await using (store)
        {
            StateSession session = store.OpenSession(s_me);
            for (int i = 0; i < commits; i++)
            {
                Assert.True((await session.CommitAsync(Batch(i))).IsCommitted);
            }
        }
    }
}
