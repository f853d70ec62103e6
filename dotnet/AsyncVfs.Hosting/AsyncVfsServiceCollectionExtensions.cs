using AsyncVfs;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>asyncvfs in the generic host.</summary>
public static class AsyncVfsServiceCollectionExtensions
{
    /// <summary>Registers asyncvfs now, flushes all databases when the host has stopped, and logs until then what a disk
    /// refuses and which databases are passed through.</summary>
    /// <exception cref="AsyncVfsException">It could not be registered.</exception>
    public static IServiceCollection AddAsyncVfs(this IServiceCollection services) => Add(services, new AsyncVfsHostingOptions());

    /// <summary>As <see cref="AddAsyncVfs(IServiceCollection)"/>, with settings that count from now on.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A setting is out of range.</exception>
    /// <exception cref="AsyncVfsException">It could not be registered.</exception>
    public static IServiceCollection AddAsyncVfs(this IServiceCollection services, Action<AsyncVfsHostingOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        var options = new AsyncVfsHostingOptions();
        configure(options);
        return Add(services, options);
    }

    /// <summary>As <see cref="AddAsyncVfs(IServiceCollection)"/>, with the settings of a section of the configuration:
    /// <c>builder.Configuration.GetSection("AsyncVfs")</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A setting is out of range.</exception>
    /// <exception cref="InvalidOperationException">A setting has no value of its type; the message names it.</exception>
    /// <exception cref="AsyncVfsException">It could not be registered.</exception>
    public static IServiceCollection AddAsyncVfs(this IServiceCollection services, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        var options = new AsyncVfsHostingOptions();
        section.Bind(options);
        return Add(services, options);
    }

    /// <summary>Adds a check of all databases that are open through asyncvfs: unhealthy while a disk refuses what was
    /// committed; degraded while a queue is nearly full, or a database is passed through to SQLite's own VFS.</summary>
    public static IHealthChecksBuilder AddAsyncVfs(
        this IHealthChecksBuilder builder, string name = "asyncvfs", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(name, static _ => new AsyncVfsHealthCheck(), failureStatus, tags));
    }

    private static IServiceCollection Add(IServiceCollection services, AsyncVfsHostingOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (options.FlushTimeout < TimeSpan.Zero && options.FlushTimeout != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.FlushTimeout, "FlushTimeout: 0 or more is expected.");
        }
        AsyncVfsLibrary.Register(options.MakeDefault);
        AsyncVfsLibrary.SetDefaults(options.Defaults);
        AsyncVfsLibrary.SetProcessLimits(options.MaxProcessQueueBytes, options.ExitTimeout);
        // The last one that is added counts; the service asks for it.
        services.Replace(ServiceDescriptor.Singleton(options));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, AsyncVfsHostedService>());
        return services;
    }
}
