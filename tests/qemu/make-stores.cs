// Why this file exists: the boot test needs a sound store and a twin with one flipped byte in a record that a boot leans on, made without asking the boot check which byte counts. Invariants: the twin differs
// from the sound store in one byte; that byte lies in the record as the engine reads it, because the engine refuses the record afterwards and gave it before.
#:project ../../src/SourceOS.StateStore/SourceOS.StateStore.csproj
#:property TargetFramework=net10.0
#:property PublishAot=false

using System.Text;
using SourceOS.StateStore;
using SourceOS.StateStore.Format;

if (args is not [var directory])
{
    Console.Error.WriteLine("usage: make-stores DIRECTORY");
    return 2;
}

const string Wanted = "object:release-set";
const string Title = "the release set that this machine boots";
string sound = Path.Combine(directory, "sound");
using (StateStore store = StateStore.Create(sound, new StateStoreOptions { LogPageBits = 16, SegmentBits = 17, ReserveBytes = 0 }))
{
    StateSession session = store.OpenSession(new SessionIdentity("actor:boot-test"));
    for (int i = 0; i < 50; i++)
    {
        string id = i == 25 ? Wanted : $"object:{i}";
        string title = i == 25 ? Title : new string('t', 50);
        byte[] record = Encoding.UTF8.GetBytes($$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"{{id}}","object_type":"note","title":"{{title}}","policy_tags":[{{(i == 25 ? "\"boot-critical\"" : "")}}]}""");
        CommitReceipt receipt = await session.CommitAsync(new CommitBatch().PutJson(record));
        if (!receipt.IsCommitted)
        {
            Console.Error.WriteLine($"{id} was not committed.");
            return 1;
        }
    }
}

string twin = Path.Combine(directory, "flipped");
byte[] wanted = Encoding.UTF8.GetBytes(Title);
byte[] data = File.ReadAllBytes(Path.Combine(sound, "state", "g1", "data.mdb"));
for (int at = data.AsSpan().IndexOf(wanted); at >= 0; at = Next(data, wanted, at))
{
    Copy(sound, twin);
    byte[] flipped = [.. data];
    flipped[at + 5] ^= 1;
    File.WriteAllBytes(Path.Combine(twin, "state", "g1", "data.mdb"), flipped);
    if (IsRefused(twin) && !IsRefused(sound))
    {
        Console.WriteLine($"Flipped bit 0 of byte {at + 5} of state/g1/data.mdb.");
        return 0;
    }
}

Console.Error.WriteLine("No byte was found whose flip the engine sees.");
return 1;

static bool IsRefused(string path)
{
    try
    {
        using StateStore store = StateStore.OpenRead(path);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return snapshot.Get(RecordKind.Object, Wanted) is null;
    }
    catch (StateStoreException)
    {
        return true;
    }
}

static int Next(byte[] data, byte[] wanted, int at)
{
    int found = data.AsSpan(at + 1).IndexOf(wanted);
    return found < 0 ? -1 : at + 1 + found;
}

static void Copy(string from, string to)
{
    if (Directory.Exists(to))
    {
        Directory.Delete(to, recursive: true);
    }

    foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
    {
        string target = Path.Combine(to, Path.GetRelativePath(from, file));
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        File.Copy(file, target);
    }
}
