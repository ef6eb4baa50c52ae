// Why this file exists: a host's health endpoint asks the store. Invariants: a store that is missing or cannot be trusted is unhealthy; a damaged one that works is degraded; nothing is healthy that the quick check did not pass.

using Microsoft.Extensions.Diagnostics.HealthChecks;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Hosting;

/// <summary>The health check `statestore`.</summary>
public sealed class StateStoreHealthCheck(StateStoreAccess access) : IHealthCheck
{
    /// <inheritdoc/>
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        Readiness readiness = await Readiness.OfAsync(access, cancellationToken).ConfigureAwait(false);
        return new HealthCheckResult(
            readiness.Status switch
            {
                "healthy" => HealthStatus.Healthy,
                "degraded" or "repairing" => HealthStatus.Degraded,
                _ => HealthStatus.Unhealthy,
            },
            readiness.Summary);
    }
}
