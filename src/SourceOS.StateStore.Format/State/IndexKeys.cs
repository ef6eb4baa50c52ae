// Why this file exists: which index entries a record has, as one pure function of its envelope and body (format-spec/state.md), used by the fold, the
// verifier and every list. Invariants: same record, same keys; nothing is allocated.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Format;

/// <summary>Indexes of records. Codes are stored and stable. All but the last are of objects alone.</summary>
public enum ObjectIndex : byte
{
    /// <summary>By profile and type.</summary>
    ProfileType = 1,

    /// <summary>By workspace and path.</summary>
    WorkspacePath = 2,

    /// <summary>By last actor.</summary>
    LastActor = 3,

    /// <summary>By content hash.</summary>
    ContentHash = 4,

    /// <summary>By state and time of update.</summary>
    StateUpdated = 5,

    /// <summary>Records of any kind that carry the mark for boot.</summary>
    BootCritical = 6,
}

/// <summary>Slots of an object's body that the engine reads.</summary>
public static class ObjectSlots
{
    /// <summary>`object_type`.</summary>
    public const int ObjectType = 1;

    /// <summary>`workspace_id`.</summary>
    public const int WorkspaceId = 4;

    /// <summary>`profile_id`.</summary>
    public const int ProfileId = 5;

    /// <summary>`last_modified_by_actor`.</summary>
    public const int LastModifiedByActor = 9;

    /// <summary>`updated_at`.</summary>
    public const int UpdatedAt = 11;

    /// <summary>`policy_tags`.</summary>
    public const int PolicyTags = 15;

    /// <summary>`content_hash`.</summary>
    public const int ContentHash = 17;

    /// <summary>`state`.</summary>
    public const int State = 19;

    /// <summary>`path`.</summary>
    public const int Path = 21;
}

/// <summary>The index keys of one record, built into a fixed buffer. Reusable.</summary>
public sealed class IndexKeys
{
    /// <summary>Most keys one record has.</summary>
    public const int MaxCount = 6;

    /// <summary>Length of a key of <see cref="ObjectIndex.BootCritical"/> in bytes.</summary>
    public const int BootCriticalKeyLengthBytes = 1 + 8;

    /// <summary>Longest prefix of a path that stands in a key as it is.</summary>
    public const int MaxPlainPathLengthBytes = 400;

    /// <summary>Longest key in bytes.</summary>
    public const int MaxKeyLengthBytes = 1 + 8 + MaxPlainPathLengthBytes + 1 + 8 + 8;

    private readonly byte[] _buffer = new byte[MaxCount * MaxKeyLengthBytes];
    private readonly int[] _lengths = new int[MaxCount];

    /// <summary>Number of keys.</summary>
    public int Count { get; private set; }

    /// <summary>A key.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <returns>The key; valid until keys are derived again.</returns>
    public ReadOnlySpan<byte> this[int index] => _buffer.AsSpan(index * MaxKeyLengthBytes, _lengths[index]);

    /// <summary>Becomes the keys of a record of any kind.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="body">Its body; looked at for objects only.</param>
    /// <param name="isTombstone">Whether only its tombstone is left.</param>
    /// <param name="isBootCritical">Whether it carries the mark for boot.</param>
    /// <param name="surrogate">Its surrogate.</param>
    public void Derive(RecordKind kind, RecordBodyView body, bool isTombstone, bool isBootCritical, ulong surrogate)
    {
        Count = 0;
        if (kind == RecordKind.Object)
        {
            Derive(body, isTombstone, surrogate);
        }

        if (isBootCritical && !isTombstone)
        {
            Next()[0] = (byte)ObjectIndex.BootCritical;
            Add(1, surrogate);
        }
    }

    /// <summary>Becomes the keys of an object without the mark for boot.</summary>
    /// <param name="body">Its body.</param>
    /// <param name="isTombstone">Whether only its tombstone is left.</param>
    /// <param name="surrogate">Its surrogate.</param>
    public void Derive(RecordBodyView body, bool isTombstone, ulong surrogate)
    {
        Count = 0;
        if (!isTombstone)
        {
            Add(NamePairKey(Next(), ObjectIndex.ProfileType, TextOf(body, ObjectSlots.ProfileId), TextOf(body, ObjectSlots.ObjectType)), surrogate);
            ReadOnlySpan<byte> path = TextOf(body, ObjectSlots.Path);
            if (path.Length > 0)
            {
                Add(PathKey(Next(), TextOf(body, ObjectSlots.WorkspaceId), path), surrogate);
            }

            Add(NameKey(Next(), ObjectIndex.LastActor, TextOf(body, ObjectSlots.LastModifiedByActor)), surrogate);
            int hashLength = HashKey(Next(), body);
            if (hashLength > 0)
            {
                Add(hashLength, surrogate);
            }
        }

        _ = body.TryGetTime(ObjectSlots.UpdatedAt, out long updated);
        Add(StateKey(Next(), TextOf(body, ObjectSlots.State), updated), surrogate);
    }

    /// <summary>Whether a key is among these.</summary>
    /// <param name="key">The key.</param>
    /// <returns>True when it is.</returns>
    public bool Contains(ReadOnlySpan<byte> key)
    {
        for (int i = 0; i < Count; i++)
        {
            if (this[i].SequenceEqual(key))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The number that stands for a text in a key.</summary>
    /// <param name="text">The text; empty stands for absent.</param>
    /// <returns>0 for empty, else never 0.</returns>
    public static ulong NameNumber(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty)
        {
            return 0;
        }

        ulong hash = Checksum.Xxh64(0, text);
        return hash == 0 ? 1 : hash;
    }

    /// <summary>Builds an index code followed by one name.</summary>
    /// <param name="destination">At least 9 bytes.</param>
    /// <param name="index">The index.</param>
    /// <param name="name">The name, or empty.</param>
    /// <returns>The length in bytes.</returns>
    public static int NameKey(Span<byte> destination, ObjectIndex index, ReadOnlySpan<byte> name)
    {
        destination[0] = (byte)index;
        BinaryPrimitives.WriteUInt64BigEndian(destination[1..], NameNumber(name));
        return 9;
    }

    /// <summary>Builds an index code followed by two names.</summary>
    /// <param name="destination">At least 17 bytes.</param>
    /// <param name="index">The index.</param>
    /// <param name="first">The first name, or empty.</param>
    /// <param name="second">The second name, or empty.</param>
    /// <returns>The length in bytes.</returns>
    public static int NamePairKey(Span<byte> destination, ObjectIndex index, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        NameKey(destination, index, first);
        BinaryPrimitives.WriteUInt64BigEndian(destination[9..], NameNumber(second));
        return 17;
    }

    /// <summary>Builds the key of a path, without the surrogate.</summary>
    /// <param name="destination">At least <see cref="MaxKeyLengthBytes"/> bytes.</param>
    /// <param name="workspace">The workspace, or empty.</param>
    /// <param name="path">The path.</param>
    /// <returns>The length in bytes.</returns>
    public static int PathKey(Span<byte> destination, ReadOnlySpan<byte> workspace, ReadOnlySpan<byte> path)
    {
        int at = NameKey(destination, ObjectIndex.WorkspacePath, workspace);
        bool isPlain = path.Length <= MaxPlainPathLengthBytes;
        ReadOnlySpan<byte> prefix = isPlain ? path : path[..MaxPlainPathLengthBytes];
        prefix.CopyTo(destination[at..]);
        at += prefix.Length;
        destination[at++] = isPlain ? (byte)0 : (byte)1;
        if (!isPlain)
        {
            BinaryPrimitives.WriteUInt64BigEndian(destination[at..], Checksum.Xxh64(0, path));
            at += 8;
        }

        return at;
    }

    /// <summary>Builds the key of a content hash given as SHA-256, without the surrogate.</summary>
    /// <param name="destination">At least 34 bytes.</param>
    /// <param name="hash">The hash.</param>
    /// <returns>The length in bytes.</returns>
    public static int HashKey(Span<byte> destination, in Hash256 hash)
    {
        destination[0] = (byte)ObjectIndex.ContentHash;
        destination[1] = (byte)FieldTag.Sha256;
        hash.CopyTo(destination[2..]);
        return 2 + Hash256.LengthBytes;
    }

    /// <summary>Builds the key of a content hash given as text, without the surrogate.</summary>
    /// <param name="destination">At least 18 bytes.</param>
    /// <param name="text">The text.</param>
    /// <returns>The length in bytes.</returns>
    public static int HashKey(Span<byte> destination, ReadOnlySpan<byte> text)
    {
        destination[0] = (byte)ObjectIndex.ContentHash;
        destination[1] = (byte)FieldTag.Text;
        Checksum.Write128(destination[2..], Checksum.Xxh128(0, text));
        return 18;
    }

    /// <summary>Builds the key of a state and a time, without the surrogate.</summary>
    /// <param name="destination">At least 17 bytes.</param>
    /// <param name="state">The state, or empty.</param>
    /// <param name="updatedMicros">The time; 0 when unknown.</param>
    /// <returns>The length in bytes.</returns>
    public static int StateKey(Span<byte> destination, ReadOnlySpan<byte> state, long updatedMicros)
    {
        NameKey(destination, ObjectIndex.StateUpdated, state);
        BinaryPrimitives.WriteUInt64BigEndian(destination[9..], unchecked((ulong)updatedMicros + 0x8000_0000_0000_0000UL));
        return 17;
    }

    private static int HashKey(Span<byte> destination, RecordBodyView body)
    {
        if (body.TryGetSha256(ObjectSlots.ContentHash, out Hash256 hash))
        {
            return HashKey(destination, in hash);
        }

        return body.TryGetText(ObjectSlots.ContentHash, out ReadOnlySpan<byte> text) ? HashKey(destination, text) : 0;
    }

    private static ReadOnlySpan<byte> TextOf(RecordBodyView body, int slot) => body.TryGetText(slot, out ReadOnlySpan<byte> text) ? text : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Span<byte> Next() => _buffer.AsSpan(Count * MaxKeyLengthBytes, MaxKeyLengthBytes);

    private void Add(int length, ulong surrogate)
    {
        BinaryPrimitives.WriteUInt64BigEndian(Next()[length..], surrogate);
        _lengths[Count++] = length + 8;
    }
}
