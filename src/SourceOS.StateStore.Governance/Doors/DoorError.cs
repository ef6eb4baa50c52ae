// Why this file exists: what went wrong with a store in the one shape that every door shows. Invariants: the keys of the contract are always there; what to do next is never empty when the store knows of something.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>An error as doors show it. Immutable.</summary>
/// <param name="Code">A stable snake_case word.</param>
/// <param name="Message">What happened, in a sentence.</param>
/// <param name="Place">Where: a file and offset, a record, a sequence; empty when it has no place.</param>
/// <param name="IsRetryable">Whether the same request may succeed later without any change by the caller.</param>
/// <param name="Next">What to do, in a sentence; empty when there is nothing.</param>
/// <param name="Rule">The rule that refused; empty when none did.</param>
public sealed record DoorError(string Code, string Message, string Place = "", bool IsRetryable = false, string Next = "", string Rule = "")
{
    /// <summary>The error that a store's fault stands for.</summary>
    /// <param name="exception">The fault.</param>
    /// <param name="storePath">The store, for advice.</param>
    /// <returns>The error.</returns>
    public static DoorError Of(StateStoreException exception, string storePath)
    {
        ArgumentNullException.ThrowIfNull(exception);
        string next = exception.Next;
        if (next.Length == 0)
        {
            next = exception.Code switch
            {
                StateStoreErrorCode.NotInitialized => $"Create one with: statestore --store {Quote(storePath)} init",
                StateStoreErrorCode.Locked => "Wait for the other writer to end, or read instead: reading needs no lock.",
                StateStoreErrorCode.DiskFull => "Free space on the device, then run the command again.",
                StateStoreErrorCode.StateDamaged or StateStoreErrorCode.LogDamaged or StateStoreErrorCode.SuperblockDamaged =>
                    $"See what is damaged: statestore --store {Quote(storePath)} doctor",
                _ => "",
            };
        }

        return new DoorError(CodeOf(exception.Code), exception.Summary, exception.Place, exception.IsRetryable, next);
    }

    /// <summary>The error of a commit that was refused.</summary>
    /// <param name="status">The receipt's status.</param>
    /// <param name="refusal">Its refusal.</param>
    /// <returns>The error.</returns>
    public static DoorError Of(CommitStatus status, CommitRefusal? refusal) => new(
        status switch
        {
            CommitStatus.NotFound => "not_found",
            CommitStatus.Conflict => "conflict",
            CommitStatus.ReviewRequired => "review_required",
            _ when refusal?.Rule == "engine.frame-size" => "too_large",
            _ => "policy_denied",
        },
        refusal?.Reason ?? "The commit was refused.",
        refusal is { Kind: { } kind } ? $"{RecordKinds.Get(kind).Name} {refusal.Id}" : "",
        Next: refusal?.Remedy ?? "",
        Rule: refusal?.Rule ?? "");

    /// <summary>The error of a caller who cannot read.</summary>
    /// <param name="fault">Why not.</param>
    /// <param name="actorId">Who.</param>
    /// <param name="profileId">The profile that was asked for; null when none was.</param>
    /// <returns>The error.</returns>
    public static DoorError Of(ReadScopeFault fault, string actorId, string? profileId) => new(
        fault switch
        {
            ReadScopeFault.ActorNotRegistered => "actor_not_registered",
            ReadScopeFault.ActorRevoked => "actor_revoked",
            ReadScopeFault.NoCapability => "no_capability",
            ReadScopeFault.ActorQuarantined => "actor_quarantined",
            ReadScopeFault.DeviceNotTrusted => "device_not_trusted",
            _ => "no_profile_in_scope",
        },
        fault switch
        {
            ReadScopeFault.ActorNotRegistered => $"The actor '{actorId}' is not registered in this store.",
            ReadScopeFault.ActorRevoked => $"The actor '{actorId}' is revoked.",
            ReadScopeFault.NoCapability => $"The actor '{actorId}' does not hold the capability 'read'.",
            ReadScopeFault.ActorQuarantined => $"The actor '{actorId}' is quarantined.",
            ReadScopeFault.DeviceNotTrusted => "This device is revoked or quarantined; only who may see the whole store reads here.",
            _ => profileId is null ? $"No profile is in the scope of actor '{actorId}'." : $"Profile '{profileId}' is not in the scope of actor '{actorId}'.",
        },
        $"actor {actorId}",
        Next: "Act as another actor with --actor (see: statestore actors), or leave --profile out.");

    /// <summary>Health in one word of a store that cannot be opened with this code.</summary>
    /// <param name="code">The store's code.</param>
    /// <returns>`uninitialized`, `unsafe` or `degraded`.</returns>
    public static string HealthOf(StateStoreErrorCode code) => code switch
    {
        StateStoreErrorCode.NotInitialized => "uninitialized",
        _ when IsUnsafe(code) => "unsafe",
        _ => "degraded",
    };

    /// <summary>Whether a code says that the store cannot be trusted as it is.</summary>
    /// <param name="code">The store's code.</param>
    /// <returns>True when it does.</returns>
    public static bool IsUnsafe(StateStoreErrorCode code) => code is StateStoreErrorCode.UnsupportedFormat or StateStoreErrorCode.LogDamaged or StateStoreErrorCode.StateDamaged
        or StateStoreErrorCode.LogRolledBack or StateStoreErrorCode.StoreRolledBack or StateStoreErrorCode.SuperblockDamaged or StateStoreErrorCode.ReviewRequired;

    /// <summary>A code as programs read it: snake_case.</summary>
    /// <param name="code">The store's code.</param>
    /// <returns>Its word.</returns>
    public static string CodeOf(StateStoreErrorCode code) => SnakeCase(code.ToString());

    /// <summary>Turns a PascalCase name into snake_case.</summary>
    /// <param name="name">The name.</param>
    /// <returns>The word.</returns>
    public static string SnakeCase(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        StringBuilder text = new(name.Length + 8);
        for (int i = 0; i < name.Length; i++)
        {
            if (char.IsAsciiLetterUpper(name[i]) && i > 0)
            {
                text.Append('_');
            }

            text.Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    /// <summary>A path as a shell takes it.</summary>
    /// <param name="path">The path.</param>
    /// <returns>The path, quoted when it must be.</returns>
    public static string Quote(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.Length > 0 && path.All(static c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or ':')
            ? path
            : "'" + path.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
    }

    /// <summary>Writes <c>{"error":{...}}</c>.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        writer.WriteStartObject("error"u8);
        WriteFields(writer);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>Writes the contract's keys.</summary>
    /// <param name="writer">Where to; inside an object.</param>
    public void WriteFields(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteString("code"u8, Code);
        writer.WriteString("message"u8, Message);
        writer.WriteString("place"u8, Place);
        writer.WriteBoolean("retryable"u8, IsRetryable);
        writer.WriteString("next"u8, Next);
        if (Rule.Length > 0)
        {
            writer.WriteString("rule"u8, Rule);
        }
    }
}
