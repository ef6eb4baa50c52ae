// Why this file exists: what is public is a promise, so nobody makes or breaks one without a line in a diff: each packed library has a ledger, src/X/PublicApi.txt. Invariants: the ledger is what the built assembly says, nothing more and
// nothing less. To accept a change: STATESTORE_WRITE_PUBLIC_API=1 dotnet test tests/SourceOS.StateStore.Architecture.Tests --filter PublicApi

using System.Reflection;
using SourceOS.StateStore.Architecture.Tests.Support;

namespace SourceOS.StateStore.Architecture.Tests;

public sealed class PublicApiTests
{
    private const string WriteVariable = "STATESTORE_WRITE_PUBLIC_API";

    /// <summary>Every kind of member that a ledger has to tell; nobody outside the tests uses it.</summary>
    public abstract class Sample
    {
        /// <summary>A constant.</summary>
        public const int Limit = 4;

        /// <summary>A property.</summary>
        public string? Title { get; protected set; }

        /// <summary>Nullable deep inside.</summary>
        protected static Dictionary<string, List<string?>>? Deep(in int first, out string? second, params ReadOnlySpan<string> rest)
        {
            second = rest.Length > first ? rest[first] : null;
            return null;
        }

        /// <summary>Generic.</summary>
        public abstract T Make<T>(bool isQuick = true) where T : class, new();

        internal void Hidden() => Title = "";
    }

    [Theory]
    [InlineData("SourceOS.StateStore.Format")]
    [InlineData("SourceOS.StateStore.Readers")]
    [InlineData("SourceOS.StateStore.Storage")]
    [InlineData("SourceOS.StateStore")]
    [InlineData("SourceOS.StateStore.Governance")]
    [InlineData("SourceOS.StateStore.Hosting")]
    public void The_ledger_is_what_the_library_offers(string library)
    {
        List<string> actual = ApiText.Of(Assembly.Load(library));
        string path = $"src/{library}/PublicApi.txt";
        if (Environment.GetEnvironmentVariable(WriteVariable) == "1")
        {
            File.WriteAllText(Path.Combine(Repository.Root, path), string.Join('\n', actual) + "\n");
            return;
        }

        string[] expected = Repository.Exists(path) ? Repository.Read(path).TrimEnd('\n').Split('\n') : [];
        Assert.True(actual.Count > 5, "The library was not read.");
        Rule.Holds([
            .. Owned(expected).Except(Owned(actual), StringComparer.Ordinal).Select(static line => $"gone: {line}"),
            .. Owned(actual).Except(Owned(expected), StringComparer.Ordinal).Select(static line => $"new: {line}"),
            .. expected.SequenceEqual(actual, StringComparer.Ordinal) ? Array.Empty<string>() : [$"{path} is not what the library offers. When that is meant: {WriteVariable}=1 dotnet test tests/SourceOS.StateStore.Architecture.Tests --filter PublicApi"],
        ]);
    }

    [Fact]
    public void A_ledger_tells_modifiers_nullability_defaults_and_constants_and_hides_the_rest() => Assert.Equal(
        """
        abstract class SourceOS.StateStore.Architecture.Tests.PublicApiTests.Sample
            String? Title { get; protected set; }
            abstract T Make<T>(Boolean isQuick = true) where T : class, new()
            const Int32 Limit = 4
            protected new()
            protected static System.Collections.Generic.Dictionary<String, System.Collections.Generic.List<String?>>? Deep(in Int32 first, out String? second, scoped params ReadOnlySpan<String> rest)
        """.ReplaceLineEndings("\n"),
        string.Join('\n', ApiText.Of(typeof(Sample))));

    // A member says its type, so that equal members of two types are told apart.
    private static IEnumerable<string> Owned(IEnumerable<string> lines)
    {
        string owner = "";
        foreach (string line in lines)
        {
            if (line.StartsWith(' '))
            {
                yield return $"{owner}: {line.Trim()}";
            }
            else
            {
                owner = line.Split(" : ")[0];
                yield return line;
            }
        }
    }
}
