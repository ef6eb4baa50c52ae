// Why this file exists: `revoke` takes trust back from an actor, device, profile or lease, and `lease grant` lends it. Invariants: both are commits with a reason that stays in the
// record of the change; what a revocation ends, it ends with this commit.

using System.CommandLine;
using System.Globalization;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Trust;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Trust taken back and lent.</summary>
internal static class RevokeVerb
{
    private static readonly Argument<string> What = new("WHAT") { Description = $"What to revoke: {string.Join(", ", TrustRoom.Revocable.Select(static kind => RecordKinds.Get(kind).Name))}" };
    private static readonly Argument<string> Id = Inputs.Id();
    private static readonly Option<string> Reason = new("--reason") { Description = "Why, for people", HelpName = "TEXT" };
    private static readonly Argument<string> LeaseActor = new("ACTOR") { Description = "Who gets the lease" };
    private static readonly Argument<string> Capability = new("CAPABILITY") { Description = $"One of {string.Join(", ", Capabilities.All)}" };
    private static readonly Option<string> For = new("--for") { Description = "How long it lasts, such as 30m, 8h or 7d; 1h by default", HelpName = "TIME" };
    private static readonly Option<string[]> Profiles = new("--in-profile") { Description = "Only in this profile; may be repeated", HelpName = "ID" };
    private static readonly Option<string[]> Workspaces = new("--in-workspace") { Description = "Only in this workspace; may be repeated", HelpName = "ID" };

    /// <summary>The `revoke` command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("revoke", "Take trust back, effective at once", "statestore revoke actor actor:agent-one --reason \"left the team\"", "statestore revoke lease lease:0f3a --json") { Run = RevokeAsync };
        What.AcceptOnlyFromAmong([.. TrustRoom.Revocable.Select(static kind => RecordKinds.Get(kind).Name)]);
        command.Arguments.Add(What);
        command.Arguments.Add(Id);
        command.Options.Add(Reason);
        return command;
    }

    /// <summary>The `lease` command.</summary>
    public static VerbCommand CreateLease()
    {
        VerbCommand group = new("lease", "Lend a capability for a time", "statestore lease grant actor:agent-one delete --for 30m");
        VerbCommand grant = new("grant", "Lend a capability to an actor for a time", "statestore lease grant actor:agent-one delete --for 30m --in-workspace workspace:default") { Run = GrantAsync };
        Capability.AcceptOnlyFromAmong([.. Capabilities.All]);
        grant.Arguments.Add(LeaseActor);
        grant.Arguments.Add(Capability);
        grant.Options.Add(For);
        grant.Options.Add(Profiles);
        grant.Options.Add(Workspaces);
        group.Subcommands.Add(grant);
        return group;
    }

    private static async Task<ExitCode> RevokeAsync(VerbContext context)
    {
        RecordKindInfo kind = Inputs.KindOf(context.Get(What));
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            CommitReceipt? receipt = await TrustRoom.RevokeAsync(store, context.SessionFor(store, kind.Kind, id), kind.Kind, id, context.Get(Reason) ?? "", DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false);
            PutVerb.WriteAnswer(context, kind, id, Receipts.Require(receipt ?? throw CliException.NotFound($"There is no such {kind.Name}, or it is revoked already.", $"{kind.Name} {id}")), "Revoked");
        }

        return ExitCode.Done;
    }

    private static async Task<ExitCode> GrantAsync(VerbContext context)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        LeaseRequest request = new(
            VerbContext.CheckId(context.Get(LeaseActor), "The actor"),
            context.Get(Capability),
            now + ParseDuration(context.Get(For) ?? "1h"),
            [.. (context.Get(Profiles) ?? []).Select(static id => VerbContext.CheckId(id, "--in-profile"))],
            [.. (context.Get(Workspaces) ?? []).Select(static id => VerbContext.CheckId(id, "--in-workspace"))]);
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            using (ReadSnapshot snapshot = store.OpenSnapshot())
            {
                _ = snapshot.Get(RecordKind.Actor, request.ActorId) ?? throw CliException.NotFound("There is no such actor.", $"actor {request.ActorId}", "See the actors: statestore actors");
            }

            (string id, CommitReceipt receipt) = await TrustRoom.GrantAsync(context.SessionFor(store), request, now, context.Cancellation).ConfigureAwait(false);
            PutVerb.WriteAnswer(context, RecordKinds.Get(RecordKind.Lease), id, Receipts.Require(receipt), "Granted");
        }

        return ExitCode.Done;
    }

    private static TimeSpan ParseDuration(string text)
    {
        double unitSeconds = text.Length < 2 ? 0 : text[^1] switch
        {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => 0,
        };
        return unitSeconds > 0 && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count > 0 && count * unitSeconds <= 3660 * 86_400.0
            ? TimeSpan.FromSeconds(count * unitSeconds)
            : throw CliException.Usage($"'{text}' is not a time: use a number and s, m, h or d, such as 30m; at most ten years.");
    }
}
