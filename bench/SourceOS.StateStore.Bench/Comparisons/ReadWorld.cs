// Why this file exists: reads, scans and verification are measured over the same loaded data in the store, SQLite and LMDB; loading it once saves minutes.

using SourceOS.StateStore.Bench.Peers;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Loaded stores with equal contents.</summary>
public sealed class ReadWorld : IAsyncDisposable
{
    private ReadWorld(ChangeOrder order, string storePath, string sqlitePath, SubjectStore store, SqlitePeer sqlite, LmdbPeer lmdb)
    {
        Order = order;
        StorePath = storePath;
        SqlitePath = sqlitePath;
        Store = store;
        Sqlite = sqlite;
        Lmdb = lmdb;
        Ids = [.. order.Preload().Select(item => item.IdUtf8)];
    }

    /// <summary>What is loaded.</summary>
    public ChangeOrder Order { get; }

    /// <summary>The store's directory.</summary>
    public string StorePath { get; }

    /// <summary>SQLite's file.</summary>
    public string SqlitePath { get; }

    /// <summary>The open store.</summary>
    public SubjectStore Store { get; private set; }

    /// <summary>The open database.</summary>
    public SqlitePeer Sqlite { get; private set; }

    /// <summary>The open environment; its values have the lengths of the store's.</summary>
    public LmdbPeer Lmdb { get; }

    /// <summary>Every identifier, by object.</summary>
    public byte[][] Ids { get; }

    /// <summary>Loads everything.</summary>
    public static async Task<ReadWorld> LoadAsync(BenchContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        ChangeOrder order = new(context.Scale.Readable, inserts: false);
        string storePath = context.NewPath("store");
        string sqlitePath = context.NewPath("sqlite.db");
        SubjectStore store = SubjectStore.Create(storePath);
        await store.LoadAsync(order.Preload());
        SqlitePeer sqlite = new(sqlitePath);
        foreach (SampleObject[] batch in order.Preload().Chunk(SubjectStore.LoadBatch))
        {
            sqlite.Commit(batch);
        }

        sqlite.Checkpoint();
        LmdbPeer lmdb = new(context.NewPath("lmdb"), new LmdbPeerOptions(IsSynced: false, HasEvents: false));
        lmdb.Load(order.Preload());
        Agreement.Require(order, store);
        Agreement.Require(order, sqlite);
        Agreement.Require(order, lmdb);
        return new ReadWorld(order, storePath, sqlitePath, store, sqlite, lmdb);
    }

    /// <summary>Closes store and database, so that they can be opened by what is measured.</summary>
    public async Task CloseAsync()
    {
        await Store.DisposeAsync();
        Sqlite.Dispose();
    }

    /// <summary>Opens them again.</summary>
    public void Reopen()
    {
        Store = SubjectStore.Open(StorePath);
        Sqlite = new SqlitePeer(SqlitePath);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Lmdb.Dispose();
    }
}
