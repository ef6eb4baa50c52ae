// Why this file exists: what a host says about the store that it owns or reads, checked once at start. Invariants: a value out of range stops the host with a sentence, before a file is touched.

using Microsoft.Extensions.Options;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Hosting;

/// <summary>Options of a hosted store; the configuration keys are the property names.</summary>
public sealed class StateStoreHostOptions
{
    /// <summary>The store's directory. Required.</summary>
    public string StorePath { get; set; } = "";

    /// <summary>Whether the host owns the store: it holds the writer's lock from start to stop, and <see cref="StateStore"/> can be injected. Without it the host reads beside whoever writes, and a store that is not there yet,
    /// or cannot be trusted, does not keep it from starting.</summary>
    public bool Owns { get; set; }

    /// <summary>The actor to read, and to reload the policy, as; empty for the operating system's user.</summary>
    public string ActorId { get; set; } = "";

    /// <summary>Only this profile is shown; empty for all in the actor's scope.</summary>
    public string ProfileId { get; set; } = "";

    /// <summary>A policy document that is loaded into an owned store at start and whenever the file changes; empty for none.</summary>
    public string PolicyFile { get; set; } = "";

    /// <summary>How often the policy file is looked at, in ms, 100 to 3,600,000.</summary>
    public int PolicyPollMs { get; set; } = 2_000;

    /// <summary>For how long a quick check's result counts, in ms, 0 to 3,600,000: a probe that is asked many times a second checks once.</summary>
    public int CheckCacheMs { get; set; } = 5_000;

    /// <summary>How often the whole store is verified (standard level) in the background, in minutes, 0 to 100,000; 0 for never. The first time is at start. What it finds counts until a later check finds the store sound.</summary>
    public int FullCheckMinutes { get; set; } = 60;

    internal string? ActorOrNull => ActorId.Length == 0 ? null : ActorId;

    internal string? ProfileOrNull => ProfileId.Length == 0 ? null : ProfileId;
}

/// <summary>Checks the options. Thread-safe.</summary>
internal sealed class StateStoreHostOptionsRules : IValidateOptions<StateStoreHostOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, StateStoreHostOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        List<string> faults = [];
        if (options.StorePath.Length == 0 || options.StorePath.Contains('\0', StringComparison.Ordinal))
        {
            faults.Add($"{nameof(options.StorePath)} names no directory; set it to the store's.");
        }

        CheckId(faults, nameof(options.ActorId), options.ActorId);
        CheckId(faults, nameof(options.ProfileId), options.ProfileId);
        CheckRange(faults, nameof(options.PolicyPollMs), options.PolicyPollMs, 100);
        CheckRange(faults, nameof(options.CheckCacheMs), options.CheckCacheMs, 0);
        if (options.FullCheckMinutes is < 0 or > 100_000)
        {
            faults.Add($"{nameof(options.FullCheckMinutes)} is {options.FullCheckMinutes}; it must be 0 to 100000 minutes.");
        }

        if (options.PolicyFile.Length > 0 && !options.Owns)
        {
            faults.Add($"{nameof(options.PolicyFile)} needs {nameof(options.Owns)}: loading a policy is a commit.");
        }

        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }

    private static void CheckId(List<string> faults, string name, string value)
    {
        if (value.Length > 0 && !Identifier.IsValid(value, out string reason))
        {
            faults.Add($"{name} is not an identifier: {reason}.");
        }
    }

    private static void CheckRange(List<string> faults, string name, int value, int least)
    {
        if (value < least || value > 3_600_000)
        {
            faults.Add($"{name} is {value}; it must be {least} to 3600000 ms.");
        }
    }
}
