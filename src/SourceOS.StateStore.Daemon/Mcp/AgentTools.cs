// Why this file exists: what an agent may ask. Invariants: no tool applies, approves, repairs, exports, or acts as another actor; each answer is bounded; what the agent's scope does not cover is neither shown nor counted, in findings
// of a check as little as in lists.

using System.Text.Json;
using SourceOS.StateStore.Daemon.Http;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Agents;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Hosting;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Daemon.Mcp;

/// <summary>One tool.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it does, for the agent.</param>
/// <param name="InputSchema">Its arguments, as a JSON Schema.</param>
/// <param name="OnlyReads">Whether it changes nothing.</param>
/// <param name="Prepare">Reads the arguments and gives what answers the call.</param>
internal sealed record AgentTool(string Name, string Description, string InputSchema, bool OnlyReads, Func<ToolArguments, Func<CancellationToken, Task<ReadOnlyMemory<byte>>>> Prepare);

/// <summary>The agents' tools. Thread-safe.</summary>
internal sealed class AgentTools : IDisposable
{
    private const int MaxRows = 200;
    private const int MaxLooked = 20_000;
    private const string NoArguments = """{"type":"object","properties":{},"additionalProperties":false}""";

    private readonly StateStoreAccess _access;
    private readonly SemaphoreSlim _oneAtATime = new(1, 1);

    /// <summary>Creates the tools of one agent.</summary>
    /// <param name="access">The store, with the agent as its actor.</param>
    public AgentTools(StateStoreAccess access)
    {
        _access = access;
        string kinds = string.Join(",", RecordKinds.All.Select(static kind => $"\"{kind.Name}\""));
        All =
        [
            new("status", "The store's health, position and what to do next.", NoArguments, true, _ => Reads(Status)),
            new("explain", "The eleven answers about an object: what it is, its schema, who changed it last, whose it is, whether it is safe to sync, why it is blocked, conflicts, what repairs itself, what needs a human, durable or rebuildable, whether a restore can be proven.",
                """{"type":"object","properties":{"id":{"type":"string"},"at":{"type":"integer","minimum":1,"description":"as it was at this sequence"}},"required":["id"],"additionalProperties":false}""", true, PrepareExplain),
            new("log", "Events in order, oldest first from a sequence; without one the newest.",
                $$"""{"type":"object","properties":{"from":{"type":"integer","minimum":1},"limit":{"type":"integer","minimum":1,"maximum":{{MaxRows}} },"type":{"type":"string"},"object":{"type":"string"} },"additionalProperties":false}""", true, PrepareLog),
            new("get", "One record.", $$"""{"type":"object","properties":{"kind":{"enum":[{{kinds}}]},"id":{"type":"string"} },"required":["kind","id"],"additionalProperties":false}""", true, PrepareGet),
            new("list", "Records of a kind in the order of their identifiers.",
                $$"""{"type":"object","properties":{"kind":{"enum":[{{kinds}}]},"after":{"type":"string"},"limit":{"type":"integer","minimum":1,"maximum":{{MaxRows}} } },"required":["kind"],"additionalProperties":false}""", true, PrepareList),
            new("verify", "Checks the store; quick takes milliseconds, standard reads all of it.", """{"type":"object","properties":{"level":{"enum":["quick","standard"]}},"additionalProperties":false}""", true, PrepareVerify),
            new("draft", "Stores a draft: {\"changes\":[object records, or {\"delete\":\"ID\"}],\"rationale\":\"why\"}. Nothing else changes.",
                """{"type":"object","properties":{"draft":{"type":"object"}},"required":["draft"],"additionalProperties":false}""", false, PrepareDraft),
            new("propose", "Puts one of your own drafts before its reviewers.",
                """{"type":"object","properties":{"transaction":{"type":"string"},"reason":{"type":"string"}},"required":["transaction"],"additionalProperties":false}""", false, PreparePropose),
        ];
    }

    /// <summary>The tools.</summary>
    public IReadOnlyList<AgentTool> All { get; }

    /// <summary>The store's directory, for advice.</summary>
    public string StorePath => _access.Options.StorePath;

    /// <summary>Answers one call after the other: a draft opens the store for writing, which no read of this process may overlap.</summary>
    /// <param name="run">What answers.</param>
    /// <param name="cancellationToken">Ends the wait and the call.</param>
    public async Task<ReadOnlyMemory<byte>> RunAsync(Func<CancellationToken, Task<ReadOnlyMemory<byte>>> run, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await run(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _oneAtATime.Dispose();

    private Func<CancellationToken, Task<ReadOnlyMemory<byte>>> Reads(Func<ReadSnapshot, ReadScope, ReadOnlyMemory<byte>> read) =>
        _ => Task.FromResult(_access.Read(snapshot => read(snapshot, _access.Scope(snapshot))));

    private static ReadOnlyMemory<byte> Status(ReadSnapshot snapshot, ReadScope scope)
    {
        StoreGlance glance = StoreGlance.Of(snapshot);
        return Answers.Build(writer =>
        {
            if (scope.IsEverything)
            {
                glance.Write(writer);
                return;
            }

            // How many records there are in other profiles is theirs to know.
            writer.WriteStartObject();
            writer.WriteString("health"u8, glance.HealthWord);
            writer.WriteNumber("sequence"u8, glance.Status.Sequence);
            writer.WriteNumber("durableSequence"u8, glance.Status.DurableSequence);
            writer.WriteString("nextAction"u8, glance.Status.NextAction);
            writer.WriteEndObject();
        });
    }

    private Func<CancellationToken, Task<ReadOnlyMemory<byte>>> PrepareExplain(ToolArguments arguments)
    {
        string id = arguments.Id("id");
        ulong? at = arguments.Number("at", 1, ulong.MaxValue);
        return Reads((snapshot, scope) =>
        {
            StoredRecord? now = snapshot.Get(RecordKind.Object, id);
            StoredRecord? then = at is { } sequence && sequence <= snapshot.Sequence ? snapshot.GetAsOf(RecordKind.Object, id, sequence) : now;
            bool isShown = (then ?? now) is { } known && scope.Allows(known) && (now is null || scope.Allows(now)) && (at is null || at <= snapshot.Sequence);
            ExplainReport report = (isShown ? ObjectExplainer.Explain(snapshot, id, at) : null) ?? throw new ToolInputException("There is no such object.", "id");
            return Answers.Build(writer => ExplainJson.Write(writer, report));
        });
    }

    private Func<CancellationToken, Task<ReadOnlyMemory<byte>>> PrepareLog(ToolArguments arguments)
    {
        ulong? from = arguments.Number("from", 1, ulong.MaxValue);
        int limit = (int)(arguments.Number("limit", 1, MaxRows) ?? 50);
        string? type = arguments.Text("type");
        string? about = arguments.OptionalId("object");
        return Reads((snapshot, scope) =>
        {
            List<StoredEvent> found = [];
            int looked = 0;
            ulong at = from ?? snapshot.Sequence;
            while (at > 0 && at <= snapshot.Sequence && found.Count < limit && looked++ < MaxLooked)
            {
                if (snapshot.ReadEvent(at) is { } item && scope.Allows(item) && (type is null || item.Type == type) && (about is null || item.SubjectId == about))
                {
                    found.Add(item);
                }

                at = from is null ? at - 1 : at + 1;
            }

            if (from is null)
            {
                found.Reverse();
            }

            return Answers.Build(writer =>
            {
                writer.WriteStartObject();
                writer.WriteStartArray("events"u8);
                found.ForEach(item => EventJson.Write(writer, item));
                writer.WriteEndArray();
                writer.WriteNumber("sequence"u8, snapshot.Sequence);
                writer.WriteNumber("next"u8, at);
                writer.WriteEndObject();
            });
        });
    }

    private Func<CancellationToken, Task<ReadOnlyMemory<byte>>> PrepareGet(ToolArguments arguments)
    {
        RecordKind kind = KindOf(arguments);
        string id = arguments.Id("id");
        return Reads((snapshot, scope) => snapshot.Get(kind, id) is { IsTombstone: false } record && scope.Allows(record)
            ? Answers.Build(writer => RecordDocument.WriteWithMeta(writer, record))
            : throw new ToolInputException("There is no such record.", "id"));
    }

    private Func<CancellationToken, Task<ReadOnlyMemory<byte>>> PrepareList(ToolArguments arguments)
    {
        RecordKind kind = KindOf(arguments);
        string? after = arguments.OptionalId("after");
        int limit = (int)(arguments.Number("limit", 1, MaxRows) ?? 50);
        return Reads((snapshot, scope) =>
        {
            List<StoredRecord> found = [];
            string? at = after;
            bool isEnd = false;
            for (int looked = 0; (looked < MaxLooked || found.Count == 0) && found.Count < limit && !isEnd; looked += MaxRows)
            {
                List<StoredRecord> page = snapshot.Range(kind, at).ToList(MaxRows);
                isEnd = page.Count < MaxRows;
                foreach (StoredRecord record in page)
                {
                    if (found.Count == limit)
                    {
                        isEnd = false;
                        break;
                    }

                    at = record.Id;
                    if (scope.Allows(record))
                    {
                        found.Add(record);
                    }
                }
            }

            return Answers.Build(writer =>
            {
                writer.WriteStartObject();
                writer.WriteStartArray("records"u8);
                found.ForEach(record => RecordDocument.WriteWithMeta(writer, record));
                writer.WriteEndArray();

                // Where to go on is the last record shown: the one looked at last may be another profile's.
                writer.WriteBoolean("more"u8, !isEnd);
                writer.WriteEndObject();
            });
        });
    }

    private Func<CancellationToken, Task<ReadOnlyMemory<byte>>> PrepareVerify(ToolArguments arguments)
    {
        VerificationLevel level = arguments.Word("level", "quick", "standard") == "quick" ? VerificationLevel.Quick : VerificationLevel.Standard;
        return cancellationToken => Task.Run(
            () =>
            {
                ReadScope scope = _access.Read(_access.Scope);
                VerificationReport report = StoreVerifier.Run(StorePath, new VerifyOptions { Level = level, MaxFindings = MaxRows }, cancellationToken);
                return Answers.Build(writer =>
                {
                    if (scope.IsEverything)
                    {
                        VerificationJson.Write(writer, report);
                        return;
                    }

                    WriteCounted(writer, report);
                });
            },
            cancellationToken);
    }

    // A finding names records, so a reader of one profile is told what kinds of damage there are, and how many, and not where.
    private static void WriteCounted(Utf8JsonWriter writer, VerificationReport report)
    {
        writer.WriteStartObject();
        writer.WriteString("verdict"u8, report.Verdict.ToString().ToLowerInvariant());
        writer.WriteString("level"u8, report.Level.ToString().ToLowerInvariant());
        writer.WriteBoolean("complete"u8, report.IsComplete);
        writer.WriteString("root"u8, report.LogRoot);
        writer.WriteStartArray("findings"u8);
        foreach (IGrouping<string, Finding> group in report.Findings.GroupBy(static finding => finding.Code, StringComparer.Ordinal).OrderBy(static group => group.Key, StringComparer.Ordinal))
        {
            writer.WriteStartObject();
            writer.WriteString("code"u8, group.Key);
            writer.WriteNumber("count"u8, group.Count());
            writer.WriteString("class"u8, group.First().Class.ToString().ToLowerInvariant());
            writer.WriteBoolean("autoRepair"u8, group.First().AutoRepair);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private Func<CancellationToken, Task<ReadOnlyMemory<byte>>> PrepareDraft(ToolArguments arguments)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(arguments.Object("draft"), DoorJson.Default.JsonElement);
        return cancellationToken => WriteAsync(
            (store, session, now) => AgentRoom.DraftAsync(store, session, AgentDraft.Parse(json, now), now, cancellationToken));
    }

    private Func<CancellationToken, Task<ReadOnlyMemory<byte>>> PreparePropose(ToolArguments arguments)
    {
        string id = arguments.Id("transaction");
        string reason = arguments.Text("reason") ?? "";
        return cancellationToken => WriteAsync((store, session, now) =>
        {
            AgentTransaction? transaction;
            using (ReadSnapshot snapshot = store.OpenSnapshot())
            {
                transaction = AgentTransaction.Find(snapshot, id);
            }

            return transaction is not null && transaction.ActorId == session.Identity.ActorId
                ? AgentRoom.MoveAsync(session, transaction, "proposed", reason, now, cancellationToken)
                : throw new ToolInputException("You have no such draft.", "transaction");
        });
    }

    private async Task<ReadOnlyMemory<byte>> WriteAsync(Func<StateStore, StateSession, DateTimeOffset, Task<AgentStep>> write)
    {
        // A revoked agent, or one that may not read, learns nothing from the fact that the store is there to be written.
        _access.Read(_access.Scope);
        _access.ReleaseReading();
        StateStore store = GovernedStore.Open(StorePath);
        await using (store.ConfigureAwait(false))
        {
            AgentStep step = await write(store, SessionOf(store), DateTimeOffset.UtcNow).ConfigureAwait(false);
            return Answers.Build(writer => WriteStep(writer, step));
        }
    }

    private StateSession SessionOf(StateStore store)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        LocalIdentityFault fault = LocalIdentity.Resolve(snapshot, _access.Options.ActorId, new ProfileChoice(_access.Options.ProfileId is { Length: > 0 } profile ? profile : null), out SessionIdentity identity);
        return fault == LocalIdentityFault.None ? store.OpenSession(identity) : throw new ReadRefusedException(new DoorError(DoorError.SnakeCase(fault.ToString()), "The agent cannot act here any more.", $"actor {_access.Options.ActorId}"));
    }

    private static void WriteStep(Utf8JsonWriter writer, AgentStep step)
    {
        writer.WriteStartObject();
        writer.WriteString("transaction"u8, step.TransactionId);
        writer.WriteString("status"u8, step.Receipt.IsCommitted ? step.Status : "refused");
        if (step.Receipt.IsCommitted)
        {
            writer.WriteNumber("sequence"u8, step.Receipt.LastSequence);
        }
        else if (step.Receipt.Refusal is { } refusal)
        {
            writer.WriteString("rule"u8, refusal.Rule);
            writer.WriteString("reason"u8, refusal.Reason);
            writer.WriteString("next"u8, refusal.Remedy);
        }

        writer.WriteEndObject();
    }

    private static RecordKind KindOf(ToolArguments arguments)
    {
        string word = arguments.Text("kind") ?? throw new ToolInputException("'kind' is missing.", "kind");
        foreach (RecordKindInfo info in RecordKinds.All)
        {
            if (info.Name == word)
            {
                return info.Kind;
            }
        }

        throw new ToolInputException($"'kind' must be one of {string.Join(", ", RecordKinds.All.Select(static kind => kind.Name))}.", "kind");
    }
}
