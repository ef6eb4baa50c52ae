// Why this file exists: the walk of one instance through a schema graph, with everything that the walk knows.
// Invariants: recursion, steps and time are bounded; once a bound is reached every answer is false and the caller must look at
// Limit first; without an output nothing is allocated but what larger buffers need.

using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>One evaluation.</summary>
internal ref partial struct Evaluation
{
    private const int StackCheckInterval = 16;

    private readonly ReadOnlySpan<byte> _text;
    private readonly EvaluationScratch _scratch;
    private readonly SchemaLimits _limits;
    private readonly EvaluationOutput? _output;
    private readonly int _nameIndex;
    private int _nameOwner;
    private int _depth;
    private int _quiet;
    private int _bitsTop;
    private int _scopeCount;
    private int _referenceCount;
    private long _steps;

    public Evaluation(ReadOnlySpan<byte> text, EvaluationScratch scratch, int count, SchemaLimits limits, EvaluationOutput? output, bool assertFormat)
    {
        _text = text;
        _scratch = scratch;
        _limits = limits;
        _output = output;
        _nameIndex = count;
        _steps = limits.MaxEvaluationSteps;
        AssertFormat = assertFormat;
    }

    /// <summary>Whether format fails instances.</summary>
    public readonly bool AssertFormat { get; }

    /// <summary>The bound that ended the evaluation.</summary>
    public SchemaLimit? Limit { get; private set; }

    /// <summary>Whether a bound was reached.</summary>
    public readonly bool IsAborted => Limit is not null;

    /// <summary>Whether errors are collected here; if not, the first failure ends a subschema.</summary>
    public readonly bool WantsErrors => _output is not null && _quiet == 0;

    /// <summary>Whether annotations are collected.</summary>
    public readonly bool WantsAnnotations => _output is { CollectsAnnotations: true };

    /// <summary>How many errors there are; a mark to go back to.</summary>
    public readonly int ErrorMark => _output?.ErrorCount ?? 0;

    /// <summary>How many annotations there are; a mark to go back to.</summary>
    public readonly int AnnotationMark => _output?.AnnotationCount ?? 0;

    /// <summary>The instance's text and tape.</summary>
    public readonly JsonView View => new(_text, _scratch.Nodes);

    /// <summary>A value of the instance.</summary>
    public readonly ref readonly JsonTapeNode Node(int index) => ref _scratch.Nodes[index];

    /// <summary>Applies a subschema through an edge.</summary>
    public bool Run(SchemaEdge edge, int index, int tracker)
    {
        if (_output is null)
        {
            return Run(edge.Target, index, tracker);
        }

        _output.Push(edge.Segment);
        bool passed = RunWithOutput(edge.Target, index, tracker);
        _output.Pop();
        return passed;
    }

    /// <summary>Applies the first subschema, and completes the output.</summary>
    public bool RunRoot(SchemaNode node, int index)
    {
        if (_output is null)
        {
            return Run(node, index, -1);
        }

        bool passed = RunWithOutput(node, index, -1);
        _output.Complete(View, passed && !IsAborted);
        return passed;
    }

    /// <summary>Applies a subschema whose evaluated members or items count only if it passes.</summary>
    public bool RunTentative(SchemaEdge edge, int index, int tracker)
    {
        if (tracker < 0)
        {
            return Run(edge, index, -1);
        }

        int mark = _bitsTop;
        int words = WordsFor(index);
        int own = RentBits(words);
        bool passed = Run(edge, index, own);
        if (passed)
        {
            MergeBits(own, tracker, words);
        }

        _bitsTop = mark;
        return passed;
    }

    /// <summary>Applies a subschema without keeping its errors.</summary>
    public bool RunQuietly(SchemaEdge edge, int index, int tracker)
    {
        _quiet++;
        bool passed = RunTentative(edge, index, tracker);
        _quiet--;
        return passed;
    }

    /// <summary>Takes back the errors since a mark.</summary>
    public readonly void ForgetErrors(int mark) => _output?.KeepErrors(mark);

    /// <summary>Takes back the annotations since a mark.</summary>
    public readonly void ForgetAnnotations(int mark) => _output?.KeepAnnotations(mark);

    /// <summary>Spends steps.</summary>
    /// <returns>False when there are none left.</returns>
    public bool Charge(long steps)
    {
        _steps -= steps;
        return (_steps >= 0 && !IsAborted) || Abort(SchemaLimit.EvaluationSteps);
    }

    /// <summary>Ends the evaluation at a bound; the first bound is kept.</summary>
    /// <returns>Always false.</returns>
    public bool Abort(SchemaLimit limit)
    {
        Limit ??= limit;
        return false;
    }

    /// <summary>Adds an error at a keyword.</summary>
    /// <returns>Always false.</returns>
    public readonly bool Fail(SchemaNode owner, string segment, int index, string message)
    {
        if (WantsErrors && !IsAborted)
        {
            _output!.AddError(owner, segment, PlaceOf(index), message);
        }

        return false;
    }

    /// <summary>Adds an annotation at a keyword.</summary>
    public readonly void Annotate(SchemaNode owner, string segment, int index, ReadOnlyMemory<byte> json)
    {
        if (WantsAnnotations)
        {
            _output!.AddAnnotation(owner, segment, PlaceOf(index), json);
        }
    }

    /// <summary>The value that a complaint is about; for a name, the member it names.</summary>
    private readonly int PlaceOf(int index) => index == _nameIndex ? _nameOwner : index;

    private bool RunWithOutput(SchemaNode node, int index, int tracker)
    {
        int errors = _output!.ErrorCount;
        int annotations = _output.AnnotationCount;
        bool passed = Run(node, index, tracker);
        if (passed)
        {
            _output.KeepErrors(errors);
            if (WantsAnnotations)
            {
                AddAnnotations(node, index);
            }
        }
        else
        {
            _output.KeepAnnotations(annotations);
        }

        return passed;
    }

    private readonly void AddAnnotations(SchemaNode node, int index)
    {
        KeywordTargets kind = TargetOf(Node(index).Kind);
        foreach (AnnotationKeyword keyword in node.Annotations)
        {
            if ((keyword.Targets & kind) != 0)
            {
                Annotate(node, keyword.Segment, index, node.Source.Tape.JsonTextOf(keyword.Place));
            }
        }
    }

    private static KeywordTargets TargetOf(JsonKind kind) => kind switch
    {
        JsonKind.Object => KeywordTargets.Objects,
        JsonKind.Array => KeywordTargets.Arrays,
        JsonKind.String => KeywordTargets.Strings,
        JsonKind.Number => KeywordTargets.Numbers,
        _ => KeywordTargets.Simple,
    };

    private bool Run(SchemaNode node, int index, int tracker)
    {
        if (node.Form != SchemaForm.Object)
        {
            return node.Form == SchemaForm.True || Fail(node, string.Empty, index, "no value is allowed here");
        }

        if (!Charge(1) || !Enter())
        {
            return false;
        }

        int scope = _scopeCount;
        if (node.Resource.DynamicAnchors.Count > 0)
        {
            EnterScope(node.Resource);
        }

        JsonKind kind = _scratch.Nodes[index].Kind;
        bool tracks = (kind == JsonKind.Object && node.TracksMembers) || (kind == JsonKind.Array && node.TracksItems);
        bool passed = tracks ? RunTracked(node, index, tracker) : RunKeywords(node.KeywordsFor(kind), index, tracker);
        _scopeCount = scope;
        _depth--;
        return passed;
    }

    /// <summary>Runs a subschema with unevaluated keywords: it sees only what its own keywords evaluated, and reports upward only if it passes.</summary>
    private bool RunTracked(SchemaNode node, int index, int tracker)
    {
        int mark = _bitsTop;
        int words = WordsFor(index);
        int own = RentBits(words);
        bool passed = RunKeywords(node.KeywordsFor(Node(index).Kind), index, own);
        if (passed && tracker >= 0)
        {
            MergeBits(own, tracker, words);
        }

        _bitsTop = mark;
        return passed;
    }

    private bool RunKeywords(Keyword[] keywords, int index, int tracker)
    {
        bool passed = true;
        foreach (Keyword keyword in keywords)
        {
            // After a failure nothing is known about what was evaluated, so complaints about the rest would mislead.
            if (!passed && keyword.Rank == KeywordRank.Unevaluated)
            {
                break;
            }

            if (!keyword.Apply(ref this, index, tracker))
            {
                passed = false;
                if (!WantsErrors || IsAborted)
                {
                    break;
                }
            }
        }

        return passed;
    }

    private bool Enter()
    {
        _depth++;
        if (_depth > _limits.MaxEvaluationDepth
            || (_depth % StackCheckInterval == 0 && !RuntimeHelpers.TryEnsureSufficientExecutionStack()))
        {
            _depth--;
            return Abort(SchemaLimit.EvaluationDepth);
        }

        return true;
    }
}
