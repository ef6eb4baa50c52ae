// Why this file exists: collects errors and annotations when a caller wants more than the verdict.
// Invariants: the number of units is bounded; what a failed branch annotated and what a passed branch failed is taken back.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Output units of one evaluation.</summary>
internal sealed class EvaluationOutput
{
    private readonly int _maxUnits;
    private readonly List<string> _path = [];
    private readonly List<SchemaError> _errors = [];
    private readonly List<SchemaAnnotation> _annotations = [];

    public EvaluationOutput(int maxUnits, bool annotations)
    {
        _maxUnits = maxUnits;
        CollectsAnnotations = annotations;
    }

    /// <summary>Whether annotations are wanted.</summary>
    public bool CollectsAnnotations { get; }

    /// <summary>Whether units were left out.</summary>
    public bool IsTruncated { get; private set; }

    /// <summary>The errors so far.</summary>
    public IReadOnlyList<SchemaError> Errors => _errors;

    /// <summary>The annotations so far.</summary>
    public IReadOnlyList<SchemaAnnotation> Annotations => _annotations;

    /// <summary>Goes down an edge.</summary>
    public void Push(string segment) => _path.Add(segment);

    /// <summary>Comes back up.</summary>
    public void Pop() => _path.RemoveAt(_path.Count - 1);

    /// <summary>Takes back errors beyond a mark.</summary>
    public void KeepErrors(int mark) => _errors.RemoveRange(mark, _errors.Count - mark);

    /// <summary>Takes back annotations beyond a mark.</summary>
    public void KeepAnnotations(int mark) => _annotations.RemoveRange(mark, _annotations.Count - mark);

    /// <summary>Adds an error.</summary>
    public void AddError(string segment, string schemaLocation, string instanceLocation, string message)
    {
        if (_errors.Count >= _maxUnits)
        {
            IsTruncated = true;
            return;
        }

        _errors.Add(new SchemaError(string.Concat(_path) + segment, schemaLocation + UriReference.EncodeFragment(segment), instanceLocation, message));
    }

    /// <summary>Adds an annotation.</summary>
    public void AddAnnotation(string segment, string schemaLocation, string instanceLocation, ReadOnlyMemory<byte> json)
    {
        if (_annotations.Count >= _maxUnits)
        {
            IsTruncated = true;
            return;
        }

        using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = JsonTapeBuilder.MaxSupportedDepth + 2 });
        _annotations.Add(new SchemaAnnotation(
            string.Concat(_path) + segment, schemaLocation + UriReference.EncodeFragment(segment), instanceLocation, document.RootElement.Clone()));
    }
}
