using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using AsyncVfs;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>asyncvfs in the generic host.</summary>
public static class AsyncVfsServiceCollectionExtensions
{
    /// <summary>Registers asyncvfs now, flushes all databases when the host has stopped, and logs errors of the disk
    /// until then.</summary>
    /// <exception cref="AsyncVfsException">It could not be registered.</exception>
    public static IServiceCollection AddAsyncVfs(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        AsyncVfsLibrary.Register();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, AsyncVfsHostedService>());
        return services;
    }

    /// <summary>Adds a check of all databases that are open through asyncvfs: unhealthy while a disk refuses what was
    /// committed, degraded while a queue is nearly full.</summary>
    public static IHealthChecksBuilder AddAsyncVfs(
        this IHealthChecksBuilder builder, string name = "asyncvfs", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(name, static _ => new AsyncVfsHealthCheck(), failureStatus, tags));
    }
}
