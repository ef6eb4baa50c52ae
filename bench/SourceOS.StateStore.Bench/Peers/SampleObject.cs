// Why this file exists: the records that every contestant stores: about 480 bytes, five indexed fields, different at each version, the same for everyone.
// Invariants: index and version decide every byte; identifiers are scattered, so that inserts land all over a tree as they do in real use.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Bench.Peers;

/// <summary>One version of one object.</summary>
public sealed class SampleObject
{
    /// <summary>Objects in one directory of a workspace.</summary>
    public const int ObjectsPerDirectory = 100;

    private const int TitleSlot = 25;
    private const int SizeSlot = 22;
    private const int AttributesSlot = 26;
    private static readonly string[] s_types = ["note", "task", "file", "image", "message", "contact", "event", "bookmark"];
    private static readonly string[] s_states = ["active", "archived", "active", "active"];

    private SampleObject(int index, int version)
    {
        Index = index;
        Version = version;
        ulong mixed = Mix((ulong)index);
        Id = string.Create(CultureInfo.InvariantCulture, $"object:{mixed:x16}");
        IdUtf8 = Encoding.UTF8.GetBytes(Id);
        Type = s_types[index % s_types.Length];
        Profile = index % 3 == 0 ? "profile:work" : "profile:personal";
        Workspace = string.Create(CultureInfo.InvariantCulture, $"workspace:{index % 4}");
        Actor = string.Create(CultureInfo.InvariantCulture, $"actor:{(index + (version * 7)) % 16:D2}");
        State = s_states[version % s_states.Length];
        Path = string.Create(CultureInfo.InvariantCulture, $"documents/{index / 4 / ObjectsPerDirectory:D6}/{index:D8}.md");
        UpdatedAtMicros = 1_700_000_000_000_000 + (version * 1_000_000L) + index;
        Hash = Checksum.Sha256(Encoding.UTF8.GetBytes($"{index}/{version}"));
    }

    /// <summary>Which object.</summary>
    public int Index { get; }

    /// <summary>Which version of it, from 0.</summary>
    public int Version { get; }

    /// <summary>Its identifier.</summary>
    public string Id { get; }

    /// <summary>Its identifier in UTF-8.</summary>
    public byte[] IdUtf8 { get; }

    /// <summary>Indexed: its type.</summary>
    public string Type { get; }

    /// <summary>Indexed: its profile.</summary>
    public string Profile { get; }

    /// <summary>Indexed: its workspace.</summary>
    public string Workspace { get; }

    /// <summary>Indexed: its path.</summary>
    public string Path { get; }

    /// <summary>Indexed: its last actor; changes with the version.</summary>
    public string Actor { get; }

    /// <summary>Indexed: its content's hash; changes with the version.</summary>
    public Hash256 Hash { get; }

    /// <summary>Indexed: its state; changes with the version.</summary>
    public string State { get; }

    /// <summary>Indexed with the state; changes with the version.</summary>
    public long UpdatedAtMicros { get; }

    /// <summary>Its encoded body.</summary>
    public byte[] Body { get; private set; } = [];

    /// <summary>The directory that object and neighbours lie in.</summary>
    public static string Directory(int directory) => string.Create(CultureInfo.InvariantCulture, $"documents/{directory:D6}/");

    /// <summary>Makes one version of an object.</summary>
    /// <param name="index">Which object.</param>
    /// <param name="version">Which version.</param>
    /// <param name="builder">A builder to reuse.</param>
    /// <returns>The object.</returns>
    public static SampleObject Make(int index, int version, RecordBodyBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        SampleObject item = new(index, version);
        builder.Clear();
        item.Body = builder
            .SetText(ObjectSlots.ObjectType, item.Type)
            .SetText(ObjectSlots.WorkspaceId, item.Workspace)
            .SetText(ObjectSlots.ProfileId, item.Profile)
            .SetText(ObjectSlots.LastModifiedByActor, item.Actor)
            .SetTime(ObjectSlots.UpdatedAt, item.UpdatedAtMicros)
            .SetSha256(ObjectSlots.ContentHash, item.Hash)
            .SetText(ObjectSlots.State, item.State)
            .SetText(ObjectSlots.Path, item.Path)
            .SetInteger(SizeSlot, 1000 + index)
            .SetText(TitleSlot, string.Create(CultureInfo.InvariantCulture, $"The title of object {index} at its version {version}"))
            .SetJson(AttributesSlot, Encoding.UTF8.GetBytes($$"""{"labels":["first","second"],"rating":{{index % 5}},"source":"import {{version}}"}"""))
            .Build();
        return item;
    }

    // A bijection of 64 bits (the finaliser of SplitMix64), so that no two objects share an identifier.
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}

/// <summary>The order of changes that every contestant of a comparison applies.</summary>
/// <param name="preloaded">Objects that exist before the first change.</param>
/// <param name="inserts">Whether changes make new objects instead of new versions.</param>
public sealed class ChangeOrder(int preloaded, bool inserts)
{
    private const int Stride = 7919;
    private readonly RecordBodyBuilder _builder = new();
    private readonly Dictionary<int, int> _versions = [];
    private long _next;

    /// <summary>Objects that exist now.</summary>
    public int ObjectCount => inserts ? preloaded + (int)_next : preloaded;

    /// <summary>The objects to begin with.</summary>
    public IEnumerable<SampleObject> Preload()
    {
        for (int index = 0; index < preloaded; index++)
        {
            yield return SampleObject.Make(index, 0, _builder);
        }
    }

    /// <summary>The next change.</summary>
    public SampleObject Next()
    {
        long number = _next++;
        if (inserts)
        {
            return SampleObject.Make(preloaded + (int)number, 0, _builder);
        }

        int index = (int)(number * Stride % preloaded);
        int version = _versions[index] = _versions.GetValueOrDefault(index) + 1;
        return SampleObject.Make(index, version, _builder);
    }

    /// <summary>The next changes.</summary>
    public SampleObject[] Next(int count)
    {
        SampleObject[] changes = new SampleObject[count];
        for (int i = 0; i < count; i++)
        {
            changes[i] = Next();
        }

        return changes;
    }

    /// <summary>An object as it must stand now.</summary>
    public SampleObject Current(int index) => SampleObject.Make(index, _versions.GetValueOrDefault(index), _builder);

    /// <summary>An object as it stood before a change of it; null when the change made it.</summary>
    public static SampleObject? Before(SampleObject change, RecordBodyBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(change);
        return change.Version == 0 ? null : SampleObject.Make(change.Index, change.Version - 1, builder);
    }
}
