// Why this file exists: the project references are the architecture. They point down only, along a table that is written here once more, so that
// a new reference is a decision and not an accident.

using System.Xml.Linq;
using SourceOS.StateStore.Architecture.Tests.Support;

namespace SourceOS.StateStore.Architecture.Tests;

public sealed class FloorTests
{
    private const string Prefix = "SourceOS.StateStore";
    private const string Format = Prefix + ".Format";
    private const string Readers = Prefix + ".Readers";
    private const string Storage = Prefix + ".Storage";
    private const string Governance = Prefix + ".Governance";

    // A project and what it may stand on. A project that is not here fails the test: add it with its floor.
    private static readonly Dictionary<string, string[]> s_floors = new(StringComparer.Ordinal)
    {
        [Format] = [],
        [Readers] = [Format],
        [Storage] = [Format, Readers],
        [Prefix] = [Format, Readers, Storage],
        [Governance] = [Prefix],
        [Prefix + ".Cli"] = [Governance, Prefix],
        [Prefix + ".Native"] = [Governance, Prefix, Readers, Format],
        [Prefix + ".Boot"] = [Readers, Format],
        [Prefix + ".Hosting"] = [Governance, Prefix],
        [Prefix + ".Daemon"] = [Prefix + ".Hosting", Governance, Prefix],
    };

    // Which packages a floor may name; what is not here names none.
    private static readonly Dictionary<string, string[]> s_packages = new(StringComparer.Ordinal)
    {
        [Storage] = ["Microsoft.FASTER.Core", "System.Interactive.Async"],
        [Prefix] = ["Microsoft.Extensions.Logging.Abstractions"],
        [Prefix + ".Cli"] = ["System.CommandLine"],
        [Prefix + ".Hosting"] = ["Microsoft.Extensions.Hosting.Abstractions", "Microsoft.Extensions.Options.ConfigurationExtensions", "Microsoft.Extensions.Diagnostics.HealthChecks"],
        [Prefix + ".Daemon"] = ["Microsoft.Extensions.Hosting.Systemd", "ModelContextProtocol", "System.CommandLine"],
    };

    [Fact]
    public void Project_references_point_down_only()
    {
        List<string> faults = [];
        foreach ((string name, XDocument project) in Projects())
        {
            if (!s_floors.TryGetValue(name, out string[]? allowed))
            {
                faults.Add($"{name} has no floor in {nameof(FloorTests)}");
                continue;
            }

            faults.AddRange(References(project).Except(allowed).Select(reference => $"{name} must not reference {reference}"));
        }

        Rule.Holds(faults);
    }

    [Fact]
    public void Packages_stay_on_their_floor()
    {
        List<string> faults = [];
        foreach ((string name, XDocument project) in Projects())
        {
            IEnumerable<string> packages = project.Descendants("PackageReference").Select(item => item.Attribute("Include")!.Value);
            faults.AddRange(packages.Except(s_packages.GetValueOrDefault(name, [])).Select(package => $"{name} must not name {package}"));
        }

        Rule.Holds(faults);
    }

    [Fact]
    public void Internals_open_for_tests_and_benchmarks_alone()
    {
        List<string> faults = [];
        foreach ((string name, XDocument project) in Projects())
        {
            IEnumerable<string> friends = project.Descendants("InternalsVisibleTo").Select(item => item.Attribute("Include")!.Value);
            faults.AddRange(friends
                .Where(friend => !friend.EndsWith(".Tests", StringComparison.Ordinal) && friend is not (Prefix + ".Testing" or Prefix + ".Bench" or Prefix + ".Fuzz"))
                .Select(friend => $"{name} opens its internals to {friend}"));
        }

        Rule.Holds(faults);
    }

    [Fact]
    public void The_table_itself_points_down()
    {
        // Each floor of the table refers only to floors listed above it.
        List<string> seen = [];
        foreach ((string name, string[] below) in s_floors)
        {
            Rule.Holds(below.Except(seen));
            seen.Add(name);
        }
    }

    private static IEnumerable<(string Name, XDocument Project)> Projects()
    {
        List<(string, XDocument)> projects = [.. Repository.Files
            .Where(path => path.StartsWith("src/", StringComparison.Ordinal) && path.EndsWith(".csproj", StringComparison.Ordinal))
            .Select(path => (Path.GetFileNameWithoutExtension(path), XDocument.Parse(Repository.Read(path))))];
        Assert.True(projects.Count >= 5, "The sources were not found.");
        return projects;
    }

    private static IEnumerable<string> References(XDocument project) =>
        project.Descendants("ProjectReference").Select(item => Path.GetFileNameWithoutExtension(item.Attribute("Include")!.Value));
}
