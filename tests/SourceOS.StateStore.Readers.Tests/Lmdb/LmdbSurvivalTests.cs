// Why this file exists: liblmdb dies on damaged pages. The store opens a file with it only after the checks of this room, and works on a key only
// after the path check; here that order is kept on damaged files, and liblmdb must live.
// Invariants: a crash kills the test process, which is the failure; error codes are fine. One kind of damage is out of the path checker's sight, a live
// page listed as free, and is left to the walker, which finds it: such files are skipped after the walker said so.

using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Storage.Lmdb;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

public sealed class LmdbSurvivalTests
{
    private const int PageSize = 4096;

    [Fact]
    public void What_the_checks_let_through_does_not_kill_liblmdb()
    {
        byte[] sound = Sample(out bool[] structural, out byte[][] keys);
        int opened = 0;
        int refused = 0;
        int operations = 0;
        Random random = new(5);
        int[] places = [.. Enumerable.Range(0, sound.Length).Where(at => structural[at])];
        for (int round = 0; round < 700; round++)
        {
            byte[] damaged = [.. sound];
            damaged[places[random.Next(places.Length)]] ^= (byte)(1 << random.Next(8));
            using TemporaryDirectory directory = new();
            File.WriteAllBytes(directory.PathOf(LmdbEnvironment.DataFileName), damaged);
            if (!MayOpen(directory.PathOf(LmdbEnvironment.DataFileName)))
            {
                refused++;
                continue;
            }

            opened++;
            operations += Work(directory, keys, random);
        }

        Assert.True(opened > 100 && refused > 50 && operations > 1000, $"{opened} opened, {refused} refused, {operations} operations: too few to prove much.");
    }

    private static bool MayOpen(string path)
    {
        using FileView view = new(path);
        if (view.MetaFault.IsFault || view.Metas.CheckAtRest().IsFault)
        {
            return false;
        }

        LmdbPathChecker<FilePages> checker = new(new CheckedPages(1 << 16));
        checker.Begin(new FilePages(view.Cache), view.Meta);
        return !checker.CheckFreeList().IsFault
            && !checker.CheckNamedRoots().IsFault
            && !view.Walk().Findings.Any(finding => finding.Code is LmdbFaultCode.PageUsedAndFree or LmdbFaultCode.PageUsedTwice);
    }

    // Works as the writer does: checks the path in the committed snapshot, and only then lets liblmdb have the key.
    private static int Work(TemporaryDirectory directory, byte[][] keys, Random random)
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(directory.Path, new LmdbOptions { NoSync = true, MapSizeBytes = 1L << 30 });
        using MappedFile map = MappedFile.Open(environment.DataPath, 1L << 31);
        LmdbPathChecker<MappedPages> checker = new(new CheckedPages(1 << 16));
        int operations = 0;
        Exception? noticed = Record.Exception(() =>
        {
            for (int transactions = 0; transactions < 3; transactions++)
            {
                operations += Commit(environment, map, checker, keys, random);
            }
        });

        // Damage that liblmdb notices itself comes as an error code.
        Assert.True(noticed is null or StateStoreException, noticed?.ToString());
        return operations;
    }

    private static int Commit(LmdbEnvironment environment, MappedFile map, LmdbPathChecker<MappedPages> checker, byte[][] keys, Random random)
    {
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        MappedPages pages = map.Snapshot(in meta);
        checker.Begin(pages, in meta);
        LmdbReader<MappedPages> reader = new(pages, meta.LastPage);
        LmdbDatabaseRecord main = meta.Main;
        int operations = 0;
        using LmdbWriteTransaction transaction = environment.BeginWrite();
        foreach (string name in (string[])["records", "index"])
        {
            if (reader.TryGetDatabase(in main, System.Text.Encoding.UTF8.GetBytes(name), out LmdbDatabaseRecord record, out _) != LmdbReadStatus.Found)
            {
                continue;
            }

            LmdbDatabase database = transaction.OpenDatabase(name, create: false);
            for (int i = 0; i < 15; i++)
            {
                operations += Operate(transaction, database, checker, in record, keys[random.Next(keys.Length)], random);
            }
        }

        transaction.Commit();
        return operations;
    }

    private static int Operate(LmdbWriteTransaction transaction, LmdbDatabase database, LmdbPathChecker<MappedPages> checker, in LmdbDatabaseRecord record, byte[] key, Random random)
    {
        if (random.Next(2) == 0)
        {
            if (checker.CheckDelete(in record, key).IsFault)
            {
                return 0;
            }

            transaction.Delete(database, key);
            return 1;
        }

        if (checker.CheckPut(in record, key).IsFault)
        {
            return 0;
        }

        transaction.Put(database, key, LmdbSample.Value(1, random.Next(3) == 0 ? 5000 : 50));
        return 1;
    }

    private static byte[] Sample(out bool[] structural, out byte[][] keys)
    {
        using LmdbSample sample = LmdbSample.Varied();
        using FileView view = new(sample.DataPath);
        byte[] bytes = sample.ReadFile();
        structural = StructuralBytes.Of(bytes, view.Meta);
        keys = [.. sample.Model["records"].Keys, .. sample.Model["index"].Keys];
        Assert.Equal(PageSize, view.Meta.PageSizeBytes);
        return bytes;
    }
}
