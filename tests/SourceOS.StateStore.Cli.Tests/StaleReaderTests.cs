// Why this file exists: a reader that died keeps its slot in liblmdb's table, and with it every page of its snapshot, until somebody looks. Invariants: whoever opens the store for writing looks, also
// while another reader lives.

using System.Buffers.Binary;
using System.Diagnostics;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class StaleReaderTests
{
    private const int CountAt = 56;
    private const int FirstSlotAt = 128;
    private const int SlotBytes = 64;

    [Fact]
    public void A_dead_readers_slot_is_cleared_when_the_store_is_opened_beside_a_living_reader()
    {
        using Statestore store = Statestore.Initialised();
        string path = Path.Combine(store.StorePath, "state", "g1", "lock.mdb");
        using Process follower = store.Start(null, "log", "--follow", "--json");
        try
        {
            // The first line comes once the reader has its snapshot.
            Assert.NotNull(follower.StandardOutput.ReadLine());
            using Process gone = Process.Start("/bin/true");
            gone.WaitForExit();
            int slot = (int)BinaryPrimitives.ReadUInt32LittleEndian(File.ReadAllBytes(path).AsSpan(CountAt));
            Assert.InRange(slot, 1, 30);
            using (FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            {
                // A slot is a transaction number, a process and a thread.
                byte[] words = new byte[24];
                BinaryPrimitives.WriteUInt64LittleEndian(words, 1);
                BinaryPrimitives.WriteInt64LittleEndian(words.AsSpan(8), gone.Id);
                BinaryPrimitives.WriteInt64LittleEndian(words.AsSpan(16), 1);
                file.Position = FirstSlotAt + (slot * SlotBytes);
                file.Write(words);
                file.Position = CountAt;
                file.WriteByte((byte)(slot + 1));
            }

            store.Run("event", "append", "app.tick").Exits(0);
            Assert.False(follower.HasExited);
            byte[] after = File.ReadAllBytes(path);
            Assert.Equal(0, BinaryPrimitives.ReadInt32LittleEndian(after.AsSpan(FirstSlotAt + (slot * SlotBytes) + 8)));
        }
        finally
        {
            follower.Kill(entireProcessTree: true);
            follower.WaitForExit();
        }
    }
}
