// Why this file exists: the architecture calls some verbs by the names of its sync interface; they are the same verbs. Invariants: an alias is the verb
// itself, with its options and its exit codes, never a second version of it.

using SourceOS.StateStore.Cli.Host;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>The architecture's names.</summary>
internal static class SyncVerb
{
    /// <summary>The group of aliases.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("sync", "The architecture's names for the same commands", "statestore sync status --json", "statestore sync actors");
        group.Subcommands.Add(StatusVerb.Create());
        group.Subcommands.Add(DoctorVerb.Create());
        group.Subcommands.Add(ExplainVerb.Create());
        foreach (string alias in ListVerb.Aliases)
        {
            group.Subcommands.Add(ListVerb.CreateAlias(alias));
        }

        group.Subcommands.Add(RepairVerb.Create());
        group.Subcommands.Add(ExportVerb.Create());
        group.Subcommands.Add(ImportVerb.Create());
        return group;
    }
}
