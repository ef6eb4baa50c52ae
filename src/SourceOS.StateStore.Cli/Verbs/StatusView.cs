// Why this file exists: what every form of the status shows, gathered once. Invariants: conflicts and plans are counted over a bounded number of records; nothing is
// claimed that was not looked at: a store nobody verified has no "last verified".

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>A store's status as the command line shows it.</summary>
internal sealed class StatusView
{
    private const int MaxExamined = 10_000;
    private const int PromptColumns = 24;

    private static readonly int ConflictStatus = Slot(RecordKind.Conflict, "status");
    private static readonly int PlanStatus = Slot(RecordKind.Plan, "status");

    /// <summary>The store's own status; null when it cannot be opened.</summary>
    public StateStoreStatus? Status { get; private init; }

    /// <summary>Why it cannot be opened, or not be trusted; null when it can.</summary>
    public CliError? Error { get; private init; }

    /// <summary>Health in one word.</summary>
    public required string HealthWord { get; init; }

    /// <summary>What to do next; empty when there is nothing to do.</summary>
    public required string NextAction { get; init; }

    /// <summary>Conflicts that are not resolved.</summary>
    public long OpenConflicts { get; private init; }

    /// <summary>Plans that are blocked.</summary>
    public long PlansBlocked { get; private init; }

    /// <summary>Reads the status of the invocation's store.</summary>
    public static StatusView Read(VerbContext context)
    {
        try
        {
            using StateStore store = context.OpenRead();
            using ReadSnapshot snapshot = store.OpenSnapshot();
            StateStoreStatus status = snapshot.GetStatus();
            long conflicts = CountBy(snapshot, RecordKind.Conflict, ConflictStatus, static text => !text.SequenceEqual("resolved"u8) && !text.SequenceEqual("closed"u8));
            long plans = CountBy(snapshot, RecordKind.Plan, PlanStatus, static text => text.SequenceEqual("blocked"u8));
            string next = status.NextAction.Length > 0 ? status.NextAction
                : conflicts > 0 ? "See what must be decided: statestore conflicts"
                : plans > 0 ? "See what is blocked: statestore plans --where status=blocked"
                : "";
            return new StatusView { Status = status, HealthWord = status.Health.ToString().ToLowerInvariant(), NextAction = next, OpenConflicts = conflicts, PlansBlocked = plans };
        }
        catch (StateStoreException exception)
        {
            CliError error = ErrorMapping.ToError(exception, context.StorePath);
            string health = error.Exit switch
            {
                ExitCode.NotFound => "uninitialized",
                ExitCode.Unsafe => "unsafe",
                _ => "degraded",
            };
            return new StatusView { Error = error, HealthWord = health, NextAction = error.Next };
        }
    }

    /// <summary>Records by name, in the contract's order.</summary>
    public IEnumerable<(string Name, ulong Value)> Counts()
    {
        yield return ("objects", Live(RecordKind.Object));
        yield return ("actors", Live(RecordKind.Actor));
        yield return ("schemas", Live(RecordKind.Schema));
        yield return ("devices", Live(RecordKind.Device));
        yield return ("profiles", Live(RecordKind.Profile));
        yield return ("events", Status?.Sequence ?? 0);
        yield return ("conflicts", Live(RecordKind.Conflict));
        yield return ("plans", Live(RecordKind.Plan));
        ulong tombstones = 0;
        foreach (KindStatus kind in Status?.Kinds ?? [])
        {
            tombstones += kind.Tombstones;
        }

        yield return ("tombstones", tombstones);
    }

    /// <summary>A lane's name.</summary>
    public static string NameOf(LaneStatus lane) => lane.Lane.ToString().ToLowerInvariant();

    /// <summary>One line for a status bar.</summary>
    public string Line() => Status is null
        ? $"state {HealthWord}"
        : $"state {HealthWord} · {Units.Count(Live(RecordKind.Object))} objects · seq {Status.Sequence}{(OpenConflicts > 0 ? $" · {OpenConflicts} conflicts" : "")}{(PlansBlocked > 0 ? $" · {PlansBlocked} blocked" : "")}";

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
        writer.WriteStartObject();
        writer.WriteString("health"u8, HealthWord);
        if (Status is { } status)
        {
            WriteStore(writer, status);
        }

        writer.WriteNull("lastVerified"u8);
        writer.WriteNumber("openConflicts"u8, OpenConflicts);
        writer.WriteNumber("plansBlocked"u8, PlansBlocked);
        writer.WriteString("nextAction"u8, NextAction);
        if (Error is { } error)
        {
            ErrorJson.WriteProperty(writer, error);
        }

        writer.WriteEndObject();
    }

    private void WriteStore(Utf8JsonWriter writer, StateStoreStatus status)
    {
        writer.WriteStartObject("store"u8);
        writer.WriteString("id"u8, status.StoreId);
        writer.WriteNumber("formatVersion"u8, status.FormatVersion);
        writer.WriteNumber("logBytes"u8, status.LogLengthBytes);
        writer.WriteNumber("stateBytes"u8, status.StateLengthBytes);
        writer.WriteNumber("stateGeneration"u8, status.StateGeneration);
        writer.WriteEndObject();
        writer.WriteNumber("sequence"u8, status.Sequence);
        writer.WriteNumber("durableSequence"u8, status.DurableSequence);
        writer.WriteNumber("frames"u8, status.FrameCount);
        writer.WriteString("root"u8, status.LogRoot);
        writer.WriteStartObject("counts"u8);
        foreach ((string name, ulong value) in Counts())
        {
            writer.WriteNumber(name, value);
        }

        writer.WriteEndObject();
        writer.WriteStartArray("lanes"u8);
        foreach (LaneStatus lane in status.Lanes)
        {
            writer.WriteStartObject();
            writer.WriteString("lane"u8, NameOf(lane));
            writer.WriteNumber("events"u8, lane.Events);
            writer.WriteNumber("lastSequence"u8, lane.LastSequence);
            writer.WritePropertyName("lastEventAt"u8);
            WriteTime(writer, lane.LastEventAt);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WritePropertyName("lastCommitAt"u8);
        WriteTime(writer, status.LastCommitAt);
    }

    private static void WriteTime(Utf8JsonWriter writer, DateTimeOffset? time)
    {
        if (time is { } value)
        {
            writer.WriteStringValue(Units.ExactTime(value));
        }
        else
        {
            writer.WriteNullValue();
        }
    }

    private delegate bool TextTest(ReadOnlySpan<byte> text);

    private static long CountBy(ReadSnapshot snapshot, RecordKind kind, int slot, TextTest isCounted)
    {
        long count = 0;
        int examined = 0;
        foreach (RecordView record in snapshot.Range(kind))
        {
            if (++examined > MaxExamined)
            {
                break;
            }

            record.Body.TryGetText(slot, out ReadOnlySpan<byte> text);
            count += isCounted(text) ? 1 : 0;
        }

        return count;
    }

    private ulong Live(RecordKind kind) => Status?.LiveCount(kind) ?? 0;

    private static int Slot(RecordKind kind, string name) => RecordKinds.Get(kind).TryGetField(name, out KnownField? field)
        ? field.Slot
        : throw new InvalidOperationException($"The format has no field '{name}'.");
}
