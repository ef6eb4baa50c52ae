// Why this file exists: an event names the profile and workspace of the record it is about, so that readers who are kept to a profile can be kept to its events too.
// Invariants: what the caller states wins (gates judge whether it may), then what the record says, then the session; a record's text that is no identifier is left out.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Commit;

/// <summary>Finds the profile and workspace of a change.</summary>
internal static class SubjectPlaces
{
    private static readonly int[] s_profiles = SlotsOf("profile_id"u8);
    private static readonly int[] s_workspaces = SlotsOf("workspace_id"u8);

    internal static ReadOnlySpan<byte> Profile(CommitChange change, bool exists, RecordEnvelope existing, SessionIdentity session) =>
        Find(change.Options.ProfileId, s_profiles, change, exists, existing, session.ProfileId);

    internal static ReadOnlySpan<byte> Workspace(CommitChange change, bool exists, RecordEnvelope existing, SessionIdentity session) =>
        Find(change.Options.WorkspaceId, s_workspaces, change, exists, existing, session.WorkspaceId);

    private static ReadOnlySpan<byte> Find(string? stated, int[] slots, CommitChange change, bool exists, RecordEnvelope existing, string session)
    {
        if (stated is not null)
        {
            return Encoding.UTF8.GetBytes(stated);
        }

        int slot = slots[(int)change.Kind];
        if (slot >= 0)
        {
            ReadOnlySpan<byte> bytes = change.Action == EventAction.Put ? change.Body.Span : exists ? existing.Body : default;
            if (!bytes.IsEmpty && RecordBodyView.TryReadKnown(bytes, out RecordBodyView body, out _) && body.TryGetText(slot, out ReadOnlySpan<byte> text) && Identifier.IsValid(text))
            {
                return text;
            }
        }

        return Encoding.UTF8.GetBytes(session);
    }

    private static int[] SlotsOf(ReadOnlySpan<byte> name)
    {
        int[] slots = new int[RecordKinds.All.Count + 1];
        Array.Fill(slots, -1);
        foreach (RecordKindInfo info in RecordKinds.All)
        {
            slots[(int)info.Kind] = info.FindSlot(name);
        }

        return slots;
    }
}
