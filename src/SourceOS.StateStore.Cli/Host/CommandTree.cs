// Why this file exists: the program's grammar in one place: which verbs there are, in the order the help shows them. Invariants: everything that
// shows or completes commands reads this tree, so it cannot say something else than the parser does.

using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using SourceOS.StateStore.Cli.Verbs;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>The commands.</summary>
internal static class CommandTree
{
    /// <summary>Builds the grammar.</summary>
    public static RootCommand Build()
    {
        RootCommand root = new("The state of record of a device: what is there, who changed it, is it intact.");
        root.Directives.Clear();
        foreach (Option option in GlobalOptions.All)
        {
            root.Options.Add(option);
        }

        root.Subcommands.Add(InitVerb.Create());
        root.Subcommands.Add(AdoptVerb.Create());
        root.Subcommands.Add(FileVerb.Create());
        root.Subcommands.Add(ImportVerb.Create());
        root.Subcommands.Add(PutVerb.Create());
        root.Subcommands.Add(GetVerb.Create());
        root.Subcommands.Add(ListVerb.Create());
        root.Subcommands.Add(DeleteVerb.Create());
        foreach (string alias in ListVerb.Aliases)
        {
            root.Subcommands.Add(ListVerb.CreateAlias(alias));
        }

        root.Subcommands.Add(EventVerb.Create());
        root.Subcommands.Add(LogVerb.Create());
        root.Subcommands.Add(StatusVerb.Create());
        root.Subcommands.Add(ExplainVerb.Create());
        root.Subcommands.Add(DoctorVerb.Create());
        root.Subcommands.Add(VerifyVerb.Create());
        root.Subcommands.Add(RepairVerb.Create());
        root.Subcommands.Add(InspectVerb.Create());
        root.Subcommands.Add(BootCheckVerb.Create());
        root.Subcommands.Add(ConflictVerb.Create());
        root.Subcommands.Add(PlanVerb.Create());
        root.Subcommands.Add(AgentVerb.Create());
        root.Subcommands.Add(RevokeVerb.Create());
        root.Subcommands.Add(RevokeVerb.CreateLease());
        root.Subcommands.Add(HoldVerb.Create());
        root.Subcommands.Add(PurgeVerb.Create());
        root.Subcommands.Add(PolicyVerb.Create());
        root.Subcommands.Add(SchemaVerb.Create());
        root.Subcommands.Add(KeysVerb.Create());
        root.Subcommands.Add(CheckpointVerb.Create());
        root.Subcommands.Add(ProveVerb.Create());
        root.Subcommands.Add(ProofVerb.Create());
        root.Subcommands.Add(BackupVerb.Create());
        root.Subcommands.Add(BackupVerb.CreateRestore());
        root.Subcommands.Add(ExportVerb.Create());
        root.Subcommands.Add(BundleVerb.CreateImport());
        root.Subcommands.Add(ServeVerb.Create());
        root.Subcommands.Add(ServeVerb.CreateMcp());
        root.Subcommands.Add(CompletionVerb.Create());
        root.Subcommands.Add(SyncVerb.Create());

        foreach (Option option in root.Options)
        {
            if (option is HelpOption help)
            {
                help.Action = new HelpWithExamples((HelpAction)help.Action!);
            }
            else if (option is VersionOption version)
            {
                version.Action = new VersionAction();
            }
        }

        return root;
    }

    /// <summary>The words of a command below the program's name, each with a space behind it.</summary>
    /// <param name="result">The parsed command.</param>
    public static string PathOf(CommandResult result) =>
        result.Parent is CommandResult parent ? PathOf(parent) + result.Command.Name + " " : "";
}
