// Why this file exists: notes and reports beside a store rot like everything else, and nothing checks their bytes; looking at them must not fail because of one. Invariants: bytes of notes and reports are spoiled in turn, one at a time, mostly so that they are
// no text any more; what is listed does not depend on it.

using System.Globalization;
using System.Text.Json;

namespace SourceOS.StateStore.Tests;

public sealed class DamagedNotesTests
{
    [Fact]
    public async Task Whatever_a_note_or_a_report_has_become_quarantine_and_reports_can_be_read()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(90);
        string path = directory.StorePath;
        FencedStores.FlipBeyondParity(FencedStores.Segment(path, 0), 32768 + 5000);
        await FenceTests.FenceAsync(path);
        string entry = StoreRepair.ListQuarantine(path).Single(static found => found.CanRollBack).Id;
        int notes = 0;
        foreach (string file in Directory.GetFiles(path, "*.json", SearchOption.AllDirectories))
        {
            byte[] whole = File.ReadAllBytes(file);
            for (int at = 0; at < whole.Length; at++)
            {
                foreach (byte flipped in at % 6 == 0 ? (byte[])[0x80, 0x10, 0x02] : at % 2 == 0 ? [0x80] : [])
                {
                    byte[] bad = (byte[])whole.Clone();
                    bad[at] ^= flipped;
                    File.WriteAllBytes(file, bad);
                    Assert.True(StoreRepair.ListQuarantine(path).Any(found => found.Id == entry && found.CanRollBack), string.Create(CultureInfo.InvariantCulture, $"{file} byte {at}"));
                    foreach (byte[] report in StoreRepair.ReadReports(path))
                    {
                        using JsonDocument document = JsonDocument.Parse(report);
                        Assert.All(document.RootElement.EnumerateObject().Where(static member => member.Value.ValueKind == JsonValueKind.String), static member => Assert.NotNull(member.Value.GetString()));
                    }
                }
            }

            File.WriteAllBytes(file, whole);
            notes++;
        }

        Assert.True(notes >= 2, $"{notes} notes and reports");
    }

    [Fact]
    public async Task A_fence_is_not_undone_on_the_word_of_a_note_that_rotted()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(90);
        string path = directory.StorePath;
        FencedStores.FlipBeyondParity(FencedStores.Segment(path, 0), 32768 + 5000);
        await FenceTests.FenceAsync(path);
        QuarantineEntry fence = StoreRepair.ListQuarantine(path).Single(static found => found.CanRollBack);
        string note = Assert.Single(Directory.GetFiles(fence.Path, "*.json"));
        byte[] whole = File.ReadAllBytes(note);
        for (int at = 0; at < whole.Length; at += 7)
        {
            byte[] bad = (byte[])whole.Clone();
            bad[at] = 0xFF;
            File.WriteAllBytes(note, bad);
            Assert.Equal(StateStoreErrorCode.ReviewRequired, Assert.Throws<StateStoreException>(() => StoreRepair.Rollback(path, fence.Id)).Code);
        }

        File.WriteAllBytes(note, whole);
        StoreRepair.Rollback(path, fence.Id);
    }
}
