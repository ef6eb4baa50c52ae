// Why this file exists: what other programs ask to know whether the store can be used: liveness, readiness, the integrity report, a repair's preview, numbers. Invariants: a probe of a store that is not there creates nothing; a preview
// changes nothing; a store that did not pass the check is never called healthy.

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Exports;
using SourceOS.StateStore.Hosting;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>Probes.</summary>
internal sealed class ProbeEndpoints(StateStoreAccess access, RequestCounts counts)
{
    private readonly Shared<ReadOnlyMemory<byte>> _repair = new(access.Options.CheckCacheMs);

    /// <summary>The program's version.</summary>
    public static string Version { get; } = typeof(ProbeEndpoints).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    /// <summary>Adds the endpoints.</summary>
    /// <param name="routes">Where to.</param>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.Map("/healthz", (RequestDelegate)HealthAsync);
        routes.Map("/readyz", (RequestDelegate)ReadyAsync);
        routes.Map("/statez", (RequestDelegate)StateAsync);
        routes.Map("/repairz", (RequestDelegate)RepairAsync);
        routes.Map("/metrics", (RequestDelegate)MetricsAsync);
    }

    private static Task HealthAsync(HttpContext context) => Answers.JsonAsync(context, static writer =>
    {
        writer.WriteStartObject();
        writer.WriteBoolean("live"u8, true);
        writer.WriteString("component"u8, "sourceos-statestore"u8);
        writer.WriteString("version"u8, Version);
        writer.WriteString("generated_at"u8, DoorTimes.Exact(DateTimeOffset.UtcNow));
        writer.WriteEndObject();
    });

    private async Task ReadyAsync(HttpContext context)
    {
        Readiness readiness = await Readiness.OfAsync(access, context.RequestAborted).ConfigureAwait(false);
        await Answers.JsonAsync(
            context,
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteBoolean("ready"u8, readiness.IsReady);
                writer.WriteString("status"u8, readiness.Status);
                writer.WriteString("severity"u8, readiness.Severity);
                writer.WriteString("summary"u8, readiness.Summary);
                writer.WriteString("next"u8, readiness.Next);
                writer.WriteString("generated_at"u8, DoorTimes.Exact(DateTimeOffset.UtcNow));
                writer.WriteEndObject();
            },
            readiness.IsReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable).ConfigureAwait(false);
    }

    private async Task StateAsync(HttpContext context)
    {
        // Reading comes first: a store that is not there is said so, instead of being checked.
        access.Read(access.Scope);
        VerificationReport report = await Readiness.WorstAsync(access, context.RequestAborted).ConfigureAwait(false);
        ReadOnlyMemory<byte> answer = access.Read(snapshot => Answers.Build(writer =>
        {
            writer.WriteStartObject();
            IntegrityReportExport.Write(new ExportContext(snapshot, access.Scope(snapshot), report, access.Options.StorePath, DateTimeOffset.UtcNow), writer);
            writer.WriteEndObject();
        }));
        await Answers.BytesAsync(context, answer, "application/json; charset=utf-8").ConfigureAwait(false);
    }

    private async Task RepairAsync(HttpContext context)
    {
        // Planning reads the whole log: it is done once for all who ask within the time that a check counts.
        ReadOnlyMemory<byte> answer = await _repair.GetAsync(Plan, context.RequestAborted).ConfigureAwait(false);
        await Answers.BytesAsync(context, answer, "application/json; charset=utf-8").ConfigureAwait(false);
    }

    private ReadOnlyMemory<byte> Plan()
    {
        RepairPlan plan = StoreRepair.Plan(access.Options.StorePath);
        return Answers.Build(writer =>
        {
            writer.WriteStartObject();
            RepairPlanExport.Write(plan, DateTimeOffset.UtcNow, writer);
            writer.WriteEndObject();
        });
    }

    private Task MetricsAsync(HttpContext context) =>
        Answers.BytesAsync(context, MetricsText.Build(access, counts), "text/plain; version=0.0.4; charset=utf-8");
}
