// Why this file exists: one object over HTTP, and the eleven answers about it, also as of an earlier sequence. Invariants: an object outside the reader's scope and one that does not exist are the same; an identifier is taken from the
// request's own bytes, because one that holds an escaped slash is not a longer path.

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Hosting;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>Objects.</summary>
internal sealed class ObjectEndpoints(StateStoreAccess access)
{
    private const string Prefix = "/objects/";
    private const string ExplainSuffix = "/explain";

    /// <summary>Adds the endpoints.</summary>
    /// <param name="routes">Where to.</param>
    public void Map(IEndpointRouteBuilder routes) => routes.Map("/objects/{**id}", (RequestDelegate)ObjectAsync);

    private async Task ObjectAsync(HttpContext context)
    {
        Query query = new(context.Request);
        ulong? at = query.Number("at", 1, ulong.MaxValue);
        if (!query.IsWhole())
        {
            await Answers.BadRequestAsync(context, query.Fault, query.Place).ConfigureAwait(false);
            return;
        }

        bool explains = SplitTarget(context, out string id);
        if (!Identifier.IsValid(id, out string reason))
        {
            await Answers.BadRequestAsync(context, $"The identifier is not valid: {reason}.", "path").ConfigureAwait(false);
            return;
        }

        ReadOnlyMemory<byte>? answer = access.Read(snapshot => Find(snapshot, id, at, explains));
        if (answer is { } bytes)
        {
            await Answers.BytesAsync(context, bytes, "application/json; charset=utf-8").ConfigureAwait(false);
        }
        else
        {
            await Answers.NotFoundAsync(context, $"There is no object '{id}'{(at is null ? "" : $" at sequence {at}")}.", $"object {id}").ConfigureAwait(false);
        }
    }

    private ReadOnlyMemory<byte>? Find(ReadSnapshot snapshot, string id, ulong? at, bool explains)
    {
        if (at > snapshot.Sequence)
        {
            return null;
        }

        StoredRecord? now = snapshot.Get(RecordKind.Object, id);
        StoredRecord? record = at is { } sequence ? snapshot.GetAsOf(RecordKind.Object, id, sequence) : now;
        if ((record ?? now) is not { } known || !access.Scope(snapshot).Allows(known) || (now is not null && !access.Scope(snapshot).Allows(now)))
        {
            return null;
        }

        if (explains)
        {
            return ObjectExplainer.Explain(snapshot, id, at) is { } report ? Answers.Build(writer => ExplainJson.Write(writer, report)) : null;
        }

        return record is { IsTombstone: false } ? Answers.Build(writer => RecordDocument.WriteWithMeta(writer, record)) : null;
    }

    private static bool SplitTarget(HttpContext context, out string id)
    {
        string target = context.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        int query = target.IndexOf('?', StringComparison.Ordinal);
        string path = query < 0 ? target : target[..query];
        int start = path.IndexOf(Prefix, StringComparison.Ordinal);
        string rest = start < 0 ? "" : path[(start + Prefix.Length)..];
        bool explains = rest.EndsWith(ExplainSuffix, StringComparison.Ordinal);
        id = Uri.UnescapeDataString(explains ? rest[..^ExplainSuffix.Length] : rest);
        return explains;
    }
}
