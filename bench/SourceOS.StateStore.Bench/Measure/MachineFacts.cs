// Why this file exists: a number without the machine under it says nothing. Invariants: reads only what the system tells everyone; names no host.

using System.Runtime.InteropServices;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Bench.Measure;

/// <summary>What the numbers were taken on.</summary>
public static class MachineFacts
{
    /// <summary>Name and value of each fact.</summary>
    /// <param name="directory">Where the stores lie.</param>
    public static IReadOnlyList<KeyValuePair<string, string>> Collect(string directory)
    {
        List<KeyValuePair<string, string>> facts = [];
        void Add(string name, string value) => facts.Add(new KeyValuePair<string, string>(name, value));
        Add("processor", ReadField("/proc/cpuinfo", "model name"));
        Add("processors", Environment.ProcessorCount.ToString());
        Add("load before", FirstWords("/proc/loadavg", 3));
        Add("memory", ReadField("/proc/meminfo", "MemTotal"));
        Add("kernel", FirstWords("/proc/sys/kernel/osrelease", 1));
        Add("file system", new DriveInfo(directory).DriveFormat);
        Add(".NET", RuntimeInformation.FrameworkDescription);
        Add("garbage collector", System.Runtime.GCSettings.IsServerGC ? "server" : "workstation, concurrent");
        Add("build", IsOptimized() ? "Release" : "Debug (numbers mean nothing)");
        Add("SQLite", Peers.SqlitePeer.Version);
        Add("XXH3", Checksum.IsNativeXxhActive ? "libxxhash" : "managed");
        Add("SHA-256", Checksum.IsNativeSha256Active ? "libcrypto" : "managed");
        return facts;
    }

    private static bool IsOptimized() =>
        !typeof(MachineFacts).Assembly.GetCustomAttributes(typeof(System.Diagnostics.DebuggableAttribute), false)
            .OfType<System.Diagnostics.DebuggableAttribute>().Any(attribute => attribute.IsJITOptimizerDisabled);

    private static string ReadField(string path, string name)
    {
        string? line = File.Exists(path) ? File.ReadLines(path).FirstOrDefault(text => text.StartsWith(name, StringComparison.Ordinal)) : null;
        return line is null ? "unknown" : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }

    private static string FirstWords(string path, int count) =>
        File.Exists(path) ? string.Join(' ', File.ReadAllText(path).Split(' ', '\n').Take(count)) : "unknown";
}
