// Why this file exists: the same logical tables in SQLite: objects with five indexes, and an event for each change with the object's new body.
// Invariants: WAL with synchronous=FULL, so that an acknowledged commit is on the medium as the store's is; statements are prepared once and
// called without ADO.NET, so that the peer is as fast as it can be from .NET; one thread at a time uses an instance.

using SQLitePCL;

namespace SourceOS.StateStore.Bench.Peers;

/// <summary>A SQLite database with the comparison's tables.</summary>
public sealed class SqlitePeer : IDisposable
{
    private const string Schema = """
        PRAGMA page_size=4096;
        PRAGMA journal_mode=WAL;
        PRAGMA synchronous=FULL;
        PRAGMA cache_size=-65536;
        PRAGMA mmap_size=2147418112;
        CREATE TABLE IF NOT EXISTS objects(id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, profile TEXT, type TEXT, workspace TEXT, path TEXT, actor TEXT, hash BLOB, state TEXT, updated INTEGER, body BLOB NOT NULL);
        CREATE INDEX IF NOT EXISTS by_profile_type ON objects(profile, type);
        CREATE INDEX IF NOT EXISTS by_workspace_path ON objects(workspace, path);
        CREATE INDEX IF NOT EXISTS by_actor ON objects(actor);
        CREATE INDEX IF NOT EXISTS by_hash ON objects(hash);
        CREATE INDEX IF NOT EXISTS by_state ON objects(state, updated);
        CREATE TABLE IF NOT EXISTS events(sequence INTEGER PRIMARY KEY, type TEXT NOT NULL, subject TEXT NOT NULL, actor TEXT, device TEXT, profile TEXT, workspace TEXT, occurred INTEGER, previous INTEGER, image BLOB);
        """;

    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _begin;
    private readonly sqlite3_stmt _commit;
    private readonly sqlite3_stmt _previous;
    private readonly sqlite3_stmt _put;
    private readonly sqlite3_stmt _event;
    private readonly sqlite3_stmt _get;
    private readonly sqlite3_stmt _list;
    private readonly sqlite3_stmt _events;
    private long _sequence;

    static SqlitePeer() => Batteries_V2.Init();

    /// <summary>The library's version.</summary>
    public static string Version => raw.sqlite3_libversion().utf8_to_string();

    /// <summary>Opens a database, making it and its tables when they are not there.</summary>
    /// <param name="path">The file.</param>
    public SqlitePeer(string path)
    {
        Check(raw.sqlite3_open(path, out _database), raw.SQLITE_OK);
        Check(raw.sqlite3_exec(_database, Schema), raw.SQLITE_OK);
        _begin = Prepare("BEGIN IMMEDIATE");
        _commit = Prepare("COMMIT");
        _previous = Prepare("SELECT sequence FROM objects WHERE id=?1");
        _put = Prepare("INSERT INTO objects(id,sequence,profile,type,workspace,path,actor,hash,state,updated,body) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11) "
            + "ON CONFLICT(id) DO UPDATE SET sequence=?2,profile=?3,type=?4,workspace=?5,path=?6,actor=?7,hash=?8,state=?9,updated=?10,body=?11");
        _event = Prepare("INSERT INTO events(sequence,type,subject,actor,device,profile,workspace,occurred,previous,image) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)");
        _get = Prepare("SELECT body FROM objects WHERE id=?1");
        _list = Prepare("SELECT id,body FROM objects WHERE workspace=?1 AND path>=?2 AND path<?3 ORDER BY path");
        _events = Prepare("SELECT sequence,type,subject,actor,device,profile,workspace,occurred,previous,image FROM events ORDER BY sequence");
        _sequence = EventCount();
    }

    /// <summary>Commits changes, each with its event, in one transaction.</summary>
    public void Commit(ReadOnlySpan<SampleObject> changes)
    {
        Step(_begin);
        foreach (SampleObject change in changes)
        {
            long sequence = ++_sequence;
            long previous = Previous(change);
            Put(change, sequence);
            Append(change, sequence, previous, change.Body);
        }

        Step(_commit);
    }

    /// <summary>Commits events that change nothing, in one transaction.</summary>
    public void CommitEvents(ReadOnlySpan<SampleObject> about, byte[] data)
    {
        Step(_begin);
        foreach (SampleObject item in about)
        {
            Append(item, ++_sequence, 0, data);
        }

        Step(_commit);
    }

    /// <summary>Starts a transaction that reads one snapshot.</summary>
    public void BeginRead() => Check(raw.sqlite3_exec(_database, "BEGIN"), raw.SQLITE_OK);

    /// <summary>Ends it.</summary>
    public void EndRead() => Check(raw.sqlite3_exec(_database, "COMMIT"), raw.SQLITE_OK);

    /// <summary>Reads a body in place and returns its length; 0 when there is none.</summary>
    public int ReadLength(byte[] id)
    {
        raw.sqlite3_bind_text(_get, 1, id.AsSpan());
        int length = raw.sqlite3_step(_get) == raw.SQLITE_ROW ? raw.sqlite3_column_blob(_get, 0).Length : 0;
        raw.sqlite3_reset(_get);
        return length;
    }

    /// <summary>Reads a body.</summary>
    public byte[]? Read(byte[] id)
    {
        raw.sqlite3_bind_text(_get, 1, id.AsSpan());
        byte[]? body = raw.sqlite3_step(_get) == raw.SQLITE_ROW ? raw.sqlite3_column_blob(_get, 0).ToArray() : null;
        raw.sqlite3_reset(_get);
        return body;
    }

    /// <summary>Lists a directory by the path index and returns rows and bytes of their bodies.</summary>
    public (int Rows, long Bytes) List(string workspace, string directory)
    {
        raw.sqlite3_bind_text(_list, 1, workspace);
        raw.sqlite3_bind_text(_list, 2, directory);
        raw.sqlite3_bind_text(_list, 3, directory[..^1] + "0");
        int rows = 0;
        long bytes = 0;
        while (raw.sqlite3_step(_list) == raw.SQLITE_ROW)
        {
            rows++;
            bytes += raw.sqlite3_column_blob(_list, 1).Length;
        }

        raw.sqlite3_reset(_list);
        return (rows, bytes);
    }

    /// <summary>Reads every event with all its fields and returns their number, the bytes of their images and the characters of their texts.</summary>
    public (long Events, long Bytes, long Characters) ScanEvents()
    {
        long count = 0;
        long bytes = 0;
        long texts = 0;
        while (raw.sqlite3_step(_events) == raw.SQLITE_ROW)
        {
            count++;
            for (int column = 1; column <= 6; column++)
            {
                texts += raw.sqlite3_column_text(_events, column).utf8_to_string().Length;
            }

            bytes += raw.sqlite3_column_blob(_events, 9).ToArray().Length;
        }

        raw.sqlite3_reset(_events);
        return (count, bytes, texts);
    }

    /// <summary>How many objects there are.</summary>
    public long ObjectCount() => Number("SELECT count(*) FROM objects");

    /// <summary>How many events there are.</summary>
    public long EventCount() => Number("SELECT count(*) FROM events");

    /// <summary>Whether SQLite's own check finds nothing.</summary>
    public bool IsIntact()
    {
        using sqlite3_stmt statement = Prepare("PRAGMA integrity_check");
        return raw.sqlite3_step(statement) == raw.SQLITE_ROW && raw.sqlite3_column_text(statement, 0).utf8_to_string() == "ok";
    }

    /// <summary>Moves the write-ahead log into the database file.</summary>
    public void Checkpoint() => Check(raw.sqlite3_exec(_database, "PRAGMA wal_checkpoint(TRUNCATE)"), raw.SQLITE_OK);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (sqlite3_stmt statement in (sqlite3_stmt[])[_begin, _commit, _previous, _put, _event, _get, _list, _events])
        {
            statement.Dispose();
        }

        _database.Dispose();
    }

    private long Previous(SampleObject change)
    {
        raw.sqlite3_bind_text(_previous, 1, change.IdUtf8.AsSpan());
        long previous = raw.sqlite3_step(_previous) == raw.SQLITE_ROW ? raw.sqlite3_column_int64(_previous, 0) : 0;
        raw.sqlite3_reset(_previous);
        return previous;
    }

    private void Put(SampleObject change, long sequence)
    {
        raw.sqlite3_bind_text(_put, 1, change.IdUtf8.AsSpan());
        raw.sqlite3_bind_int64(_put, 2, sequence);
        raw.sqlite3_bind_text(_put, 3, change.Profile);
        raw.sqlite3_bind_text(_put, 4, change.Type);
        raw.sqlite3_bind_text(_put, 5, change.Workspace);
        raw.sqlite3_bind_text(_put, 6, change.Path);
        raw.sqlite3_bind_text(_put, 7, change.Actor);
        Format.Hash256 hash = change.Hash;
        raw.sqlite3_bind_blob(_put, 8, hash.Bytes);
        raw.sqlite3_bind_text(_put, 9, change.State);
        raw.sqlite3_bind_int64(_put, 10, change.UpdatedAtMicros);
        raw.sqlite3_bind_blob(_put, 11, change.Body.AsSpan());
        Step(_put);
    }

    private void Append(SampleObject change, long sequence, long previous, byte[] image)
    {
        raw.sqlite3_bind_int64(_event, 1, sequence);
        raw.sqlite3_bind_text(_event, 2, previous == 0 ? "sync.object.created" : "sync.object.changed");
        raw.sqlite3_bind_text(_event, 3, change.IdUtf8.AsSpan());
        raw.sqlite3_bind_text(_event, 4, SubjectStore.Me.ActorId);
        raw.sqlite3_bind_text(_event, 5, SubjectStore.Me.DeviceId);
        raw.sqlite3_bind_text(_event, 6, SubjectStore.Me.ProfileId);
        raw.sqlite3_bind_text(_event, 7, SubjectStore.Me.WorkspaceId);
        raw.sqlite3_bind_int64(_event, 8, change.UpdatedAtMicros);
        raw.sqlite3_bind_int64(_event, 9, previous);
        raw.sqlite3_bind_blob(_event, 10, image.AsSpan());
        Step(_event);
    }

    private long Number(string sql)
    {
        using sqlite3_stmt statement = Prepare(sql);
        Check(raw.sqlite3_step(statement), raw.SQLITE_ROW);
        return raw.sqlite3_column_int64(statement, 0);
    }

    private sqlite3_stmt Prepare(string sql)
    {
        Check(raw.sqlite3_prepare_v2(_database, sql, out sqlite3_stmt statement), raw.SQLITE_OK);
        return statement;
    }

    private void Step(sqlite3_stmt statement)
    {
        Check(raw.sqlite3_step(statement), raw.SQLITE_DONE);
        Check(raw.sqlite3_reset(statement), raw.SQLITE_OK);
    }

    private void Check(int code, int expected)
    {
        if (code != expected)
        {
            throw new InvalidOperationException($"SQLite answers {code}: {(_database is null ? "" : raw.sqlite3_errmsg(_database).utf8_to_string())}");
        }
    }
}
