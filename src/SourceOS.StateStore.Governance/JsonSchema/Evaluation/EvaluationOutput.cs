// Why this file exists: collects errors and annotations when a caller wants more than the verdict.
// Invariants: the number of units is bounded; what a failed branch annotated and what a passed branch failed is taken back; places
// in the instance become pointers only at the end, so that units taken back cost little.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Output units of one evaluation.</summary>
internal sealed class EvaluationOutput
{
    private readonly int _maxUnits;
    private readonly List<string> _path = [];
    private readonly List<PendingError> _errors = [];
    private readonly List<PendingAnnotation> _annotations = [];

    public EvaluationOutput(int maxUnits, bool annotations)
    {
        _maxUnits = maxUnits;
        CollectsAnnotations = annotations;
    }

    /// <summary>Whether annotations are wanted.</summary>
    public bool CollectsAnnotations { get; }

    /// <summary>Whether units were left out.</summary>
    public bool IsTruncated { get; private set; }

    /// <summary>The number of errors so far.</summary>
    public int ErrorCount => _errors.Count;

    /// <summary>The number of annotations so far.</summary>
    public int AnnotationCount => _annotations.Count;

    /// <summary>The errors, with their places written out.</summary>
    public IReadOnlyList<SchemaError> Errors { get; private set; } = [];

    /// <summary>The annotations, with their places written out.</summary>
    public IReadOnlyList<SchemaAnnotation> Annotations { get; private set; } = [];

    /// <summary>Goes down an edge.</summary>
    public void Push(string segment) => _path.Add(segment);

    /// <summary>Comes back up.</summary>
    public void Pop() => _path.RemoveAt(_path.Count - 1);

    /// <summary>Takes back errors beyond a mark.</summary>
    public void KeepErrors(int mark) => _errors.RemoveRange(mark, _errors.Count - mark);

    /// <summary>Takes back annotations beyond a mark.</summary>
    public void KeepAnnotations(int mark) => _annotations.RemoveRange(mark, _annotations.Count - mark);

    /// <summary>Adds an error.</summary>
    public void AddError(SchemaNode owner, string segment, int index, string message)
    {
        if (_errors.Count >= _maxUnits)
        {
            IsTruncated = true;
            return;
        }

        _errors.Add(new PendingError(string.Concat(_path) + segment, owner, segment, index, message));
    }

    /// <summary>Adds an annotation.</summary>
    public void AddAnnotation(SchemaNode owner, string segment, int index, ReadOnlyMemory<byte> json)
    {
        if (_annotations.Count >= _maxUnits)
        {
            IsTruncated = true;
            return;
        }

        _annotations.Add(new PendingAnnotation(string.Concat(_path) + segment, owner, segment, index, json));
    }

    /// <summary>Writes out what an ended evaluation leaves.</summary>
    /// <param name="view">The instance.</param>
    /// <param name="valid">Whether it passed.</param>
    public void Complete(in JsonView view, bool valid)
    {
        if (!valid)
        {
            List<SchemaError> errors = new(_errors.Count);
            foreach (PendingError error in _errors)
            {
                errors.Add(new SchemaError(
                    error.Path, Absolute(error.Owner, error.Segment), JsonPointer.Between(view, 0, error.Index), error.Message));
            }

            Errors = errors;
            return;
        }

        // The same keyword may annotate many values; its value is parsed once.
        Dictionary<ReadOnlyMemory<byte>, JsonElement> values = [];
        List<SchemaAnnotation> annotations = new(_annotations.Count);
        foreach (PendingAnnotation annotation in _annotations)
        {
            if (!values.TryGetValue(annotation.Json, out JsonElement value))
            {
                value = ParseValue(annotation.Json);
                values.Add(annotation.Json, value);
            }

            annotations.Add(new SchemaAnnotation(
                annotation.Path, Absolute(annotation.Owner, annotation.Segment), JsonPointer.Between(view, 0, annotation.Index), value));
        }

        Annotations = annotations;
    }

    private static string Absolute(SchemaNode owner, string segment) => owner.Location + UriReference.EncodeFragment(segment);

    private static JsonElement ParseValue(ReadOnlyMemory<byte> json)
    {
        // A document registered from a caller's own parse may hold what that parse let pass.
        using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions
        {
            MaxDepth = JsonTapeBuilder.MaxSupportedDepth + 2,
            CommentHandling = JsonCommentHandling.Skip,
            AllowTrailingCommas = true,
        });
        return document.RootElement.Clone();
    }

    private readonly record struct PendingError(string Path, SchemaNode Owner, string Segment, int Index, string Message);

    private readonly record struct PendingAnnotation(string Path, SchemaNode Owner, string Segment, int Index, ReadOnlyMemory<byte> Json);
}
