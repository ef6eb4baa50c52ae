// Why this file exists: a new environment appears complete and durable or not at all. Invariants: syncs and renames are read from a recording of
// the seam; faults are injected through it.

using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Lmdb;

public sealed class LmdbCreationTests : IDisposable
{
    private static readonly LmdbOptions Options = new() { MapSizeBytes = 1L << 30 };

    private readonly TemporaryDirectory _directory = new();

    private string Target => _directory.PathOf("g1");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_created_environment_is_sound_has_its_databases_and_no_lock_file()
    {
        LmdbCreation.Create(Target, ["a", "b"], Options);
        Assert.Equal([Path.Combine(Target, "data.mdb")], Directory.GetFileSystemEntries(Target));
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(Path.Combine(Target, "data.mdb"));
        Assert.True(LmdbMetaPair.TryRead(file, out LmdbMetaPair metas));
        Assert.False(metas.CheckAtRest().IsFault);
        Assert.False(metas.TryNewest(out LmdbMeta meta).IsFault);
        using LmdbPageCache cache = new(file, meta.PageSizeBytes);
        LmdbWalkReport report = LmdbWalker.Walk(() => new FilePages(cache), meta, new LmdbWalkOptions { FileLengthBytes = cache.FileLengthBytes, MetasAtRest = metas });
        Assert.True(report.IsSound, string.Join("\n", report.Findings));
        Assert.Equal(["(free)", "", "a", "b"], report.Databases.Select(database => database.Name));
    }

    [Fact]
    public void File_and_directory_are_synced_before_the_rename_and_the_parent_after_it()
    {
        RecordingFileOps recording = new(LinuxFileOps.Instance, _directory.Path);
        LmdbCreation.Create(Target, ["a"], Options, recording);
        TraceStep[] steps = [.. recording.Trace.Steps];
        int file = Array.FindIndex(steps, step => step is TraceStep.SyncFile);
        int inner = Array.FindIndex(steps, step => step is TraceStep.SyncDirectory { Path: "g1.new" });
        int rename = Array.FindIndex(steps, step => step is TraceStep.Rename { Source: "g1.new", Target: "g1" });
        int parent = Array.FindIndex(steps, step => step is TraceStep.SyncDirectory { Path: "" });
        Assert.True(file >= 0 && file < inner && inner < rename && rename < parent, string.Join("\n", steps.Select(step => step.ToString())));
        Assert.DoesNotContain(steps.Skip(file), step => step is TraceStep.Write);
    }

    [Fact]
    public void Nothing_is_left_when_a_step_fails()
    {
        foreach (string step in (string[])["fsync", "fsync directory", "rename"])
        {
            FailingOps failing = new(step);
            StateStoreException failed = Assert.Throws<StateStoreException>(() => LmdbCreation.Create(Target, ["a"], Options, failing));
            Assert.Equal(StateStoreErrorCode.InputOutput, failed.Code);
            Assert.Empty(Directory.GetFileSystemEntries(_directory.Path));
        }

        LmdbCreation.Create(Target, ["a"], Options);
    }

    [Fact]
    public void A_creation_given_up_leaves_nothing_and_a_leftover_is_replaced()
    {
        using (LmdbCreation creation = LmdbCreation.Begin(Target, Options))
        {
            Assert.True(Directory.Exists(Target + LmdbCreation.TemporarySuffix));
        }

        Assert.Empty(Directory.GetFileSystemEntries(_directory.Path));
        Directory.CreateDirectory(Target + LmdbCreation.TemporarySuffix);
        File.WriteAllText(Path.Combine(Target + LmdbCreation.TemporarySuffix, "data.mdb"), "torn");
        LmdbCreation.Create(Target, [], Options);
        Assert.Equal([Target], Directory.GetFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void Neither_an_existing_target_nor_a_strange_leftover_is_touched()
    {
        Directory.CreateDirectory(Target);
        Assert.Equal(StateStoreErrorCode.AlreadyExists, Assert.Throws<StateStoreException>(() => LmdbCreation.Create(Target, [], Options)).Code);
        Directory.Delete(Target);
        string strange = Path.Combine(Target + LmdbCreation.TemporarySuffix, "someone's file");
        Directory.CreateDirectory(Path.GetDirectoryName(strange)!);
        File.WriteAllText(strange, "kept");
        Assert.Throws<StateStoreException>(() => LmdbCreation.Create(Target, [], Options));
        Assert.Equal("kept", File.ReadAllText(strange));
    }

    private sealed class FailingOps(string step) : FileOpsDecorator(LinuxFileOps.Instance)
    {
        public override int FSync(int fd) => step == "fsync" ? -Errno.EIO : base.FSync(fd);

        public override int FSyncDirectory(string path) => step == "fsync directory" ? -Errno.EIO : base.FSyncDirectory(path);

        public override int Rename(string source, string target) => step == "rename" ? -Errno.EIO : base.Rename(source, target);
    }
}
