// Why this file exists: `log` shows the event stream. Invariants: events come in order of their sequence, each once; --follow goes on exactly where the
// past ends and stops at Ctrl-C; no snapshot is held while output is written.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Shows events.</summary>
internal static class LogVerb
{
    private const int PageEvents = 256;

    private static readonly Option<string> Object = new("--object") { Description = "Only events about this record", HelpName = "ID" };
    private static readonly Option<string> Type = new("--type") { Description = "Only this type; a trailing .* takes all below it", HelpName = "TYPE" };
    private static readonly Option<ulong?> From = Inputs.Sequence("--from", "The first sequence");
    private static readonly Option<ulong?> To = Inputs.Sequence("--to", "The last sequence");
    private static readonly Option<int?> Limit = Inputs.Count("--limit", "At most N events: the first ones with --from or --follow, else the newest");
    private static readonly Option<bool> Follow = new("--follow") { Description = "Go on with new events as they happen" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "log",
            "Show events in order; --actor keeps those that an actor caused",
            "statestore log --limit 20",
            "statestore log --type 'sync.object.*' --from 100 --json",
            "statestore log --follow --json")
        {
            Run = RunAsync,
        };
        foreach (Option option in (Option[])[Object, Type, From, To, Limit, Follow])
        {
            command.Options.Add(option);
        }

        return command;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        // The global --actor names who acts; for a log the same word asks who acted.
        using StateStore store = context.OpenRead();
        EventFilter filter = new(
            ScopeOf(context, store),
            context.Get(Object) is { } subject ? VerbContext.CheckId(subject, "--object") : null,
            context.Parse.GetValue(GlobalOptions.Actor) is { } actor ? VerbContext.CheckId(actor, "--actor") : null,
            context.Get(Type));
        ulong from = Math.Max(1, context.Get(From) ?? 1);
        ulong to = context.Get(To) ?? ulong.MaxValue;
        long limit = context.Get(Limit) ?? long.MaxValue;
        bool isFollowing = context.Get(Follow);
        EventLines lines = new(context);
        if (isFollowing)
        {
            await FollowAsync(context, store, filter, from, to, limit, lines).ConfigureAwait(false);
            return ExitCode.Done;
        }

        if (context.Get(From) is null && limit != long.MaxValue)
        {
            foreach (StoredEvent item in Newest(context, store, filter, to, (int)limit))
            {
                lines.Write(item);
            }
        }
        else
        {
            WriteForward(context, store, filter, from, to, limit, lines);
        }

        lines.Finish();
        return ExitCode.Done;
    }

    private static ReadScope ScopeOf(VerbContext context, StateStore store)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return context.Scope(snapshot, actorIsFilter: true);
    }

    private static void WriteForward(VerbContext context, StateStore store, EventFilter filter, ulong from, ulong to, long limit, EventLines lines)
    {
        while (from <= to && limit > 0)
        {
            List<StoredEvent> page = ReadPage(store, from, to);
            if (page.Count == 0)
            {
                return;
            }

            foreach (StoredEvent item in page)
            {
                context.Cancellation.ThrowIfCancellationRequested();
                if (limit > 0 && filter.IsMatch(item))
                {
                    lines.Write(item);
                    limit--;
                }
            }

            from = page[^1].Sequence + 1;
        }
    }

    private static List<StoredEvent> ReadPage(StateStore store, ulong from, ulong to)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return [.. snapshot.ReadEvents(from, to).Take(PageEvents)];
    }

    // Backwards page by page until enough match; then turned round.
    private static List<StoredEvent> Newest(VerbContext context, StateStore store, EventFilter filter, ulong to, int limit)
    {
        List<StoredEvent> newest = [];
        ulong last = Math.Min(to, store.VisibleSequence);
        while (last > 0 && newest.Count < limit)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            ulong first = last > PageEvents ? last - PageEvents + 1 : 1;
            List<StoredEvent> page = ReadPage(store, first, last);
            for (int i = page.Count - 1; i >= 0 && newest.Count < limit; i--)
            {
                if (filter.IsMatch(page[i]))
                {
                    newest.Add(page[i]);
                }
            }

            last = first - 1;
        }

        newest.Reverse();
        return newest;
    }

    private static async Task FollowAsync(VerbContext context, StateStore store, EventFilter filter, ulong from, ulong to, long limit, EventLines lines)
    {
        await foreach (StoredEvent item in store.SubscribeAsync(from, context.Cancellation).ConfigureAwait(false))
        {
            if (item.Sequence > to)
            {
                return;
            }

            if (ReadScope.MayChangeBy(item) || DateTimeOffset.UtcNow >= filter.Scope.ValidUntil)
            {
                // Who lost a right while following sees nothing more by it.
                filter.Scope = ScopeOf(context, store);
            }

            if (filter.IsMatch(item))
            {
                lines.Write(item);
                lines.Flush();
                if (--limit == 0)
                {
                    return;
                }
            }

            if (item.Sequence == to)
            {
                return;
            }
        }
    }

    private sealed class EventFilter(ReadScope scope, string? objectId, string? actorId, string? type)
    {
        private readonly string? _typePrefix = type?.EndsWith(".*", StringComparison.Ordinal) == true ? type[..^1] : null;

        public ReadScope Scope { get; set; } = scope;

        public bool IsMatch(StoredEvent item) =>
            (objectId is null || item.SubjectId == objectId)
            && (actorId is null || item.ActorId == actorId)
            && Scope.Allows(item)
            && (type is null || item.Type == type || (_typePrefix is not null && item.Type.StartsWith(_typePrefix, StringComparison.Ordinal)));
    }
}
