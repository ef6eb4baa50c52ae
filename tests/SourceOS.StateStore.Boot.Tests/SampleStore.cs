// Why this file exists: boot checks need a small store of known content, closed or left open as a crash leaves it, and copies of it to damage.

using System.Text;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Boot.Tests;

public sealed class SampleStore : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private int _copies;

    public SampleStore()
    {
        Closed = _directory.PathOf("closed");
        Crashed = _directory.PathOf("crashed");
        using StateStore store = StateStore.Create(Closed, new StateStoreOptions { LogPageBits = 16, SegmentBits = 17, ReserveBytes = 0 });
        StateSession session = store.OpenSession(new SessionIdentity("actor:test"));
        for (int i = 0; i < 60; i++)
        {
            byte[] record = Encoding.UTF8.GetBytes($$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:{{i}}","object_type":"note","title":"{{new string('t', 50)}}"}""");
            CommitReceipt receipt = session.CommitAsync(new CommitBatch().PutJson(record, new ChangeOptions { BootCritical = i % 2 == 0 })).AsTask().GetAwaiter().GetResult();
            Assert.True(receipt.IsCommitted);
        }

        StoreCopy.CopyLive(Closed, Crashed);
    }

    /// <summary>A store that was closed cleanly.</summary>
    public string Closed { get; }

    /// <summary>The same store as a crash of its process left it.</summary>
    public string Crashed { get; }

    /// <summary>A copy to damage.</summary>
    public string Copy(string source)
    {
        string target = _directory.PathOf($"copy-{_copies++}");
        StoreCopy.CopyLive(source, target);
        return target;
    }

    public string PathOf(string name) => _directory.PathOf(name);

    public void Dispose() => _directory.Dispose();
}
