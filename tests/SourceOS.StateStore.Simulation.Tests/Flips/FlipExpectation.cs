// Why this file exists: what a sound store answers to every kind of read, asked once, and the comparison of what a damaged one answers. Invariants: a typed fault is an answer; a wrong value, a record not found and a short list are not.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>What the sound store answers.</summary>
internal sealed class FlipExpectation
{
    private static readonly RecordKind[] s_kinds = [RecordKind.Object, RecordKind.Actor];
    private static readonly string[] s_absent = ["object:", "object:0005", "object:1", "object:999", "zzz", "a"];
    private readonly Dictionary<(RecordKind Kind, string Id), StoredRecord> _records = [];
    private readonly List<(Func<ReadSnapshot, List<string>> Ask, List<string> Answer)> _lists = [];
    private string _status = "";

    /// <summary>Asks a sound store.</summary>
    /// <param name="path">The store.</param>
    /// <param name="objects">How many objects it has.</param>
    /// <param name="withLog">Whether every event of its log is read as well.</param>
    internal static FlipExpectation Read(string path, int objects, bool withLog = false)
    {
        FlipExpectation expected = new();
        using StateStore store = StateStore.OpenRead(path, FlipStore.Options());
        using ReadSnapshot snapshot = store.OpenSnapshot();
        foreach (RecordKind kind in s_kinds)
        {
            foreach (StoredRecord record in snapshot.Range(kind, includeTombstones: true).ToList())
            {
                expected._records[(kind, record.Id)] = record;
            }

            expected.Add(snapshot, source => Lines(source.Range(kind, includeTombstones: true)));
            expected.Add(snapshot, source => Lines(source.Range(kind, afterId: kind == RecordKind.Object ? "object:050" : "actor:5")));
        }

        expected.Add(snapshot, static source => Lines(source.ByIndex(IndexQuery.ProfileAndType(Bodies.Profile))));
        expected.Add(snapshot, static source => Lines(source.ByIndex(IndexQuery.ProfileAndType(Bodies.Profile, "note"))));
        expected.Add(snapshot, static source => [.. source.History(RecordKind.Object, "object:009").Select(static item => item.Sequence.ToString(CultureInfo.InvariantCulture))]);
        if (withLog)
        {
            expected.Add(snapshot, static source => [.. source.ReadEvents(1).Select(Line)]);
            expected.Add(snapshot, static source => [.. Enumerable.Range(1, (int)source.Sequence).Where(static i => i % 13 == 0).Select(i => source.ReadEvent((ulong)i) is { } item ? Line(item) : "none")]);
            expected.Add(snapshot, static source => [source.GetAsOf(RecordKind.Object, "object:009", source.Sequence - 1) is { } record ? Line(record) : "none"]);
        }

        expected._status = Status(snapshot);
        Assert.Equal(objects * 2, expected._records.Count);
        return expected;
    }

    /// <summary>The first answer that differs; faults are answers of their own.</summary>
    internal string? FindDifference(ReadSnapshot snapshot, out bool faulted)
    {
        bool anyFault = false;
        string? Ask(Func<string?> question)
        {
            try
            {
                return question();
            }
            catch (StateStoreException)
            {
                anyFault = true;
                return null;
            }
        }

        string? wrong = null;
        foreach (((RecordKind kind, string id), StoredRecord record) in _records)
        {
            wrong ??= Ask(() => snapshot.Get(kind, id) is { } found && Line(found) == Line(record) ? null : $"{kind} '{id}' is wrong or not found");
        }

        foreach (string id in s_absent)
        {
            wrong ??= Ask(() => snapshot.Get(RecordKind.Object, id) is null ? null : $"'{id}' never was and is found");
        }

        for (int i = 0; i < _lists.Count; i++)
        {
            int number = i;
            wrong ??= Ask(() => Compare(number, _lists[number].Ask(snapshot), _lists[number].Answer));
        }

        wrong ??= Ask(() => Status(snapshot) == _status ? null : "the status is wrong");
        faulted = anyFault;
        return wrong;
    }

    private static string? Compare(int number, List<string> found, List<string> expected)
    {
        int same = found.Zip(expected).TakeWhile(static pair => pair.First == pair.Second).Count();
        return same == found.Count && same == expected.Count ? null
            : string.Create(CultureInfo.InvariantCulture, $"list {number} has {found.Count} of {expected.Count} entries and differs from the {same}th on: {string.Join(" | ", found.Skip(Math.Max(0, same - 1)).Take(2).Select(static line => line[..Math.Min(40, line.Length)]))}");
    }

    private void Add(ReadSnapshot snapshot, Func<ReadSnapshot, List<string>> ask) => _lists.Add((ask, ask(snapshot)));

    private static List<string> Lines(RecordEnumerable records) => [.. records.ToList().Select(Line)];

    private static string Line(StoredRecord record) =>
        string.Create(CultureInfo.InvariantCulture, $"{record.Kind} {record.Id} {record.Sequence} {record.Surrogate} {record.IsTombstone} {Convert.ToHexString(record.Body.Span)}");

    private static string Line(StoredEvent item) =>
        string.Create(CultureInfo.InvariantCulture, $"{item.Sequence} {item.CommitId} {item.Type} {item.Action} {item.SubjectKind} {item.SubjectId} {Convert.ToHexString(item.Image.Span)} {Convert.ToHexString(item.DataJson.Span)}");

    private static string Status(ReadSnapshot snapshot)
    {
        StateStoreStatus status = snapshot.GetStatus();
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{status.Sequence} {status.FrameCount} {status.LogRoot}");
        foreach (KindStatus kind in status.Kinds)
        {
            text.Append(CultureInfo.InvariantCulture, $" {kind}");
        }

        return text.ToString();
    }
}
