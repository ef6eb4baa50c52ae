// Why this file exists: the one shape in which programs read an error. Invariants: the keys of the contract are always there; more may follow.

using SourceOS.StateStore.Cli.Output;

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
        writer.WriteString("code"u8, error.Code);
        writer.WriteString("message"u8, error.Message);
        writer.WriteString("place"u8, error.Place);
        writer.WriteBoolean("retryable"u8, error.IsRetryable);
        writer.WriteString("next"u8, error.Next);
        writer.WriteNumber("exitCode"u8, (int)error.Exit);
        if (error.Rule.Length > 0)
        {
            writer.WriteString("rule"u8, error.Rule);
        }

        writer.WriteEndObject();
    }
}
