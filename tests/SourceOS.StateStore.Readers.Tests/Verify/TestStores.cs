// Why this file exists: whole stores for the verifier's tests, small enough to damage bit by bit. Invariants: the same call gives the same
// log; every store that is made here verifies clean before a test touches it.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Tests.Log;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Readers.Tests.Verify;

internal static class TestStores
{
    /// <summary>An object's body.</summary>
    public static byte[] ObjectBody(int seed, int titleBytes = 10)
    {
        RecordBodyBuilder builder = new();
        builder.SetText(ObjectSlots.ObjectType, seed % 2 == 0 ? "note" : "file");
        builder.SetText(ObjectSlots.ProfileId, $"profile-{seed % 3}");
        builder.SetText(ObjectSlots.WorkspaceId, $"workspace-{seed % 2}");
        builder.SetText(ObjectSlots.LastModifiedByActor, $"actor-{seed % 5}");
        builder.SetTime(ObjectSlots.UpdatedAt, 1_700_000_000_000_000 + seed);
        builder.SetText(ObjectSlots.State, "active");
        builder.SetText(ObjectSlots.Path, seed % 7 == 0 ? "/" + new string('p', 450) + seed : $"/docs/{seed}");
        if (seed % 3 == 0)
        {
            builder.SetSha256(ObjectSlots.ContentHash, Checksum.Sha256(Encoding.UTF8.GetBytes($"{seed}")));
        }

        builder.SetText(24, new string('t', titleBytes));
        return builder.Build();
    }

    public static TestEvent Put(int seed, int titleBytes = 10, ulong previous = 0) => new()
    {
        Action = EventAction.Put,
        SubjectKind = RecordKind.Object,
        SubjectId = $"object-{seed:D6}",
        Image = ObjectBody(seed, titleBytes),
        PreviousSequence = previous,
        Lane = Lane.Normal,
    };

    public static TestEvent PutActor(int seed) => new()
    {
        Action = EventAction.Put,
        SubjectKind = RecordKind.Actor,
        SubjectId = $"actor-{seed}",
        Image = new RecordBodyBuilder().SetText(2, $"Actor {seed}").Build(),
        Lane = Lane.Policy,
        Marks = ImageMarks.BootCritical,
    };

    /// <summary>A log with objects, actors, tombstones, a purge and plain events.</summary>
    public static TestLog Log(string path, int objects, int pageBits = 16, int segmentBits = 17)
    {
        TestLog log = new(path, pageBits, segmentBits);
        log.AddFrame([PutActor(1), PutActor(2), PutActor(3)]);
        log.WriteSlot();
        for (int i = 0; i < objects; i++)
        {
            log.AddFrame([Put(i, titleBytes: 5 + (i * 31 % 300)), new TestEvent { Lane = Lane.Audit, Data = "{\"a\":1}"u8.ToArray() }], isLast: i % 4 != 2 || i == objects - 1, compress: i % 2 == 0);
            log.DurableFrames = (ulong)log.Frames.Count / 2;
            if (i % 10 == 9)
            {
                log.WriteSlot();
            }
        }

        log.AddFrame([
            Put(0, 77) with { PreviousSequence = objects > 0 ? 4UL : 0 },
            Put(1) with { Action = EventAction.Tombstone, Lane = Lane.Tombstone },
            new TestEvent { Action = EventAction.Purge, SubjectKind = RecordKind.Object, SubjectId = "object-000002" },
        ]);
        log.Close(stateTransaction: 7);
        return log;
    }

    // These logs are written by hand and have no parity, which a verifier mentions; what it says of parity is tested with stores of the engine.
    public static VerificationReport Verify(TestLog log, VerifyOptions? options = null)
    {
        VerificationReport report = StoreVerifier.Run(log.Layout.StorePath, options ?? new VerifyOptions { DegreeOfParallelism = 2 });
        List<Finding> findings = [.. report.Findings.Where(static finding => finding.Code != "log.parity.missing")];
        return report with { Findings = findings, FindingCount = report.FindingCount - (report.Findings.Count - findings.Count) };
    }

    public static string Describe(VerificationReport report) =>
        string.Join('\n', report.Findings.Select(static f => $"{f.Code} [{f.Place}] {f.Message}").Concat(report.NotChecked.Select(static n => $"not checked: {n.What}: {n.Why}")));

    public static void AssertClean(VerificationReport report)
    {
        Assert.True(report.Findings.Count == 0 && report.IsComplete, Describe(report));
        Assert.Equal(VerificationVerdict.Clean, report.Verdict);
        Assert.Equal(report.BytesOwned, report.BytesChecked);
        Assert.All(report.Files, static file => Assert.Equal(file.OwnedBytes, file.SeenBytes));
    }
}
