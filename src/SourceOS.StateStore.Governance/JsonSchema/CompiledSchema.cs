// Why this file exists: the door to evaluation: a registered schema that checks instances.
// Invariants: immutable and thread-safe; checks that ask for the verdict alone allocate nothing once buffers are warm; a check
// that a bound ended never passes.

using System.Runtime.InteropServices;
using System.Text.Json;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A compiled schema. Immutable and thread-safe; stays usable whatever is registered later.</summary>
public sealed class CompiledSchema
{
    private readonly SchemaNode _node;
    private readonly SchemaRegistryOptions _options;
    private readonly EvaluationScratchPool _pool;

    internal CompiledSchema(SchemaNode node, SchemaRegistryOptions options, EvaluationScratchPool pool)
    {
        _node = node;
        _options = options;
        _pool = pool;
    }

    /// <summary>Where the schema is written: the absolute identifier of its resource and a JSON pointer in it.</summary>
    public string Location => _node.Location;

    /// <summary>The absolute identifier of the resource the schema belongs to.</summary>
    public string ResourceUri => _node.Resource.Uri;

    /// <summary>Whether an instance satisfies the schema. False also when a bound ended the evaluation.</summary>
    /// <param name="instance">The instance.</param>
    /// <exception cref="ArgumentException">The element is undefined.</exception>
    public bool IsValid(JsonElement instance) => Check(instance) == SchemaVerdict.Valid;

    /// <summary>Whether a JSON text satisfies the schema. False also when it is not JSON or a bound ended the evaluation.</summary>
    /// <param name="utf8Json">The instance's text.</param>
    public bool IsValid(ReadOnlySpan<byte> utf8Json) => Check(utf8Json) == SchemaVerdict.Valid;

    /// <summary>Checks an instance and says no more than the verdict.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="options">Options; null for the default.</param>
    /// <exception cref="ArgumentException">The element is undefined.</exception>
    public SchemaVerdict Check(JsonElement instance, SchemaEvaluationOptions? options = null) =>
        Run(RawText(instance), lenient: true, options, output: null, out _, out _);

    /// <summary>Checks a JSON text and says no more than the verdict.</summary>
    /// <param name="utf8Json">The instance's text.</param>
    /// <param name="options">Options; null for the default.</param>
    public SchemaVerdict Check(ReadOnlySpan<byte> utf8Json, SchemaEvaluationOptions? options = null) =>
        Run(utf8Json, lenient: false, options, output: null, out _, out _);

    /// <summary>Checks an instance and says what failed, or what the schema says about it.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="options">Options; null for the default.</param>
    /// <exception cref="ArgumentException">The element is undefined.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public SchemaEvaluationResult Evaluate(JsonElement instance, SchemaEvaluationOptions? options = null) =>
        EvaluateText(RawText(instance), lenient: true, options);

    /// <summary>Checks a JSON text and says what failed, or what the schema says about it.</summary>
    /// <param name="utf8Json">The instance's text.</param>
    /// <param name="options">Options; null for the default.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public SchemaEvaluationResult Evaluate(ReadOnlySpan<byte> utf8Json, SchemaEvaluationOptions? options = null) =>
        EvaluateText(utf8Json, lenient: false, options);

    private static ReadOnlySpan<byte> RawText(JsonElement instance)
    {
        if (instance.ValueKind == JsonValueKind.Undefined)
        {
            throw new ArgumentException("The element holds no JSON value.", nameof(instance));
        }

        return JsonMarshal.GetRawUtf8Value(instance);
    }

    private SchemaEvaluationResult EvaluateText(ReadOnlySpan<byte> text, bool lenient, SchemaEvaluationOptions? options)
    {
        options ??= SchemaEvaluationOptions.Default;
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxOutputUnits, 1, nameof(options));
        EvaluationOutput output = new(options.MaxOutputUnits, options.CollectAnnotations);
        SchemaVerdict verdict = Run(text, lenient, options, output, out SchemaLimit? limit, out long offset);
        bool valid = verdict == SchemaVerdict.Valid;
        return new SchemaEvaluationResult(
            verdict,
            limit,
            verdict == SchemaVerdict.Malformed ? offset : -1,
            verdict == SchemaVerdict.Invalid ? output.Errors : [],
            valid ? output.Annotations : [],
            output.IsTruncated);
    }

    private SchemaVerdict Run(
        ReadOnlySpan<byte> text, bool lenient, SchemaEvaluationOptions? options, EvaluationOutput? output, out SchemaLimit? limit, out long offset)
    {
        SchemaLimits limits = _options.Limits;
        offset = 0;
        limit = SchemaLimit.InstanceSize;
        if (text.Length > limits.MaxInstanceBytes)
        {
            return SchemaVerdict.LimitExceeded;
        }

        EvaluationScratch scratch = _pool.Rent();
        JsonTapeFault fault = JsonTapeBuilder.Build(
            text, limits.MaxInstanceDepth, limits.MaxInstanceValues, lenient, ref scratch.Nodes, out int count, out offset);
        SchemaVerdict verdict;
        if (fault == JsonTapeFault.None)
        {
            Evaluation evaluation = new(text, scratch, count, limits, output, options?.AssertFormat ?? _options.AssertFormat);
            bool passed = evaluation.RunRoot(_node, 0);
            limit = evaluation.Limit;
            verdict = limit is not null ? SchemaVerdict.LimitExceeded : passed ? SchemaVerdict.Valid : SchemaVerdict.Invalid;
        }
        else
        {
            limit = fault switch
            {
                JsonTapeFault.TooDeep => SchemaLimit.InstanceDepth,
                JsonTapeFault.TooManyNodes => SchemaLimit.InstanceSize,
                _ => null,
            };
            verdict = limit is null ? SchemaVerdict.Malformed : SchemaVerdict.LimitExceeded;
        }

        _pool.Return(scratch);
        return verdict;
    }
}
