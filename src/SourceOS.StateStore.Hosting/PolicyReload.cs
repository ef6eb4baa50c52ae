// Why this file exists: an operator edits the policy file and the running host obeys it. Invariants: a file that is no policy, or cannot be read, changes nothing and is said once; loading is a commit by the host's actor, so who may
// not administer cannot load; a file is loaded when its content differs from the policy in force, not when it was merely touched.

using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Policy;

namespace SourceOS.StateStore.Hosting;

/// <summary>Loads the policy file when it changes.</summary>
internal sealed partial class PolicyReload(StateStoreAccess access, ILogger<PolicyReload> logger, TimeProvider? clock = null) : BackgroundService
{
    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private byte[] _last = [];
    private string _lastFault = "";

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (access.Options.PolicyFile.Length == 0)
        {
            return;
        }

        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(access.Options.PolicyPollMs), _clock);
        do
        {
            await LookAsync(stoppingToken).ConfigureAwait(false);
        }
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }

    private async Task LookAsync(CancellationToken stoppingToken)
    {
        string path = access.Options.PolicyFile;
        try
        {
            byte[]? bytes = await ReadAsync(path, stoppingToken).ConfigureAwait(false);
            if (bytes is not null && !bytes.AsSpan().SequenceEqual(_last))
            {
                await LoadAsync(path, bytes, stoppingToken).ConfigureAwait(false);
                _last = bytes;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or StateStoreException)
        {
            Fault(path, exception.Message);
        }
    }

    private async Task<byte[]?> ReadAsync(string path, CancellationToken stoppingToken)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length > PolicyRules.MaxDocumentBytes)
        {
            Fault(path, $"it has {file.Length} bytes, more than {PolicyRules.MaxDocumentBytes}");
            return null;
        }

        byte[] bytes = new byte[file.Length];
        await file.ReadExactlyAsync(bytes, stoppingToken).ConfigureAwait(false);
        return bytes;
    }

    private async Task LoadAsync(string path, byte[] bytes, CancellationToken stoppingToken)
    {
        if (!PolicyRules.TryParse(bytes, out PolicyRules? rules, out PolicyFault? fault))
        {
            Fault(path, fault!.ToString());
            return;
        }

        StateStore store = access.Owned;
        SessionIdentity identity;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            (_, StoredRecord? record) = PolicySource.Of(snapshot);
            if (IsSame(PolicySource.DocumentOf(record), bytes))
            {
                _lastFault = "";
                return;
            }

            string actor = access.Options.ActorOrNull ?? LocalIdentity.ActorOfUser(Environment.UserName);
            if (LocalIdentity.Resolve(snapshot, actor, new ProfileChoice(access.Options.ProfileOrNull, PrefersStoreWide: true), out identity) != LocalIdentityFault.None)
            {
                Fault(path, $"the actor '{actor}' is not registered here, or is revoked");
                return;
            }
        }

        CommitReceipt receipt = await PolicyRoom.LoadAsync(store.OpenSession(identity), bytes, _clock.GetUtcNow(), stoppingToken).ConfigureAwait(false);
        if (receipt.IsCommitted)
        {
            _lastFault = "";
            LogLoaded(logger, rules!.Id, rules.Version, path, receipt.LastSequence);
        }
        else
        {
            Fault(path, receipt.Refusal?.Reason ?? "the commit was refused");
        }
    }

    private static bool IsSame(ReadOnlyMemory<byte> inForce, ReadOnlyMemory<byte> file)
    {
        using JsonDocument left = JsonDocument.Parse(inForce);
        using JsonDocument right = JsonDocument.Parse(file);
        return JsonElement.DeepEquals(left.RootElement, right.RootElement);
    }

    // The same fault is found at every look; once is enough to act on it.
    private void Fault(string path, string why)
    {
        if (_lastFault != why)
        {
            _lastFault = why;
            LogFault(logger, path, why);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Policy {Id} version {Version} from {Path} is in force since sequence {Sequence}.")]
    private static partial void LogLoaded(ILogger logger, string id, string version, string path, ulong sequence);

    [LoggerMessage(Level = LogLevel.Error, Message = "The policy file {Path} was not loaded and the policy in force stays: {Why}.")]
    private static partial void LogFault(ILogger logger, string path, string why);
}
