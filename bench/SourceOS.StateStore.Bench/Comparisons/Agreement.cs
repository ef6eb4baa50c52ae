// Why this file exists: a comparison is worth nothing when the contestants did different work, so after each one they must hold the same data.

using SourceOS.StateStore.Bench.Peers;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Compares what contestants hold.</summary>
public static class Agreement
{
    /// <summary>Throws unless the store holds every object of an order, and nothing else, at its present version.</summary>
    public static void Require(ChangeOrder order, SubjectStore store)
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(store);
        using ReadSnapshot snapshot = store.Store.OpenSnapshot();
        RequireEqual("objects of the store", order.ObjectCount, (long)snapshot.GetStatus().LiveCount(RecordKind.Object));
        for (int index = 0; index < order.ObjectCount; index++)
        {
            SampleObject expected = order.Current(index);
            bool isThere = snapshot.TryGet(RecordKind.Object, expected.IdUtf8, out RecordView view);
            RequireBody("the store", expected, isThere ? view.BodyBytes : default);
        }
    }

    /// <summary>Throws unless SQLite holds exactly the same.</summary>
    public static void Require(ChangeOrder order, SqlitePeer sqlite)
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(sqlite);
        RequireEqual("objects of SQLite", order.ObjectCount, sqlite.ObjectCount());
        for (int index = 0; index < order.ObjectCount; index++)
        {
            SampleObject expected = order.Current(index);
            RequireBody("SQLite", expected, sqlite.Read(expected.IdUtf8));
        }
    }

    /// <summary>Throws unless LMDB holds exactly the same.</summary>
    public static void Require(ChangeOrder order, LmdbPeer lmdb)
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(lmdb);
        RequireEqual("objects of LMDB", order.ObjectCount, lmdb.ObjectCount());
        for (int index = 0; index < order.ObjectCount; index++)
        {
            SampleObject expected = order.Current(index);
            RequireBody("LMDB", expected, lmdb.Read(expected.IdUtf8));
        }
    }

    /// <summary>Throws unless two counts are equal.</summary>
    public static void RequireEqual(string what, long expected, long actual)
    {
        if (expected != actual)
        {
            throw new InvalidOperationException($"The contestants disagree about {what}: {expected} expected, {actual} found.");
        }
    }

    private static void RequireBody(string who, SampleObject expected, ReadOnlySpan<byte> actual)
    {
        if (!actual.SequenceEqual(expected.Body))
        {
            throw new InvalidOperationException($"{who} holds another body of {expected.Id} than version {expected.Version}.");
        }
    }
}
