// Why this file exists: how a file, folder or link becomes an object's body. Invariants: fields that others set, and fields nobody here
// knows, survive an update; only what the tree says is written; a new object may not leave the device until someone decides so.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Builds object bodies of one workspace. Used by one thread.</summary>
internal sealed class EntryBodies(string workspaceId, string privacyClass, SessionIdentity identity)
{
    private readonly RecordBodyBuilder _builder = new();
    private readonly byte[] _workspace = Encoding.UTF8.GetBytes(workspaceId);
    private readonly byte[] _privacy = Encoding.UTF8.GetBytes(privacyClass);
    private readonly byte[] _actor = Encoding.UTF8.GetBytes(identity.ActorId);
    private readonly byte[] _device = Encoding.UTF8.GetBytes(identity.DeviceId);
    private readonly byte[] _profile = Encoding.UTF8.GetBytes(identity.ProfileId);

    /// <summary>The type of an entry's object.</summary>
    /// <param name="kind">File, folder or link.</param>
    public static ReadOnlySpan<byte> ObjectType(EntryKind kind) => kind switch
    {
        EntryKind.File => "file"u8,
        EntryKind.Folder => "folder"u8,
        EntryKind.Link => "link"u8,
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>Whether a known file's record says what the file system says, without its content.</summary>
    /// <param name="body">The record.</param>
    /// <param name="status">The file.</param>
    public static bool HasSameMetadata(RecordBodyView body, in TreeStatus status) =>
        body.TryGetInteger(ObjectFields.SizeBytes, out long size) && size == status.SizeBytes
        && body.TryGetInteger(ObjectFields.ModifiedNs, out long modified) && modified == status.ModifiedUnixNs
        && body.TryGetInteger(ObjectFields.Mode, out long mode) && mode == status.Mode;

    /// <summary>The body of an object that is new.</summary>
    /// <param name="entry">What was seen.</param>
    public byte[] Create(in TreeEntry entry)
    {
        _builder.Clear();
        _builder.SetText(ObjectFields.ObjectType, ObjectType(entry.Kind));
        _builder.SetText(ObjectFields.SchemaId, SchemaId(entry.Kind));
        _builder.SetText(ObjectFields.SchemaVersion, "v1"u8);
        _builder.SetText(ObjectFields.CreatedByActor, _actor);
        _builder.SetTime(ObjectFields.CreatedAt, entry.SeenAtMicros);
        _builder.SetText(ObjectFields.PrivacyClass, _privacy);
        _builder.SetText(ObjectFields.SyncVisibility, "local_only"u8);
        _builder.SetText(ObjectFields.RetentionClass, "normal"u8);
        _builder.SetText(ObjectFields.Lane, "normal"u8);
        _builder.SetText(ObjectFields.Durability, "durable"u8);
        return Finish(entry, keepsState: false);
    }

    /// <summary>The body of an object that is known.</summary>
    /// <param name="known">Its last body.</param>
    /// <param name="entry">What was seen.</param>
    public byte[] Update(ReadOnlySpan<byte> known, in TreeEntry entry)
    {
        if (!RecordBodyView.TryRead(known, out RecordBodyView body, out FormatFault fault))
        {
            throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"The record of a known file cannot be read: {fault}.");
        }

        _builder.Clear();
        _builder.CopyFrom(body);

        // Whether an object is in conflict or in quarantine is for those to end who may.
        bool isKept = body.TryGetText(ObjectFields.State, out ReadOnlySpan<byte> state) && (state.SequenceEqual("conflicted"u8) || state.SequenceEqual("quarantined"u8));
        return Finish(entry, isKept);
    }

    private byte[] Finish(in TreeEntry entry, bool keepsState)
    {
        _builder.SetText(ObjectFields.WorkspaceId, _workspace);
        SetUnlessEmpty(ObjectFields.ProfileId, _profile);
        SetUnlessEmpty(ObjectFields.OwningDevice, _device);
        _builder.SetText(ObjectFields.LastModifiedByActor, _actor);
        _builder.SetTime(ObjectFields.UpdatedAt, entry.SeenAtMicros);
        if (!keepsState)
        {
            _builder.SetText(ObjectFields.State, "active"u8);
        }

        _builder.SetText(ObjectFields.Path, entry.Path);
        if (entry.Kind != EntryKind.Link)
        {
            _builder.SetInteger(ObjectFields.Mode, entry.Status.Mode);
        }

        switch (entry.Kind)
        {
            case EntryKind.File:
                _builder.SetInteger(ObjectFields.SizeBytes, entry.Status.SizeBytes);
                _builder.SetInteger(ObjectFields.ModifiedNs, entry.Status.ModifiedUnixNs);
                _builder.SetSha256(ObjectFields.ContentHash, entry.Hash);
                break;
            case EntryKind.Link:
                _builder.SetText(ObjectFields.LinkTarget, entry.LinkTarget);
                break;
            case EntryKind.Folder when entry.IsOpaque:
                _builder.SetJson(ObjectFields.Attributes, """{"content":"left_out","reason":"version_control"}"""u8);
                break;
            default:
                break;
        }

        return _builder.Build();
    }

    private void SetUnlessEmpty(int slot, byte[] text)
    {
        if (text.Length > 0)
        {
            _builder.SetText(slot, text);
        }
    }

    private static ReadOnlySpan<byte> SchemaId(EntryKind kind) => kind switch
    {
        EntryKind.File => "schema:file:v1"u8,
        EntryKind.Folder => "schema:folder:v1"u8,
        _ => "schema:link:v1"u8,
    };
}
