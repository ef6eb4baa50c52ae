// Why this file exists: an event names the workspace it belongs to, and for a record that names one itself that is the record's. Invariants: what is not an identifier
// is left out, since a field may hold any text.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>What a change carries beside its record.</summary>
internal static class RecordOptions
{
    /// <summary>Options for a record's change.</summary>
    /// <param name="kind">The record's kind.</param>
    /// <param name="body">Its body.</param>
    /// <param name="expectedSequence">The sequence it must have, or null.</param>
    public static ChangeOptions For(RecordKind kind, ReadOnlySpan<byte> body, ulong? expectedSequence = null)
    {
        ChangeOptions options = new() { ExpectedSequence = expectedSequence };
        int slot = RecordKinds.Get(kind).FindSlot("workspace_id"u8);
        if (slot >= 0 && RecordBodyView.TryRead(body, out RecordBodyView view, out _) && view.TryGetText(slot, out ReadOnlySpan<byte> workspace) && Identifier.IsValid(workspace))
        {
            options.WorkspaceId = Encoding.UTF8.GetString(workspace);
        }

        return options;
    }
}
