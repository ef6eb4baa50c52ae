// Why this file exists: what every form of the status shows on the command line: the doors' glance of a store, or why there is none. Invariants: a store that is missing or
// cannot be trusted still gets a status.

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>A store's status as the command line shows it.</summary>
internal sealed class StatusView
{
    private const int PromptColumns = 24;

    private readonly StoreGlance? _glance;

    private StatusView(StoreGlance? glance, CliError? error)
    {
        _glance = glance;
        Error = error;
    }

    /// <summary>The store's own status; null when it cannot be opened.</summary>
    public StateStoreStatus? Status => _glance?.Status;

    /// <summary>Why it cannot be opened, or not be trusted; null when it can.</summary>
    public CliError? Error { get; }

    /// <summary>Health in one word.</summary>
    public string HealthWord => _glance?.HealthWord ?? Error!.Exit switch
    {
        ExitCode.NotFound => "uninitialized",
        ExitCode.Unsafe => "unsafe",
        _ => "degraded",
    };

    /// <summary>What to do next; empty when there is nothing to do.</summary>
    public string NextAction => _glance?.NextAction ?? Error!.Next;

    /// <summary>Conflicts that are not resolved.</summary>
    public long OpenConflicts => _glance?.OpenConflicts ?? 0;

    /// <summary>Plans that are blocked.</summary>
    public long PlansBlocked => _glance?.PlansBlocked ?? 0;

    /// <summary>Reads the status of the invocation's store.</summary>
    public static StatusView Read(VerbContext context)
    {
        try
        {
            using StateStore store = context.OpenRead();
            using ReadSnapshot snapshot = store.OpenSnapshot();
            return new StatusView(StoreGlance.Of(snapshot), null);
        }
        catch (StateStoreException exception)
        {
            return new StatusView(null, ErrorMapping.ToError(exception, context.StorePath));
        }
    }

    /// <summary>Records by name, in the contract's order; none when there is no status.</summary>
    public IEnumerable<(string Name, ulong Value)> Counts() => _glance?.Counts() ?? [];

    /// <summary>One line for a status bar.</summary>
    public string Line() => Status is null
        ? $"state {HealthWord}"
        : $"state {HealthWord} · {Units.Count(Status.LiveCount(RecordKind.Object))} objects · seq {Status.Sequence}{(OpenConflicts > 0 ? $" · {OpenConflicts} conflicts" : "")}{(PlansBlocked > 0 ? $" · {PlansBlocked} blocked" : "")}";

    /// <summary>A few characters for a prompt.</summary>
    public string Prompt()
    {
        string text = HealthWord switch
        {
            "healthy" when OpenConflicts > 0 => $"ss:{OpenConflicts.ToString(CultureInfo.InvariantCulture)} conflicts",
            "healthy" => "ss:ok",
            _ => $"ss:{HealthWord}",
        };
        return text.Length <= PromptColumns ? text : text[..PromptColumns];
    }

    /// <summary>Writes the status as one JSON object.</summary>
    public void WriteJson(Utf8JsonWriter writer)
    {
        if (_glance is { } glance)
        {
            glance.Write(writer);
            return;
        }

        writer.WriteStartObject();
        writer.WriteString("health"u8, HealthWord);
        writer.WriteNull("lastVerified"u8);
        writer.WriteNumber("openConflicts"u8, 0);
        writer.WriteNumber("plansBlocked"u8, 0);
        writer.WriteString("nextAction"u8, NextAction);
        ErrorJson.WriteProperty(writer, Error!);
        writer.WriteEndObject();
    }
}
