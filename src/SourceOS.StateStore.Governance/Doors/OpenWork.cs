// Why this file exists: what waits for somebody, with the command that goes on with it: conflicts, proposals, blocked and failed plans, quarantined objects. Invariants: only what the reader may see; a bounded number of records is
// looked at and a bounded number named, and how many more there are is said; the most important comes first.

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>Something that waits for somebody.</summary>
/// <param name="What">What to do.</param>
/// <param name="Why">Why.</param>
/// <param name="Arguments">The arguments of the `statestore` command that does it or shows it.</param>
public sealed record OpenWork(string What, string Why, IReadOnlyList<string> Arguments);

/// <summary>Finds open work. Thread-safe: it keeps nothing.</summary>
public static class OpenWorkScan
{
    private const int MaxExamined = 10_000;
    private const int MaxNamed = 3;
    private static readonly int s_conflictStatus = Slots.Of(RecordKind.Conflict, "status");
    private static readonly int s_planStatus = Slots.Of(RecordKind.Plan, "status");
    private static readonly int s_transactionStatus = Slots.Of(RecordKind.Transaction, "status");

    /// <summary>Reads it.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="scope">What the reader may see.</param>
    /// <returns>Open work, most important first.</returns>
    public static IReadOnlyList<OpenWork> Read(ReadSnapshot snapshot, ReadScope scope)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(scope);
        List<OpenWork> work = [];
        AddQuarantined(work, snapshot, scope);
        Add(work, Find(snapshot, scope, RecordKind.Conflict, static body => Slots.Text(body, s_conflictStatus) is not ("resolved" or "closed")), "conflicts", Conflict, ["conflicts"]);
        Add(work, Find(snapshot, scope, RecordKind.Transaction, static body => Slots.Text(body, s_transactionStatus) is "proposed" or "approved"), "proposals", Proposal, ["list", "transactions"]);
        Add(work, Find(snapshot, scope, RecordKind.Plan, static body => Slots.Text(body, s_planStatus) == "failed"), "failed plans", Plan, ["plans", "--where", "status=failed"]);
        Add(work, Find(snapshot, scope, RecordKind.Plan, static body => Slots.Text(body, s_planStatus) == "blocked"), "blocked plans", Plan, ["plans", "--where", "status=blocked"]);
        return work;
    }

    private readonly record struct Found(List<StoredRecord> Records, long Count);

    private static Found Find(ReadSnapshot snapshot, ReadScope scope, RecordKind kind, Func<RecordBodyView, bool> isOpen)
    {
        List<StoredRecord> records = [];
        long count = 0;
        int examined = 0;
        foreach (RecordView view in snapshot.Range(kind))
        {
            if (++examined > MaxExamined)
            {
                break;
            }

            if (!isOpen(view.Body) || !scope.Allows(view))
            {
                continue;
            }

            count++;
            if (records.Count < MaxNamed)
            {
                records.Add(view.ToStored());
            }
        }

        return new Found(records, count);
    }

    private static void Add(List<OpenWork> work, Found found, string what, Func<StoredRecord, OpenWork> describe, string[] all)
    {
        work.AddRange(found.Records.Select(describe));
        if (found.Count > found.Records.Count)
        {
            work.Add(new OpenWork($"See the other {what} ({(found.Count - found.Records.Count).ToString(CultureInfo.InvariantCulture)})", "Only the first ones are named here.", all));
        }
    }

    private static void AddQuarantined(List<OpenWork> work, ReadSnapshot snapshot, ReadScope scope)
    {
        List<StoredRecord> found = [.. snapshot.ByIndex(IndexQuery.State("quarantined")).ToList(MaxNamed).Where(scope.Allows)];
        work.AddRange(found.Select(static record => new OpenWork($"Review the quarantined object '{record.Id}'", "It does not leave this device until somebody who may repair releases it.", ["explain", record.Id])));
    }

    private static OpenWork Conflict(StoredRecord conflict)
    {
        string about = conflict.Text("object_id") is { Length: > 0 } objectId ? $" about '{objectId}'" : "";
        string why = conflict.Text("user_explanation") is { Length: > 0 } stated ? stated : "Objects in conflict do not leave this device.";
        return new OpenWork($"Decide conflict '{conflict.Id}'{about}", why, ["conflict", "resolve", conflict.Id, "--option", Recommended(conflict), "--reason", "TEXT"]);
    }

    private static string Recommended(StoredRecord conflict)
    {
        using JsonDocument json = JsonDocument.Parse(conflict.ToJson());
        return json.RootElement.TryGetProperty("decision_card", out JsonElement card) && card.ValueKind == JsonValueKind.Object
            && card.TryGetProperty("recommended_option", out JsonElement option) && option.ValueKind == JsonValueKind.String && option.GetString() is "merge" or "fork" or "skip"
            ? card.GetProperty("recommended_option").GetString()! : "skip";
    }

    private static OpenWork Proposal(StoredRecord transaction)
    {
        string status = transaction.Text("status") ?? "";
        return status == "approved"
            ? new OpenWork($"Apply transaction '{transaction.Id}'", "It was approved and is not applied yet.", ["agent", "apply", transaction.Id])
            : new OpenWork($"Review transaction '{transaction.Id}' of '{transaction.Text("actor_id")}'", "An agent proposes it; nothing changes before somebody approves.", ["agent", "diff", transaction.Id]);
    }

    private static OpenWork Plan(StoredRecord plan)
    {
        string why = plan.Text("user_explanation") is { Length: > 0 } stated ? stated : "It waits until its cause is gone.";
        return new OpenWork($"Judge plan '{plan.Id}' again once its cause is gone", why, ["plan", "retry", plan.Id]);
    }
}
