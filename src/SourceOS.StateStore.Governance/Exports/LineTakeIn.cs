// Why this file exists: ledgers, terminal events and guardrail decisions of other programs are taken in line by line as events and given back byte for byte, so that their owners' verifiers still pass. Invariants: a file
// is checked whole before anything is written; a line's bytes are never changed; a stream only grows: a file that does not begin with what was taken in before is refused by line, because that is what a rewritten ledger looks like.

using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>A kind of file that is taken in by lines.</summary>
/// <param name="Name">The format's name, for taking in and for exporting.</param>
/// <param name="EventType">The type of its events.</param>
/// <param name="Description">What it is, in a line.</param>
public sealed record LineFormat(string Name, string EventType, string Description);

/// <summary>Why a file is not taken in.</summary>
/// <param name="Line">The line, from 1.</param>
/// <param name="Rule">The broken rule, a stable word.</param>
/// <param name="Message">What is wrong, in a sentence.</param>
public sealed record LineFault(long Line, string Rule, string Message);

/// <summary>A line of a file: its text without the newline.</summary>
/// <param name="Text">Its bytes.</param>
/// <param name="IsOpen">Whether no newline follows it.</param>
public readonly record struct TakenLine(ReadOnlyMemory<byte> Text, bool IsOpen);

/// <summary>What taking a file in came to.</summary>
/// <param name="Fault">Why it was refused; null when it was not.</param>
/// <param name="Taken">Lines written.</param>
/// <param name="Unchanged">Lines that were there already.</param>
/// <param name="Receipt">The commit; null when there was nothing to write.</param>
public sealed record TakeInResult(LineFault? Fault, int Taken, int Unchanged, CommitReceipt? Receipt);

/// <summary>Takes files in by lines and gives them back. Thread-safe: it keeps nothing.</summary>
public static class LineTakeIn
{
    /// <summary>Largest file in bytes; it is held in memory, because it is committed whole.</summary>
    public const int MaxFileBytes = 64 << 20;

    internal const string LedgerEntry = "takein.ledger.entry";
    internal const string TerminalEvent = "takein.terminal.event";
    internal const string GuardrailDecision = "takein.guardrail.decision";

    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The formats.</summary>
    public static IReadOnlyList<LineFormat> Formats { get; } =
    [
        new("ledger", LedgerEntry, "Ledger lines that were taken in, byte for byte"),
        new("terminal-events", TerminalEvent, "Terminal events that were taken in, byte for byte"),
        new("guardrail-decisions", GuardrailDecision, "Guardrail decisions that were taken in, byte for byte"),
    ];

    /// <summary>Checks a file without looking at any store.</summary>
    /// <param name="stream">The stream's name.</param>
    /// <param name="content">The file's bytes.</param>
    /// <param name="lines">Its lines, when there is no fault.</param>
    /// <returns>What is wrong, or null.</returns>
    public static LineFault? Check(string stream, ReadOnlyMemory<byte> content, out IReadOnlyList<TakenLine> lines)
    {
        ArgumentException.ThrowIfNullOrEmpty(stream);
        List<TakenLine> found = [];
        lines = found;
        if (content.Length > MaxFileBytes)
        {
            return new LineFault(1, "too_large", $"The file has more than {MaxFileBytes} bytes.");
        }

        for (int at = 0; at < content.Length;)
        {
            int newline = content.Span[at..].IndexOf((byte)'\n');
            ReadOnlyMemory<byte> text = newline < 0 ? content[at..] : content.Slice(at, newline);
            TakenLine line = new(text, newline < 0);
            if (CheckLine(stream, line, found.Count + 1) is { } fault)
            {
                return fault;
            }

            found.Add(line);
            at += text.Length + 1;
        }

        return null;
    }

    /// <summary>Takes checked lines in, as one commit; those that are there already are left alone.</summary>
    /// <param name="store">The store, open for writing.</param>
    /// <param name="session">Who takes them in.</param>
    /// <param name="format">The format.</param>
    /// <param name="stream">The stream: lines of one stream belong together and keep their order.</param>
    /// <param name="lines">The lines, as <see cref="Check"/> gave them.</param>
    /// <returns>What happened.</returns>
    public static async Task<TakeInResult> TakeInAsync(StateStore store, StateSession session, LineFormat format, string stream, IReadOnlyList<TakenLine> lines)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(lines);
        int known = 0;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            foreach (StoredLine stored in Stored(snapshot.ReadEvents(1), format, stream))
            {
                if (stored.Number != known + 1 || known >= lines.Count || lines[known].IsOpen != stored.IsOpen || !lines[known].Text.Span.SequenceEqual(stored.Text))
                {
                    return new TakeInResult(Diverged(stream, known + 1, lines.Count, stored), 0, 0, null);
                }

                known++;
            }
        }

        CommitBatch batch = new();
        for (int i = known; i < lines.Count; i++)
        {
            batch.Append(format.EventType, null, null, new ChangeOptions { DataJson = Encode(stream, i + 1, lines[i]) });
        }

        // Whether a commit that was cancelled happened would be unknown, so it is waited for.
        CommitReceipt? receipt = batch.Count == 0 ? null : await session.CommitAsync(batch, CommitWait.Visible, CancellationToken.None).ConfigureAwait(false);
        return new TakeInResult(null, receipt is { IsCommitted: true } ? batch.Count : 0, known, receipt);
    }

    /// <summary>Writes a stream as it was taken in.</summary>
    /// <exception cref="ExportRefusedException">There are several streams and none was named, or lines of it cannot be seen.</exception>
    internal static void Write(ExportContext context, LineFormat format, Stream output)
    {
        string? stream = context.Stream;
        long expected = 1;
        foreach (StoredLine line in Stored(context.Events(), format, null))
        {
            if (context.Stream is not null && line.Stream != context.Stream)
            {
                continue;
            }

            stream ??= line.Stream;
            if (line.Stream != stream)
            {
                throw new ExportRefusedException("several_streams", $"There are several streams of {format.Name}, '{stream}' and '{line.Stream}' among them.", "Name one with --stream.");
            }

            if (line.Number != expected++)
            {
                throw new ExportRefusedException("stream_incomplete", $"Line {expected - 1} of stream '{stream}' was erased, or is outside of the reader's scope.", "Export as an actor that may see all of it; an erased line is gone for ever.");
            }

            output.Write(line.Text);
            if (!line.IsOpen)
            {
                output.WriteByte((byte)'\n');
            }
        }
    }

    private sealed record StoredLine(string Stream, long Number, byte[] Text, bool IsOpen);

    private static LineFault Diverged(string stream, int line, int count, StoredLine stored) => line > count
        ? new LineFault(count + 1, "stream_shorter", $"Stream '{stream}' has line {line} already; the file ends before it.")
        : new LineFault(line, "stream_diverged", stored.IsOpen
            ? $"Line {line} of stream '{stream}' was taken in without a newline behind it; the file has another line there. Take it in as another stream."
            : $"Line {line} of stream '{stream}' was taken in with other bytes. A stream only grows; take this file in as another one.");

    private static LineFault? CheckLine(string stream, in TakenLine line, int number)
    {
        ReadOnlySpan<byte> text = line.Text.Span;
        if (text.Length > FormatLimits.MaxEventDataLengthBytes)
        {
            return new LineFault(number, "too_large", $"The line has {text.Length} bytes; an event carries at most {FormatLimits.MaxEventDataLengthBytes}.");
        }

        if (!Utf8.IsValid(text))
        {
            return new LineFault(number, "invalid_utf8", "The line is not UTF-8.");
        }

        FormatFault fault = JsonText.CheckLoose(text);
        if (fault.IsFault)
        {
            return new LineFault(number, line.IsOpen ? "torn_line" : "invalid_json", line.IsOpen ? "The last line has no newline and is not JSON: the file was cut off." : $"The line is not one JSON value: {fault}.");
        }

        if (text.TrimStart(" \t\r"u8)[0] != (byte)'{')
        {
            return new LineFault(number, "not_an_object", "The line is not a JSON object.");
        }

        int length = Encode(stream, number, line).Length;
        return length > FormatLimits.MaxEventDataLengthBytes
            ? new LineFault(number, "too_large", $"The line takes {length} bytes as event data; an event carries at most {FormatLimits.MaxEventDataLengthBytes}.") : null;
    }

    private static byte[] Encode(string stream, long number, in TakenLine line)
    {
        ArrayBufferWriter<byte> buffer = new(line.Text.Length + 128);
        using (Utf8JsonWriter writer = new(buffer, s_options))
        {
            writer.WriteStartObject();
            writer.WriteString("stream"u8, stream);
            writer.WriteNumber("line"u8, number);
            writer.WriteString("text"u8, line.Text.Span);
            if (line.IsOpen)
            {
                writer.WriteBoolean("open"u8, true);
            }

            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static IEnumerable<StoredLine> Stored(IEnumerable<StoredEvent> events, LineFormat format, string? stream)
    {
        foreach (StoredEvent item in events)
        {
            if (!item.IsErased && item.Type == format.EventType && Decode(item.DataJson) is { } line && (stream is null || line.Stream == stream))
            {
                yield return line;
            }
        }
    }

    // Somebody may append events of this type by hand; what is not a line is not one.
    private static StoredLine? Decode(ReadOnlyMemory<byte> data)
    {
        if (data.IsEmpty)
        {
            return null;
        }

        using JsonDocument json = JsonDocument.Parse(data, new JsonDocumentOptions { MaxDepth = FormatLimits.MaxJsonDepth });
        JsonElement root = json.RootElement;
        return root.ValueKind == JsonValueKind.Object
            && root.TryGetProperty("stream", out JsonElement stream) && stream.ValueKind == JsonValueKind.String
            && root.TryGetProperty("line", out JsonElement number) && number.ValueKind == JsonValueKind.Number && number.TryGetInt64(out long line)
            && root.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String
            ? new StoredLine(stream.GetString()!, line, System.Text.Encoding.UTF8.GetBytes(text.GetString()!), root.TryGetProperty("open", out JsonElement open) && open.ValueKind == JsonValueKind.True) : null;
    }
}

/// <summary>An export that would not be what it claims to be.</summary>
/// <param name="code">A stable word.</param>
/// <param name="message">Why, in a sentence.</param>
/// <param name="next">What to do, in a sentence.</param>
public sealed class ExportRefusedException(string code, string message, string next) : Exception(message)
{
    /// <summary>A stable word.</summary>
    public string Code => code;

    /// <summary>What to do, in a sentence.</summary>
    public string Next => next;
}
