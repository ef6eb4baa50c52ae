// Why this file exists: the sample records that others publish must come back equal from a round trip through the program.

using System.Text.Json;
using System.Text.Json.Nodes;
using SourceOS.StateStore.Cli.Tests.Support;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class ContractSampleTests
{
    [Fact]
    public void Every_sample_contract_imports_and_comes_back_equal()
    {
        if (SamplesPath() is not { } samples)
        {
            Console.WriteLine("skipped: ../shared/interop is not there");
            return;
        }

        using Statestore store = Statestore.Initialised();
        string[] files = Directory.GetFiles(samples, "*.json");
        JsonElement report = store.Run("import", samples, "--json").Exits(0).Json;
        Assert.Equal(files.Length, report.GetProperty("records").GetProperty("imported").GetInt32());
        Dictionary<string, List<JsonElement>> byKind = [];
        foreach (string file in files)
        {
            JsonNode sample = JsonNode.Parse(File.ReadAllText(file))!;
            Assert.True(RecordKinds.TryParseSchema(System.Text.Encoding.UTF8.GetBytes(sample["schema"]!.GetValue<string>()), out RecordKindInfo? kind));
            if (!byKind.TryGetValue(kind.PluralName, out List<JsonElement>? stored))
            {
                byKind[kind.PluralName] = stored = store.Run("list", kind.PluralName, "--json").Exits(0).Lines;
            }

            JsonElement same = Assert.Single(stored, record => record.GetProperty(kind.IdField).GetString() == sample[kind.IdField]!.GetValue<string>());
            Assert.True(JsonNode.DeepEquals(sample, JsonNode.Parse(same.GetRawText())), $"{file} came back as {same}");
        }
    }

    private static string? SamplesPath()
    {
        for (DirectoryInfo? directory = new(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            string path = Path.Combine(directory.FullName, "shared", "interop", "contracts");
            if (Directory.Exists(path))
            {
                return path;
            }
        }

        return null;
    }
}
