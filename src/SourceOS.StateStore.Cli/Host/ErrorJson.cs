// Why this file exists: the one shape in which programs read an error. Invariants: the keys of the contract are always there; more may follow.

using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>Errors as JSON.</summary>
internal static class ErrorJson
{
    /// <summary>Writes <c>{"error":{...}}</c> as one line.</summary>
    public static void Write(ByteOutput output, CliError error) => JsonLine.Write(output, writer =>
    {
        writer.WriteStartObject();
        WriteProperty(writer, error);
        writer.WriteEndObject();
    });

    /// <summary>Writes the <c>error</c> property into an open object.</summary>
    public static void WriteProperty(System.Text.Json.Utf8JsonWriter writer, CliError error)
    {
        writer.WriteStartObject("error"u8);
        new DoorError(error.Code, error.Message, error.Place, error.IsRetryable, error.Next, error.Rule).WriteFields(writer);
        writer.WriteNumber("exitCode"u8, (int)error.Exit);
        writer.WriteEndObject();
    }
}
