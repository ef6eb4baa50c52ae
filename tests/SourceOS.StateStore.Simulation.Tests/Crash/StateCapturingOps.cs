// Why this file exists: a rebuilt state is made durable by liblmdb's own sync, which the seam does not see; an image of the swap needs it all the
// same. Invariants: what the file held when it was synced is in the trace before the step that relies on it (fsync of the file, the
// superblock's update); nothing else is changed.

using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>A seam over a recording one that adds liblmdb's synced bytes to the trace.</summary>
internal sealed class StateCapturingOps(RecordingFileOps inner, string storePath) : FileOpsDecorator(inner)
{
    private const string DataName = "data.mdb";

    public override int FSync(int fd)
    {
        string path = PathOf(fd);
        if (Path.GetFileName(path) == DataName)
        {
            RecordContent(path);
        }

        return base.FSync(fd);
    }

    public override nint PWrite(int fd, ReadOnlySpan<byte> buffer, long offset)
    {
        if (PathOf(fd) == Path.Combine(storePath, "STORE"))
        {
            foreach (string data in Directory.EnumerateFiles(Path.Combine(storePath, "state"), DataName, SearchOption.AllDirectories))
            {
                RecordContent(data);
                if (inner.Knows(data))
                {
                    inner.RecordForeignSync(data);
                }
            }
        }

        return base.PWrite(fd, buffer, offset);
    }

    private void RecordContent(string path)
    {
        if (inner.Knows(path))
        {
            inner.RecordForeignWrite(path, 0, File.ReadAllBytes(path));
        }
    }
}
