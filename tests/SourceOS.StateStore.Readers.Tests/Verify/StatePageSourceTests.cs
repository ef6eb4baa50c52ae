// Why this file exists: pages come from read-ahead, from kept copies and from the file, and must be the right ones from each. Invariants: each
// page of the test file is full of its own number.

using System.Buffers.Binary;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Tests.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Verify;

public sealed class StatePageSourceTests
{
    private const int Pages = 700;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Any_order_of_reads_gives_the_pages_asked_for_and_leaves_the_one_before_as_it_was(int seed)
    {
        StatePageSource source = Open(new MemoryFiles { Files = { ["x"] = MakeFile() } });
        Random random = new(seed);
        ulong next = 0;
        for (int i = 0; i < 20_000; i++)
        {
            ulong page = random.Next(4) > 0 && next < Pages ? next : (ulong)random.Next(Pages);
            ulong other = random.Next(3) == 0 ? page + 64 : (ulong)random.Next(Pages);
            ulong run = (ulong)random.Next(Pages - 40);
            next = page + 1;
            Assert.Equal(LmdbFaultCode.None, source.Read(page, 1, out ReadOnlySpan<byte> bytes));
            if (other < Pages)
            {
                Assert.Equal(LmdbFaultCode.None, source.Read(other, 1, out ReadOnlySpan<byte> second));
                Assert.Equal(other, NumberOf(second));
            }

            ulong count = (ulong)random.Next(2, 40);
            Assert.Equal(LmdbFaultCode.None, source.Read(run, count, out ReadOnlySpan<byte> third));
            Assert.Equal(run, NumberOf(third));
            Assert.Equal(run + count - 1, NumberOf(third[^4096..]));
            Assert.Equal(page, NumberOf(bytes));
        }
    }

    [Fact]
    public void Pages_beyond_the_file_and_endless_runs_are_faults()
    {
        StatePageSource source = Open(new MemoryFiles { Files = { ["x"] = MakeFile() } });
        Assert.Equal(LmdbFaultCode.PageBeyondFile, source.Read(Pages, 1, out _));
        Assert.Equal(LmdbFaultCode.PageBeyondFile, source.Read(Pages - 1, 2, out _));
        Assert.Equal(LmdbFaultCode.PageBeyondFile, source.Read(ulong.MaxValue, ulong.MaxValue, out _));
        Assert.Equal(LmdbFaultCode.PageBeyondFile, source.Read(0, 0, out _));
        Assert.Equal(LmdbFaultCode.PageBeyondFile, source.Read(1, ulong.MaxValue, out _));
    }

    [Fact]
    public void A_bad_page_spoils_no_other()
    {
        FaultyFiles files = new((string _, long offset, ref int length) =>
        {
            length = (int)Math.Clamp((100 * 4096) - offset, 0, length);
            return offset is >= 100 * 4096 and < 101 * 4096 ? ReadStatus.InputOutput : length == 0 ? ReadStatus.Ok : ReadStatus.Ok;
        });
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, MakeFile());
            Assert.Equal(ReadStatus.Ok, files.Open(path, out PositionalFile? file));
            using (file!)
            {
                StatePageSource source = new(file!, 4096, Pages * 4096);
                for (ulong page = 0; page < 100; page++)
                {
                    Assert.Equal(LmdbFaultCode.None, source.Read(page, 1, out ReadOnlySpan<byte> bytes));
                    Assert.Equal(page, NumberOf(bytes));
                }

                Assert.Equal(LmdbFaultCode.InputOutput, source.Read(100, 1, out _));
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static ulong NumberOf(ReadOnlySpan<byte> page)
    {
        ulong first = BinaryPrimitives.ReadUInt64LittleEndian(page);
        return first == BinaryPrimitives.ReadUInt64LittleEndian(page[4088..]) ? first : ulong.MaxValue;
    }

    private static byte[] MakeFile()
    {
        byte[] file = new byte[Pages * 4096];
        for (int page = 0; page < Pages; page++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(page * 4096), (ulong)page);
            BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan((page * 4096) + 4088), (ulong)page);
        }

        return file;
    }

    private static StatePageSource Open(MemoryFiles files)
    {
        Assert.Equal(ReadStatus.Ok, files.Open("x", out PositionalFile? file));
        return new StatePageSource(file!, 4096, Pages * 4096);
    }
}
