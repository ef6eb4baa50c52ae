// Why this file exists: what a verb needs from the program around it. Invariants: a reading verb opens the store for reading only; a
// writing verb acts as a registered actor or not at all.

using System.CommandLine;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>One invocation of one verb.</summary>
internal sealed class VerbContext(ParseResult parse, ByteOutput output, Messages messages, CancellationToken cancellationToken)
{
    /// <summary>The store's directory.</summary>
    public string StorePath { get; } = GlobalOptions.StorePath(parse.GetValue(GlobalOptions.Store), Environment.GetEnvironmentVariable(GlobalOptions.StoreVariable));

    /// <summary>Whether the answer is JSON.</summary>
    public bool Json { get; } = parse.GetValue(GlobalOptions.Json);

    /// <summary>The parsed command line.</summary>
    public ParseResult Parse => parse;

    /// <summary>The answer goes here.</summary>
    public ByteOutput Out => output;

    /// <summary>Everything else goes here.</summary>
    public Messages Messages => messages;

    /// <summary>Cancelled by Ctrl-C.</summary>
    public CancellationToken Cancellation => cancellationToken;

    /// <summary>Colours of the answer.</summary>
    public Style Style { get; } = new(Style.IsWanted(!Console.IsOutputRedirected, parse.GetValue(GlobalOptions.NoColor)) && !parse.GetValue(GlobalOptions.Json));

    /// <summary>Width of the terminal that shows the answer; null when none does.</summary>
    public int? Columns { get; } = Console.IsOutputRedirected ? null : Math.Max(40, Console.WindowWidth);

    public T? Get<T>(Option<T> option) => parse.GetValue(option);

    public T Get<T>(Argument<T> argument) => parse.GetRequiredValue(argument);

    /// <summary>Opens the store for reading.</summary>
    public StateStore OpenRead() => StateStore.OpenRead(CheckedStorePath());

    /// <summary>Opens the store for writing.</summary>
    public StateStore OpenWrite()
    {
        // Opening for writing writes already, so what was given is looked at first.
        if (parse.GetValue(GlobalOptions.Actor) is { } given)
        {
            CheckId(given, "--actor");
        }

        StateStore store = GovernedStore.Open(CheckedStorePath());
        if (store.Recovery is { } recovery && (recovery.StateRebuilt || recovery.QuarantinedBytes > 0))
        {
            messages.Warning(recovery.Summary);
        }

        return store;
    }

    /// <summary>The store's path, when it can be one.</summary>
    public string CheckedStorePath() => StorePath.Length > 0 && !StorePath.Contains('\0', StringComparison.Ordinal)
        ? StorePath
        : throw CliException.Usage("The store's path is empty.", $"Name a directory with --store, or unset {GlobalOptions.StoreVariable}.");

    /// <summary>A session for a command that is about one record, or about none.</summary>
    /// <param name="store">The store.</param>
    /// <param name="kind">The record's kind; null when the command is about no record.</param>
    /// <param name="id">Its identifier.</param>
    public StateSession SessionFor(StateStore store, RecordKind? kind = null, string id = "")
    {
        string profile = "";
        if (kind is { } known)
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            profile = snapshot.Get(known, id) is { } record ? ProfileOf(known, record.Body.Span) : "";
        }

        return store.OpenSession(Identity(store, new ProfileChoice(GivenProfile(), profile)));
    }

    /// <summary>A session for a command that writes one record.</summary>
    /// <param name="store">The store.</param>
    /// <param name="kind">The record's kind.</param>
    /// <param name="body">What will be written.</param>
    public StateSession SessionToWrite(StateStore store, RecordKind kind, ReadOnlySpan<byte> body) =>
        store.OpenSession(Identity(store, new ProfileChoice(GivenProfile(), ProfileOf(kind, body))));

    /// <summary>A session for a command that writes many records.</summary>
    /// <param name="store">The store.</param>
    public StateSession SessionForMany(StateStore store) => store.OpenSession(IdentityForMany(store));

    /// <summary>Who a command acts as that writes many records.</summary>
    /// <param name="store">The store.</param>
    public SessionIdentity IdentityForMany(StateStore store) => Identity(store, new ProfileChoice(GivenProfile(), PrefersStoreWide: true));

    /// <summary>Who a writing command acts as.</summary>
    /// <param name="store">The store.</param>
    /// <param name="choice">In which profile; the command line's when not said.</param>
    public SessionIdentity Identity(StateStore store, ProfileChoice? choice = null)
    {
        string? given = parse.GetValue(GlobalOptions.Actor);
        string actor = given ?? LocalIdentity.ActorOfUser(Environment.UserName);
        if (given is not null)
        {
            CheckId(given, "--actor");
        }

        using ReadSnapshot snapshot = store.OpenSnapshot();
        return LocalIdentity.Resolve(snapshot, actor, choice ?? new ProfileChoice(GivenProfile()), out SessionIdentity identity) switch
        {
            LocalIdentityFault.None => identity,
            LocalIdentityFault.ActorRevoked => throw new CliException(new CliError(
                ExitCode.Refused, "actor_revoked", $"The actor '{actor}' is revoked.", $"actor {actor}", Next: "Act as another actor with --actor.")),
            LocalIdentityFault.NoProfileInScope => throw new CliException(new CliError(
                ExitCode.Refused, "no_profile_in_scope", $"No profile is in the scope of actor '{actor}'.", $"actor {actor}", Next: "Have its profile scope widened, or act as another actor with --actor.")),
            _ => throw new CliException(new CliError(
                ExitCode.Refused, "actor_not_registered", $"The actor '{actor}' is not registered in this store.", $"actor {actor}",
                Next: "Act as a registered one with --actor (see: statestore actors), or register this one: statestore put actors -")),
        };
    }

    /// <summary>What a reading command may see: the scope of the actor that it names, else of the calling user's own. Who may read the files and is nobody in the store sees what is in them.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="actorIsFilter">Whether --actor means something else to this command.</param>
    public ReadScope Scope(ReadSnapshot snapshot, bool actorIsFilter = false)
    {
        string? given = actorIsFilter ? null : parse.GetValue(GlobalOptions.Actor);
        string actor = given is null ? LocalIdentity.ActorOfUser(Environment.UserName) : CheckId(given, "--actor");
        string? profile = GivenProfile();
        ReadScopeFault fault = ReadScope.OfCaller(snapshot, given is null ? null : actor, profile, Environment.UserName, out ReadScope scope);
        if (fault == ReadScopeFault.None)
        {
            return scope;
        }

        DoorError error = DoorError.Of(fault, actor, profile);
        throw new CliException(new CliError(ExitCode.Refused, error.Code, error.Message, error.Place, Next: error.Next));
    }

    /// <summary>As <see cref="Scope"/>, for a command that has something to say to a caller who may see nothing, too.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="scope">The scope.</param>
    public bool TryScope(ReadSnapshot snapshot, out ReadScope scope) =>
        ReadScope.OfCaller(snapshot, parse.GetValue(GlobalOptions.Actor) is { } given ? CheckId(given, "--actor") : null, GivenProfile(), Environment.UserName, out scope) == ReadScopeFault.None;

    private string? GivenProfile() => parse.GetValue(GlobalOptions.Profile) is { } given ? CheckId(given, "--profile") : null;

    private static string ProfileOf(RecordKind kind, ReadOnlySpan<byte> bytes)
    {
        int slot = RecordKinds.Get(kind).FindSlot("profile_id"u8);
        return slot >= 0 && RecordBodyView.TryRead(bytes, out RecordBodyView body, out _) && body.TryGetText(slot, out ReadOnlySpan<byte> profile)
            ? System.Text.Encoding.UTF8.GetString(profile) : "";
    }

    /// <summary>Refuses what is not an identifier.</summary>
    /// <param name="id">The text.</param>
    /// <param name="what">What it was given as.</param>
    public static string CheckId(string id, string what) => Identifier.IsValid(id, out string reason)
        ? id
        : throw CliException.BadData($"{what} is not valid: {reason}.", code: "invalid_identifier");
}
