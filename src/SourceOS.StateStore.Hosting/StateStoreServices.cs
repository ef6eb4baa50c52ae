// Why this file exists: one call puts a store into a host. Invariants: the store's lifetime comes first among what it registers, so it opens first and closes last.

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace SourceOS.StateStore.Hosting;

/// <summary>Puts a store into a host.</summary>
public static class StateStoreServices
{
    /// <summary>The health check's name.</summary>
    public const string HealthCheckName = "statestore";

    /// <summary>Adds a store whose options come from configuration.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="section">The section with the keys of <see cref="StateStoreHostOptions"/>.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddStateStore(this IServiceCollection services, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        return services.AddStateStore(options => section.Bind(options));
    }

    /// <summary>Adds a store: <see cref="StateStoreAccess"/>, its lifetime, the health check, the policy's reload, and, when the host owns the store, <see cref="StateStore"/> itself.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Sets the options; they are checked when the host starts.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddStateStore(this IServiceCollection services, Action<StateStoreHostOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddOptions<StateStoreHostOptions>().Configure(configure).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<StateStoreHostOptions>, StateStoreHostOptionsRules>());
        services.TryAddSingleton<StateStoreAccess>();
        services.AddHostedService<StateStoreLifetime>();
        services.AddHostedService<PolicyReload>();
        services.AddHostedService<FullCheck>();

        // The container must not dispose the store: its lifetime closes it, once, in order. A factory of a singleton would, so it hands out what it does not own.
        services.TryAddTransient(static provider => new OwnedStore(provider.GetRequiredService<StateStoreAccess>().Owned));
        services.AddHealthChecks().AddCheck<StateStoreHealthCheck>(HealthCheckName);
        return services;
    }
}

/// <summary>The owned store, to be injected; closed with the host.</summary>
/// <param name="Store">The store.</param>
public sealed record OwnedStore(StateStore Store);
