// Why this file exists: what an adopted path is called. An object keeps its identifier when its file is renamed, so the identifier names the
// path at first sight and says nothing about the path of today. Invariants: an identifier has at most 255 bytes whatever the workspace
// is called; the same workspace, kind and first path give the same identifiers in the same order; all objects of one kind in one
// workspace share a prefix, so they lie together in the records table.

using System.Buffers.Binary;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Identifiers of one workspace's objects. Immutable.</summary>
internal sealed class WorkspaceIds
{
    /// <summary>Identifiers that a path may have; the later ones are for paths whose earlier objects were renamed away.</summary>
    public const int MaxOrdinal = 64;

    // "folder:" + workspace + ":" + 32 digits must stay within 255 bytes.
    private const int MaxWorkspaceBytes = 200;
    private const int ShortHashBytes = 16;

    private readonly byte[] _filePrefix;
    private readonly byte[] _folderPrefix;
    private readonly byte[] _linkPrefix;

    /// <summary>Names of a workspace.</summary>
    /// <param name="workspaceId">The workspace object's identifier.</param>
    public WorkspaceIds(string workspaceId)
    {
        string name = Encoding.UTF8.GetByteCount(workspaceId) <= MaxWorkspaceBytes
            ? workspaceId
            : "~" + Convert.ToHexStringLower(Checksum.Sha256(Encoding.UTF8.GetBytes(workspaceId)).Bytes[..ShortHashBytes]);
        _filePrefix = Encoding.UTF8.GetBytes($"file:{name}:");
        _folderPrefix = Encoding.UTF8.GetBytes($"folder:{name}:");
        _linkPrefix = Encoding.UTF8.GetBytes($"link:{name}:");
    }

    /// <summary>The start that all identifiers of a kind share.</summary>
    /// <param name="kind">File, folder or link.</param>
    public ReadOnlySpan<byte> Prefix(EntryKind kind) => kind switch
    {
        EntryKind.File => _filePrefix,
        EntryKind.Folder => _folderPrefix,
        EntryKind.Link => _linkPrefix,
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>Whether an identifier is one that a path got here; a fork that a conflict left has a longer one and is nobody's file.</summary>
    /// <param name="kind">File, folder or link.</param>
    /// <param name="id">The identifier.</param>
    public bool IsOwn(EntryKind kind, ReadOnlySpan<byte> id) => id.StartsWith(Prefix(kind)) && id.Length == Prefix(kind).Length + (2 * ShortHashBytes);

    /// <summary>Writes the identifier of a path at first sight.</summary>
    /// <param name="kind">File, folder or link.</param>
    /// <param name="path">The path below the root.</param>
    /// <param name="ordinal">0, or more when objects that were first seen at this path live elsewhere now.</param>
    /// <param name="destination">At least 255 bytes.</param>
    /// <returns>The identifier's length.</returns>
    public int Write(EntryKind kind, ReadOnlySpan<byte> path, int ordinal, Span<byte> destination)
    {
        ReadOnlySpan<byte> prefix = Prefix(kind);
        prefix.CopyTo(destination);
        Span<byte> hash = stackalloc byte[Checksum.Sha256LengthBytes];
        if (ordinal == 0)
        {
            Checksum.Sha256(path, hash);
        }
        else
        {
            // A NUL cannot occur in a path, so no other path hashes the same bytes.
            byte[] salted = new byte[path.Length + 5];
            path.CopyTo(salted);
            BinaryPrimitives.WriteInt32LittleEndian(salted.AsSpan(path.Length + 1), ordinal);
            Checksum.Sha256(salted, hash);
        }

        Span<byte> digits = destination.Slice(prefix.Length, 2 * ShortHashBytes);
        for (int i = 0; i < ShortHashBytes; i++)
        {
            digits[2 * i] = "0123456789abcdef"u8[hash[i] >> 4];
            digits[(2 * i) + 1] = "0123456789abcdef"u8[hash[i] & 15];
        }

        return prefix.Length + digits.Length;
    }
}
