// Why this file exists: what can be asked of the object indexes. Invariants: a query is a key prefix plus the field texts that each found record
// must have, because two texts may share a number in a key (format-spec/state.md).

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>A question to an object index. Immutable.</summary>
public sealed class IndexQuery
{
    private IndexQuery(byte[] prefix, params (int Slot, byte[] Text, bool IsPrefix)[] required)
    {
        Prefix = prefix;
        Required = required;
    }

    internal byte[] Prefix { get; }

    internal (int Slot, byte[] Text, bool IsPrefix)[] Required { get; }

    /// <summary>Objects of a profile, of all types or of one.</summary>
    /// <param name="profileId">The profile; empty for objects without one.</param>
    /// <param name="objectType">The type, or null for all.</param>
    /// <returns>The query.</returns>
    public static IndexQuery ProfileAndType(string profileId, string? objectType = null)
    {
        byte[] profile = Utf8(profileId);
        Span<byte> key = stackalloc byte[32];
        if (objectType is null)
        {
            return new IndexQuery(key[..IndexKeys.NameKey(key, ObjectIndex.ProfileType, profile)].ToArray(), (ObjectSlots.ProfileId, profile, false));
        }

        byte[] type = Utf8(objectType);
        return new IndexQuery(
            key[..IndexKeys.NamePairKey(key, ObjectIndex.ProfileType, profile, type)].ToArray(),
            (ObjectSlots.ProfileId, profile, false),
            (ObjectSlots.ObjectType, type, false));
    }

    /// <summary>Objects of a workspace by path, in path order.</summary>
    /// <param name="workspaceId">The workspace; empty for objects without one.</param>
    /// <param name="pathPrefix">What their path begins with; empty for all.</param>
    /// <returns>The query.</returns>
    public static IndexQuery WorkspacePath(string workspaceId, string pathPrefix = "")
    {
        byte[] workspace = Utf8(workspaceId);
        byte[] path = Utf8(pathPrefix);
        byte[] key = new byte[9 + Math.Min(path.Length, IndexKeys.MaxPlainPathLengthBytes)];
        IndexKeys.NameKey(key, ObjectIndex.WorkspacePath, workspace);
        path.AsSpan(0, key.Length - 9).CopyTo(key.AsSpan(9));
        return new IndexQuery(key, (ObjectSlots.WorkspaceId, workspace, false), (ObjectSlots.Path, path, true));
    }

    /// <summary>Objects last changed by an actor.</summary>
    /// <param name="actorId">The actor; empty for objects without one.</param>
    /// <returns>The query.</returns>
    public static IndexQuery LastActor(string actorId)
    {
        byte[] actor = Utf8(actorId);
        Span<byte> key = stackalloc byte[16];
        return new IndexQuery(key[..IndexKeys.NameKey(key, ObjectIndex.LastActor, actor)].ToArray(), (ObjectSlots.LastModifiedByActor, actor, false));
    }

    /// <summary>Objects with a content hash.</summary>
    /// <param name="contentHash">The hash as its field has it, for example `sha256:` and 64 hex digits.</param>
    /// <returns>The query.</returns>
    public static IndexQuery ContentHash(string contentHash)
    {
        ArgumentNullException.ThrowIfNull(contentHash);
        Span<byte> key = stackalloc byte[40];
        const string prefix = "sha256:";
        if (contentHash.StartsWith(prefix, StringComparison.Ordinal) && Hash256.TryParse(contentHash.AsSpan(prefix.Length), out Hash256 hash) && contentHash == prefix + hash)
        {
            return new IndexQuery(key[..IndexKeys.HashKey(key, in hash)].ToArray());
        }

        byte[] text = Utf8(contentHash);
        return new IndexQuery(key[..IndexKeys.HashKey(key, text)].ToArray(), (ObjectSlots.ContentHash, text, false));
    }

    /// <summary>Objects in a state, tombstones included, oldest change first.</summary>
    /// <param name="state">The state, for example `active`; empty for objects without one.</param>
    /// <returns>The query.</returns>
    public static IndexQuery State(string state)
    {
        byte[] text = Utf8(state);
        Span<byte> key = stackalloc byte[16];
        return new IndexQuery(key[..IndexKeys.NameKey(key, ObjectIndex.StateUpdated, text)].ToArray(), (ObjectSlots.State, text, false));
    }

    internal bool Matches(RecordBodyView body)
    {
        foreach ((int slot, byte[] wanted, bool isPrefix) in Required)
        {
            ReadOnlySpan<byte> text = body.TryGetText(slot, out ReadOnlySpan<byte> found) ? found : default;
            if (isPrefix ? !text.StartsWith(wanted) : !text.SequenceEqual(wanted))
            {
                return false;
            }
        }

        return true;
    }

    private static byte[] Utf8(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Encoding.UTF8.GetBytes(text);
    }
}
