// Why this file exists: one check of identifiers given by callers.

namespace SourceOS.StateStore.Commit;

internal static class CommitIds
{
    internal static byte[] Check(string id) => CommitChange.CheckIdentifier(id, "record id");
}
