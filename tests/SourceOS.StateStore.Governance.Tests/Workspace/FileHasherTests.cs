// Why this file exists: a recorded hash must be the hash of one moment of the file, and a file that never holds still must end.

using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Governance.Workspace;
using SourceOS.StateStore.Governance.Workspace.Hashing;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Tests.Workspace;

public sealed class FileHasherTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData((128 * 1024) - 1)]
    [InlineData(128 * 1024)]
    [InlineData((128 * 1024) + 1)]
    [InlineData(1_000_000)]
    public void The_hash_is_that_of_the_content(int length)
    {
        using Tree tree = new();
        byte[] content = RandomNumberGenerator.GetBytes(length);
        File.WriteAllBytes(tree.PathOf("f"), content);
        FaultingTreeCalls calls = new();
        Assert.Null(Hash(tree, calls, out byte[] hash, out TreeStatus status));
        Assert.Equal(SHA256.HashData(content), hash);
        Assert.Equal(length, status.SizeBytes);
    }

    [Fact]
    public void A_file_that_changes_once_while_it_is_read_is_read_again()
    {
        using Tree tree = new();
        tree.Write("f", "before");
        FaultingTreeCalls calls = new();
        calls.BeforeRead = read =>
        {
            if (read == 1)
            {
                File.WriteAllText(tree.PathOf("f"), "after!");
            }
        };
        Assert.Null(Hash(tree, calls, out byte[] hash, out _));
        Assert.Equal(SHA256.HashData("after!"u8), hash);
    }

    [Fact]
    public void A_file_that_keeps_changing_is_given_up()
    {
        using Tree tree = new();
        tree.Write("f", "x");
        FaultingTreeCalls calls = new();
        calls.BeforeRead = read => File.AppendAllText(tree.PathOf("f"), new string('y', read));
        Assert.Equal(SkipReason.Changing, Hash(tree, calls, out _, out _));
    }

    [Fact]
    public void A_file_that_shrinks_or_claims_a_size_it_has_not_is_given_up()
    {
        // The kernel's own files say 4,096 bytes and give fewer.
        FaultingTreeCalls calls = new();
        int parent = calls.OpenRoot("/sys/kernel");
        FileHasher hasher = new(calls, long.MaxValue);
        byte[] hash = new byte[32];
        Assert.Equal(SkipReason.Changing, hasher.Hash(parent, "notes\0"u8, hash, out _, default) ?? hasher.Hash(parent, "fscaps\0"u8, hash, out _, default));
        calls.Close(parent);
    }

    [Theory]
    [InlineData("open", 13, SkipReason.Unreadable)]
    [InlineData("open", 2, SkipReason.Vanished)]
    [InlineData("open", 40, SkipReason.Vanished)]
    [InlineData("read", 5, SkipReason.InputOutput)]
    public void A_failure_has_its_reason(string operation, int error, string reason)
    {
        using Tree tree = new();
        tree.Write("f", "x");
        FaultingTreeCalls calls = new();
        calls.Errors.Add((operation, "f"), error);
        Assert.Equal(reason, Hash(tree, calls, out _, out _));
        Assert.Equal(0, calls.OpenCount);
    }

    [Fact]
    public void Links_pipes_and_huge_files_are_not_read()
    {
        using Tree tree = new();
        tree.Write("real", "x");
        tree.Link("f", "real");
        Assert.Equal(SkipReason.Vanished, Hash(tree, new FaultingTreeCalls(), out _, out _));
        File.Delete(tree.PathOf("f"));
        tree.Pipe("f");
        Assert.Equal(SkipReason.SpecialFile, Hash(tree, new FaultingTreeCalls(), out _, out _));
        File.Delete(tree.PathOf("f"));
        using (FileStream sparse = File.Create(tree.PathOf("f")))
        {
            sparse.SetLength(1L << 40);
        }

        FaultingTreeCalls calls = new();
        Assert.Equal(SkipReason.TooLarge, Hash(tree, calls, out _, out _, maxFileBytes: 1L << 39));
    }

    [Fact]
    public void Cancelling_ends_the_reading_of_a_long_file()
    {
        using Tree tree = new();
        using (FileStream sparse = File.Create(tree.PathOf("f")))
        {
            sparse.SetLength(1L << 40);
        }

        using CancellationTokenSource cancel = new();
        FaultingTreeCalls calls = new() { BeforeRead = read => CancelAt(cancel, read) };
        Assert.Throws<OperationCanceledException>(() => Hash(tree, calls, out _, out _, cancel: cancel.Token));
        Assert.Equal(0, calls.OpenCount);

        static void CancelAt(CancellationTokenSource cancel, int read)
        {
            if (read == 3)
            {
                cancel.Cancel();
            }
        }
    }

    private static string? Hash(
        Tree tree, FaultingTreeCalls calls, out byte[] hash, out TreeStatus status, long maxFileBytes = long.MaxValue, CancellationToken cancel = default)
    {
        hash = new byte[32];
        int parent = calls.OpenRoot(tree.Root);
        try
        {
            return new FileHasher(calls, maxFileBytes).Hash(parent, Encoding.UTF8.GetBytes("f\0"), hash, out status, cancel);
        }
        finally
        {
            calls.Close(parent);
        }
    }
}
