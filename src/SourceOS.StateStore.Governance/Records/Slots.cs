// Why this file exists: governance reads fields by slot on the writer thread, where looking a name up for each commit would cost; the numbers come from the one
// table of kinds, once. Invariants: a field that the format does not know stops the process at start, never at the thousandth commit.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Records;

/// <summary>Slots of the fields that rules read.</summary>
internal static class Slots
{
    private static readonly int[] s_profiles = ForEveryKind("profile_id");
    private static readonly int[] s_workspaces = ForEveryKind("workspace_id");

    /// <summary>The slot of a kind's field.</summary>
    public static int Of(RecordKind kind, string name) => RecordKinds.Get(kind).TryGetField(name, out KnownField? field)
        ? field.Slot
        : throw new InvalidOperationException($"The format has no {kind} field '{name}'.");

    /// <summary>A text field, or empty when it is absent.</summary>
    public static string Text(RecordBodyView body, int slot) =>
        slot >= 0 && body.TryGetText(slot, out ReadOnlySpan<byte> text) ? Encoding.UTF8.GetString(text) : "";

    /// <summary>Whether a field is there and not null.</summary>
    public static bool Has(RecordBodyView body, int slot) => body.TagOf(slot) is not (FieldTag.Absent or FieldTag.Null);

    /// <summary>The profile that a record says it belongs to, or empty.</summary>
    public static string Profile(RecordKind kind, RecordBodyView body) => Text(body, s_profiles[(int)kind]);

    /// <summary>The workspace that a record says it belongs to, or empty.</summary>
    public static string Workspace(RecordKind kind, RecordBodyView body) => Text(body, s_workspaces[(int)kind]);

    /// <summary>Opens a proposed body. The batch checked it when it was built, so failing here is a defect.</summary>
    public static RecordBodyView Open(ReadOnlyMemory<byte> body) => RecordBodyView.TryRead(body.Span, out RecordBodyView view, out FormatFault fault)
        ? view
        : throw new InvalidOperationException($"A checked record body is not valid: {fault}");

    /// <summary>A list of text, empty when it is absent.</summary>
    public static IReadOnlyList<string> List(RecordBodyView body, int slot)
    {
        if (!body.TryGetList(slot, out TextList list))
        {
            return [];
        }

        List<string> texts = new(list.Count);
        foreach (ReadOnlySpan<byte> text in list)
        {
            texts.Add(Encoding.UTF8.GetString(text));
        }

        return texts;
    }

    private static int[] ForEveryKind(string name)
    {
        int[] slots = new int[RecordKinds.All.Count + 1];
        Array.Fill(slots, -1);
        foreach (RecordKindInfo info in RecordKinds.All)
        {
            if (info.TryGetField(name, out KnownField? field))
            {
                slots[(int)info.Kind] = field.Slot;
            }
        }

        return slots;
    }

    /// <summary>Fields of actors.</summary>
    internal static class Actor
    {
        public static readonly int Type = Of(RecordKind.Actor, "actor_type");
        public static readonly int WorkspaceScope = Of(RecordKind.Actor, "workspace_scope");
        public static readonly int ProfileScope = Of(RecordKind.Actor, "profile_scope");
        public static readonly int Capabilities = Of(RecordKind.Actor, "capabilities");
        public static readonly int Trust = Of(RecordKind.Actor, "trust_level");
        public static readonly int RevokedAt = Of(RecordKind.Actor, "revoked_at");
    }

    /// <summary>Fields of leases.</summary>
    internal static class Lease
    {
        public static readonly int Actor = Of(RecordKind.Lease, "actor_id");
        public static readonly int Capability = Of(RecordKind.Lease, "capability");
        public static readonly int WorkspaceScope = Of(RecordKind.Lease, "workspace_scope");
        public static readonly int ProfileScope = Of(RecordKind.Lease, "profile_scope");
        public static readonly int ExpiresAt = Of(RecordKind.Lease, "expires_at");
        public static readonly int RevokedAt = Of(RecordKind.Lease, "revoked_at");
        public static readonly int GrantedBy = Of(RecordKind.Lease, "granted_by");
    }

    /// <summary>Fields of memberships.</summary>
    internal static class Membership
    {
        public static readonly int Workspace = Of(RecordKind.Membership, "workspace_id");
        public static readonly int Actor = Of(RecordKind.Membership, "actor_id");
        public static readonly int RevokedAt = Of(RecordKind.Membership, "revoked_at");
    }

    /// <summary>Fields of devices.</summary>
    internal static class Device
    {
        public static readonly int State = Of(RecordKind.Device, "device_state");
        public static readonly int RevokedAt = Of(RecordKind.Device, "revoked_at");
        public static readonly int Trust = Of(RecordKind.Device, "trust_level");
    }

    /// <summary>Fields of profiles.</summary>
    internal static class ProfileFields
    {
        public static readonly int Class = Of(RecordKind.Profile, "profile_class");
        public static readonly int RevokedAt = Of(RecordKind.Profile, "revoked_at");
    }

    /// <summary>Fields of policy decisions.</summary>
    internal static class Decision
    {
        public static readonly int Effect = Of(RecordKind.Decision, "effect");
        public static readonly int Object = Of(RecordKind.Decision, "object_id");
        public static readonly int Profile = Of(RecordKind.Decision, "profile_id");
        public static readonly int ExpiresAt = Of(RecordKind.Decision, "expires_at");
        public static readonly int Question = Of(RecordKind.Decision, "question");
    }
}
