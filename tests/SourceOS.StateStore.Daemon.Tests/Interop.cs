// Why this file exists: others' schemas judge what the door says, through the project's own evaluator. Invariants: a refusal shows where and why; where the schemas do not lie beside the project, the assertions around the call are
// what is left.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Daemon.Tests;

internal static class Interop
{
    public static void Accepts(string schema, JsonElement document)
    {
        if (Folder() is not { } folder)
        {
            return;
        }

        CompiledSchema compiled = SchemaRegistry.Create().Register(new SchemaDocument(null, File.ReadAllBytes(System.IO.Path.Combine(folder, "schemas", schema)))).Schemas[0];
        SchemaEvaluationResult result = compiled.Evaluate(Encoding.UTF8.GetBytes(document.GetRawText()));
        Assert.True(result.IsValid, string.Join("; ", result.Errors.Select(static error => $"{error.InstanceLocation}: {error.Message}")));
    }

    private static string? Folder()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(at.FullName, "SourceOS.StateStore.sln")))
            {
                string folder = System.IO.Path.GetFullPath(System.IO.Path.Combine(at.FullName, "..", "shared", "interop"));
                return Directory.Exists(folder) ? folder : null;
            }
        }

        return null;
    }
}
