// Why this file exists: the answer of one evaluation, in the Basic output format of the draft's section 12.4.2.
// Invariants: immutable; errors only when invalid, annotations only when valid, a limit only when one was exceeded.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>One failed assertion.</summary>
/// <param name="KeywordLocation">JSON pointer from the schema evaluated to the keyword, through the references taken.</param>
/// <param name="AbsoluteKeywordLocation">Where the keyword is written: the identifier of its resource and a JSON pointer in it.</param>
/// <param name="InstanceLocation">JSON pointer to the value that failed.</param>
/// <param name="Message">What is wrong, in words; not stable.</param>
public sealed record SchemaError(string KeywordLocation, string AbsoluteKeywordLocation, string InstanceLocation, string Message);

/// <summary>What a schema says about a valid value.</summary>
/// <param name="KeywordLocation">JSON pointer from the schema evaluated to the keyword, through the references taken.</param>
/// <param name="AbsoluteKeywordLocation">Where the keyword is written: the identifier of its resource and a JSON pointer in it.</param>
/// <param name="InstanceLocation">JSON pointer to the value described.</param>
/// <param name="Value">The annotation.</param>
public sealed record SchemaAnnotation(string KeywordLocation, string AbsoluteKeywordLocation, string InstanceLocation, JsonElement Value);

/// <summary>The outcome of one evaluation. Immutable and thread-safe.</summary>
public sealed class SchemaEvaluationResult
{
    internal SchemaEvaluationResult(
        SchemaVerdict verdict, SchemaLimit? limit, long malformedOffset, IReadOnlyList<SchemaError> errors, IReadOnlyList<SchemaAnnotation> annotations, bool truncated)
    {
        Verdict = verdict;
        Limit = limit;
        MalformedOffset = malformedOffset;
        Errors = errors;
        Annotations = annotations;
        IsTruncated = truncated;
    }

    /// <summary>What the evaluation came to.</summary>
    public SchemaVerdict Verdict { get; }

    /// <summary>Whether the instance satisfies the schema: the verdict is <see cref="SchemaVerdict.Valid"/>.</summary>
    public bool IsValid => Verdict == SchemaVerdict.Valid;

    /// <summary>The bound that was exceeded when the verdict is <see cref="SchemaVerdict.LimitExceeded"/>; otherwise null.</summary>
    public SchemaLimit? Limit { get; }

    /// <summary>Offset in bytes near which the text stops being JSON when the verdict is <see cref="SchemaVerdict.Malformed"/>; otherwise -1.</summary>
    public long MalformedOffset { get; }

    /// <summary>What failed, when the verdict is <see cref="SchemaVerdict.Invalid"/>.</summary>
    public IReadOnlyList<SchemaError> Errors { get; }

    /// <summary>What the schema says about the instance, when it is valid and annotations were asked for.</summary>
    public IReadOnlyList<SchemaAnnotation> Annotations { get; }

    /// <summary>Whether errors or annotations beyond the bound were left out.</summary>
    public bool IsTruncated { get; }

    /// <summary>Writes the Basic output of the draft.</summary>
    /// <param name="writer">Where to write one JSON object.</param>
    /// <exception cref="ArgumentNullException">The writer is null.</exception>
    public void WriteTo(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        writer.WriteBoolean("valid"u8, IsValid);
        if (IsValid)
        {
            if (Annotations.Count > 0)
            {
                WriteAnnotations(writer);
            }
        }
        else
        {
            WriteErrors(writer);
        }

        writer.WriteEndObject();
    }

    private void WriteErrors(Utf8JsonWriter writer)
    {
        writer.WriteStartArray("errors"u8);
        foreach (SchemaError error in Errors)
        {
            writer.WriteStartObject();
            writer.WriteBoolean("valid"u8, false);
            WriteLocations(writer, error.KeywordLocation, error.AbsoluteKeywordLocation, error.InstanceLocation);
            writer.WriteString("error"u8, error.Message);
            writer.WriteEndObject();
        }

        if (Errors.Count == 0)
        {
            writer.WriteStartObject();
            writer.WriteBoolean("valid"u8, false);
            writer.WriteString("keywordLocation"u8, string.Empty);
            writer.WriteString("instanceLocation"u8, string.Empty);
            writer.WriteString("error"u8, Limit is { } limit ? $"limit exceeded: {limit}" : "the text is not JSON");
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private void WriteAnnotations(Utf8JsonWriter writer)
    {
        writer.WriteStartArray("annotations"u8);
        foreach (SchemaAnnotation annotation in Annotations)
        {
            writer.WriteStartObject();
            writer.WriteBoolean("valid"u8, true);
            WriteLocations(writer, annotation.KeywordLocation, annotation.AbsoluteKeywordLocation, annotation.InstanceLocation);
            writer.WritePropertyName("annotation"u8);
            annotation.Value.WriteTo(writer);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteLocations(Utf8JsonWriter writer, string keyword, string absolute, string instance)
    {
        writer.WriteString("keywordLocation"u8, keyword);
        writer.WriteString("absoluteKeywordLocation"u8, absolute);
        writer.WriteString("instanceLocation"u8, instance);
    }
}
