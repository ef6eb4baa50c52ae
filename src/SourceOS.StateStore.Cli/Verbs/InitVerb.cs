// Why this file exists: `init` makes a store that can be worked with at once. Invariants: twice is harmless: a store that has everything is not even opened
// for writing.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Gates;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Creates and sets up a store.</summary>
internal static class InitVerb
{
    private const string DefaultProfile = "profile:personal";
    private const string DefaultProfileClass = "personal";

    private static readonly Option<string> ProfileClass = Inputs.OneOf("--profile-class", "Its class", [.. StoreSetup.ProfileClasses]);

    private static readonly Option<string> Device = new("--device") { Description = "This device; device:HOSTNAME by default", HelpName = "ID" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "init",
            "Create a store and register this device, a profile, you, and the built-in schemas",
            "statestore init",
            "statestore --store /var/lib/state init --profile profile:work --profile-class work --device device:laptop")
        {
            Run = RunAsync,
            ProfileHelp = $"The first profile; {DefaultProfile} by default",
        };
        command.Options.Add(ProfileClass);
        command.Options.Add(Device);
        return command;
    }

    /// <summary>Creates a store with the defaults when there is none.</summary>
    /// <param name="context">The invocation.</param>
    public static async Task EnsureStoreAsync(VerbContext context)
    {
        if (!IsStore(context.CheckedStorePath()))
        {
            await SetUpAsync(context, null, null, null).ConfigureAwait(false);
            context.Messages.Info($"Created a store in {context.StorePath}.");
        }
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        SetupResult result = await SetUpAsync(context, context.Parse.GetValue(GlobalOptions.Profile), context.Get(ProfileClass), context.Get(Device)).ConfigureAwait(false);
        if (context.Json)
        {
            WriteJson(context.Out, result);
            return ExitCode.Done;
        }

        context.Out.WriteLine(result.IsCreated ? $"Created store {result.StoreId} in {TerminalText.Clean(context.StorePath)}." : $"The store {result.StoreId} is there already.");
        foreach (IGrouping<RecordKind, SetupItem> group in result.Added.GroupBy(static item => item.Kind))
        {
            string names = group.Count() > 3 ? $"{group.Count()} {RecordKinds.Get(group.Key).PluralName}" : string.Join(", ", group.Select(static item => item.Id));
            context.Out.WriteLine($"Registered {TerminalText.Clean(names)}.");
        }

        if (result.Added.Count == 0)
        {
            context.Out.WriteLine("Nothing was missing.");
        }

        return ExitCode.Done;
    }

    private sealed record SetupResult(bool IsCreated, Guid StoreId, string Path, SetupPlan Plan, IReadOnlyList<SetupItem> Added, ulong Sequence);

    private static async Task<SetupResult> SetUpAsync(VerbContext context, string? profile, string? profileClass, string? device)
    {
        CheckIdentifier("--profile", profile);
        CheckIdentifier("--device", device);
        string path = Path.GetFullPath(context.CheckedStorePath());
        bool isCreated = !IsStore(path);
        if (!isCreated && TryAnswerWithoutWriting(context, path, profile, profileClass, device) is { } unchanged)
        {
            return unchanged;
        }

        if (isCreated && Path.GetDirectoryName(path) is { Length: > 0 } parent)
        {
            CreateParent(parent);
        }

        StateStore store = isCreated ? GovernedStore.Create(path) : context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            SetupPlan plan;
            using (ReadSnapshot snapshot = store.OpenSnapshot())
            {
                plan = Plan(context, snapshot, profile, profileClass, device);
            }

            (IReadOnlyList<SetupItem> added, CommitReceipt? receipt) =
                await StoreSetup.EnsureAsync(store, plan, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false);
            if (receipt is not null)
            {
                Receipts.Require(receipt);
            }

            return new SetupResult(isCreated, store.Id, path, plan, added, store.VisibleSequence);
        }
    }

    private static SetupResult? TryAnswerWithoutWriting(VerbContext context, string path, string? profile, string? profileClass, string? device)
    {
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        SetupPlan plan = Plan(context, snapshot, profile, profileClass, device);
        return StoreSetup.Missing(snapshot, plan).Count == 0 ? new SetupResult(false, store.Id, path, plan, [], snapshot.Sequence) : null;
    }

    // What the store has already wins over the defaults, so that a second run asks for nothing new.
    private static SetupPlan Plan(VerbContext context, ReadSnapshot snapshot, string? profile, string? profileClass, string? device)
    {
        string? knownDevice = LocalIdentity.Device(snapshot);
        if (device is not null && knownDevice is not null && device != knownDevice)
        {
            throw CliException.BadData(
                $"This store's device is '{knownDevice}'; it cannot become '{device}'.", $"device {knownDevice}", "Leave --device out, or create another store.", "already_exists");
        }

        if (knownDevice is null && LocalIdentity.DeviceEvenRevoked(snapshot) is { } revoked && (device is null || snapshot.Get(RecordKind.Device, device) is not null))
        {
            throw CliException.BadData(
                $"This store's device '{revoked}' is revoked; nothing is written on it any more.", $"device {revoked}", "Register this machine under a name that the store does not have: statestore init --device ID", "device_revoked");
        }

        string user = Environment.UserName;
        string actor = context.Parse.GetValue(GlobalOptions.Actor) ?? LocalIdentity.ActorOfUser(user);
        string host = Environment.MachineName.Length == 0 ? "local" : Environment.MachineName;
        return new SetupPlan(
            VerbContext.CheckId(device ?? knownDevice ?? "device:" + host, "The device id"),
            host,
            VerbContext.CheckId(profile ?? LocalIdentity.Profile(snapshot) ?? DefaultProfile, "The profile id"),
            profileClass ?? DefaultProfileClass,
            VerbContext.CheckId(actor, "The actor id"),
            user.Length == 0 ? actor : user,
            LocalIdentity.IdentityOfUser(user));
    }

    private static bool IsStore(string path) => File.Exists(Path.Combine(path, "STORE"));

    private static void WriteJson(ByteOutput output, SetupResult result) => JsonLine.Write(output, writer =>
    {
        writer.WriteStartObject();
        writer.WriteBoolean("created"u8, result.IsCreated);
        writer.WriteStartObject("store"u8);
        writer.WriteString("id"u8, result.StoreId);
        writer.WriteString("path"u8, result.Path);
        writer.WriteNumber("formatVersion"u8, FormatLimits.FormatVersion);
        writer.WriteEndObject();
        writer.WriteString("device"u8, result.Plan.DeviceId);
        writer.WriteString("profile"u8, result.Plan.ProfileId);
        writer.WriteString("actor"u8, result.Plan.ActorId);
        writer.WriteStartArray("registered"u8);
        foreach (SetupItem item in result.Added)
        {
            writer.WriteStartObject();
            writer.WriteString("kind"u8, RecordKinds.Get(item.Kind).Name);
            writer.WriteString("id"u8, item.Id);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteNumber("sequence"u8, result.Sequence);
        writer.WriteEndObject();
    });

    // Before anything is made: a name that the store would refuse must not leave an empty store behind.
    private static void CheckIdentifier(string option, string? id)
    {
        if (id is not null && !Identifier.IsValid(id, out string reason))
        {
            throw new ArgumentException($"{option}: {reason}");
        }
    }

    // A path that cannot hold a directory is a fault of the machine, not a record that was not found.
    private static void CreateParent(string parent)
    {
        try
        {
            Directory.CreateDirectory(parent);
        }
        catch (IOException exception)
        {
            throw new StateStoreException(StateStoreErrorCode.InputOutput, $"The directory for the store cannot be made: {exception.Message}", parent, "Name another place with --store.", innerException: exception);
        }
    }
}
