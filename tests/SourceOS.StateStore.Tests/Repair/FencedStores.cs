// Why this file exists: stores to damage and to repair, and what must be true of a repaired one. Invariants: small pages and segments, so that a few hundred commits fill
// several segments; every store has live records, a tombstone and a marked record.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Tests;

internal static class FencedStores
{
    internal const int Notes = 320;
    internal static readonly SessionIdentity Me = new("actor:test");

    internal static StateStoreOptions Options() => RoundTripTests.SmallOptions();

    internal static string Title(int i) => $"title {i} " + new string((char)('a' + (i % 26)), 900);

    /// <summary>Makes a store whose log has three segments.</summary>
    internal static async Task<TestDirectory> MakeAsync(int notes = Notes)
    {
        TestDirectory directory = new();
        await FillAsync(directory.StorePath, notes);
        return directory;
    }

    internal static async Task FillAsync(string path, int notes = Notes)
    {
        await using StateStore store = StateStore.Create(path, Options());
        StateSession session = store.OpenSession(Me);
        Random random = new(7);
        for (int i = 0; i < notes; i++)
        {
            byte[] noise = new byte[600];
            random.NextBytes(noise);
            string title = Title(i) + Convert.ToBase64String(noise);
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"note:{i:D4}", RoundTripTests.ObjectBody("note", title), new ChangeOptions { BootCritical = i == 3 }));
        }

        await session.CommitAsync(new CommitBatch().Delete(RecordKind.Object, "note:0001"));
    }

    internal static Dictionary<string, string> Records(string path)
    {
        using StateStore store = StateStore.OpenRead(path);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Dictionary<string, string> records = [];
        foreach (RecordKindInfo kind in RecordKinds.All.Where(static kind => kind.Kind != RecordKind.Report))
        {
            foreach (StoredRecord record in snapshot.Range(kind.Kind, includeTombstones: true).ToList())
            {
                records.Add($"{kind.Name}/{record.Id}", $"{record.IsTombstone} {record.IsBootCritical} {Encoding.UTF8.GetString(record.ToJson())}");
            }
        }

        return records;
    }

    internal static void AssertClean(string path)
    {
        VerificationReport report = StoreVerifier.Run(path);
        Assert.True(report.Verdict == VerificationVerdict.Clean, string.Join(Environment.NewLine, report.Findings.Select(static finding => $"{finding.Code} {finding.Place}: {finding.Message}")));
        Assert.True(report.IsComplete, string.Join(Environment.NewLine, report.NotChecked));
        Assert.True(report.BytesChecked == report.BytesOwned, string.Join(Environment.NewLine, report.Files.Where(static file => file.OwnedBytes != file.SeenBytes)));
    }

    internal static string Segment(string path, int number) => Path.Combine(path, "events", $"segment-{number:D8}.log");

    /// <summary>Flips a bit of a segment and takes the parity away that would heal it.</summary>
    internal static void FlipBeyondParity(string segment, long offset)
    {
        Flip(segment, offset);
        string parity = segment.Replace("/events/", "/parity/", StringComparison.Ordinal).Replace(".log", ".parity", StringComparison.Ordinal);
        if (File.Exists(parity))
        {
            File.Delete(parity);
        }
    }

    internal static void Flip(string file, long offset)
    {
        byte[] bytes = File.ReadAllBytes(file);
        bytes[offset] ^= 0x10;
        File.WriteAllBytes(file, bytes);
    }
}
