// Why this file exists: the engine's own event types, so that every state change has a name even when its caller gives none.
// Invariants: types that begin with `sync.` come from here or from governance; encoded once.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>Names of the engine's events.</summary>
internal static class EventTypes
{
    private const int Created = 0;
    private const int Changed = 1;
    private const int Deleted = 2;
    private const int Purged = 3;
    private const int Verbs = 4;
    private static readonly byte[][] s_types = Build();

    /// <summary>Whether a text may be an event type.</summary>
    internal static bool IsValid(string type) => Identifier.IsValidEventType(Encoding.UTF8.GetBytes(type));

    /// <summary>The engine's type for a change.</summary>
    internal static ReadOnlySpan<byte> For(RecordKind kind, EventAction action, bool existed)
    {
        int verb = action switch
        {
            EventAction.Put => existed ? Changed : Created,
            EventAction.Purge => Purged,
            _ => Deleted,
        };
        return s_types[((int)kind * Verbs) + verb];
    }

    private static byte[][] Build()
    {
        byte[][] types = new byte[(RecordKinds.All.Count + 1) * Verbs][];
        foreach (RecordKindInfo info in RecordKinds.All)
        {
            (string made, string ended) = info.Kind switch
            {
                RecordKind.Actor or RecordKind.Device or RecordKind.Profile or RecordKind.Identity or RecordKind.Key => ("registered", "revoked"),
                RecordKind.Schema => ("registered", "deleted"),
                RecordKind.Lease or RecordKind.Membership => ("granted", "revoked"),
                _ => ("created", "deleted"),
            };
            types[((int)info.Kind * Verbs) + Created] = Encoding.UTF8.GetBytes($"sync.{info.Name}.{made}");
            types[((int)info.Kind * Verbs) + Changed] = Encoding.UTF8.GetBytes($"sync.{info.Name}.changed");
            types[((int)info.Kind * Verbs) + Deleted] = Encoding.UTF8.GetBytes($"sync.{info.Name}.{ended}");
            types[((int)info.Kind * Verbs) + Purged] = Encoding.UTF8.GetBytes($"sync.{info.Name}.purged");
        }

        return types;
    }
}
