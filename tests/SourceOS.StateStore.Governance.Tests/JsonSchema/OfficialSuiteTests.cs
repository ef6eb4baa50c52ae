// Why this file exists: the official test suite judges the evaluator; a part of it may lie beside the repository.
// Invariants: without that folder the test is skipped and says so; with it every case must agree, through every door.

using System.Text.Json;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

public sealed class OfficialSuiteTests
{
    [SuiteFact]
    public void Every_case_of_the_official_suite_that_is_here_agrees()
    {
        int cases = 0;
        List<string> failures = [];
        foreach (string path in Directory.EnumerateFiles(SuiteFactAttribute.Folder!, "*.json").Order())
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            foreach (JsonElement group in document.RootElement.EnumerateArray())
            {
                RunGroup($"{Path.GetFileName(path)}: {group.GetProperty("description").GetString()}", group, failures, ref cases);
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
        Assert.True(cases > 500, $"only {cases} cases were found");
    }

    private static void RunGroup(string name, JsonElement group, List<string> failures, ref int cases)
    {
        SchemaRegistrationResult result = SchemaRegistry.Create().Register(new SchemaDocument(null, group.GetProperty("schema")));
        if (!result.Succeeded)
        {
            failures.Add($"{name}: {result.Errors[0]}");
            return;
        }

        foreach (JsonElement test in group.GetProperty("tests").EnumerateArray())
        {
            cases++;
            SchemaVerdict expected = test.GetProperty("valid").GetBoolean() ? SchemaVerdict.Valid : SchemaVerdict.Invalid;
            SchemaVerdict actual = Schemas.Check(result.Schemas[0], test.GetProperty("data").GetRawText());
            if (actual != expected)
            {
                failures.Add($"{name}: {test.GetProperty("description").GetString()}: {actual}");
            }
        }
    }
}

/// <summary>A fact that needs the official suite's folder beside the repository.</summary>
public sealed class SuiteFactAttribute : FactAttribute
{
    public SuiteFactAttribute() => Skip = Folder is null ? "../shared/json-schema-test-suite is not beside the repository" : null;

    public static string? Folder { get; } = Find();

    private static string? Find()
    {
        for (DirectoryInfo? directory = new(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "SourceOS.StateStore.sln")))
            {
                string folder = Path.Combine(directory.FullName, "..", "shared", "json-schema-test-suite");
                return Directory.Exists(folder) ? folder : null;
            }
        }

        return null;
    }
}
