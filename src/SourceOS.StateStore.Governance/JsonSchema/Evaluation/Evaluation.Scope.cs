// Why this file exists: the part of an evaluation that remembers: bit sets of evaluated children, the dynamic scope, references.
// Invariants: all three are stacks; a resource stands in the scope once, where it was entered first, because the outermost
// match decides a $dynamicRef; so the same reference at the same value with the same scope can only go on forever.

namespace SourceOS.StateStore.Governance.JsonSchema;

internal ref partial struct Evaluation
{
    /// <summary>Takes a cleared bit set from the arena.</summary>
    public int RentBits(int words)
    {
        int start = _bitsTop;
        int end = start + words;
        if (end > _scratch.Bits.Length)
        {
            Array.Resize(ref _scratch.Bits, Math.Max(end, _scratch.Bits.Length * 2));
        }

        Array.Clear(_scratch.Bits, start, words);
        _bitsTop = end;
        _steps -= words >> 2;
        return start;
    }

    /// <summary>Gives back a bit set and every one taken after it.</summary>
    public void ReturnBits(int start) => _bitsTop = start;

    /// <summary>Sets a bit.</summary>
    public readonly void Mark(int bits, int ordinal) => _scratch.Bits[bits + (ordinal >> 6)] |= 1UL << (ordinal & 63);

    /// <summary>Whether a bit is set.</summary>
    public readonly bool IsMarked(int bits, int ordinal) => (_scratch.Bits[bits + (ordinal >> 6)] & (1UL << (ordinal & 63))) != 0;

    /// <summary>Follows a reference unless it was followed here before in the same scope.</summary>
    public bool Follow(SchemaEdge edge, SchemaNode target, int index, int tracker)
    {
        int looked = 0;
        for (int i = _referenceCount - 1; i >= 0 && _scratch.References[i].Index == index; i--, looked++)
        {
            if (ReferenceEquals(_scratch.References[i].Target, target) && _scratch.References[i].ScopeCount == _scopeCount)
            {
                return Abort(SchemaLimit.ReferenceLoop);
            }
        }

        _steps -= looked >> 2;
        if (_referenceCount == _scratch.References.Length)
        {
            Array.Resize(ref _scratch.References, _referenceCount * 2);
        }

        _scratch.References[_referenceCount++] = new ReferenceFrame(target, index, _scopeCount);
        _output?.Push(edge.Segment);
        bool passed = _output is null ? Run(target, index, tracker) : RunWithOutput(target, index, tracker);
        _output?.Pop();
        _referenceCount--;
        return passed;
    }

    /// <summary>What a $dynamicRef leads to: the outermost resource entered that has the anchor decides.</summary>
    public SchemaNode ResolveDynamic(string anchor, SchemaNode fallback)
    {
        for (int i = 0; i < _scopeCount; i++)
        {
            if (_scratch.Scope[i].DynamicAnchors.TryGetValue(anchor, out SchemaNode? target))
            {
                return target;
            }
        }

        Charge(_scopeCount);
        return fallback;
    }

    private readonly int WordsFor(int index) => (Node(index).Count + 63) >> 6;

    private readonly void MergeBits(int from, int to, int words)
    {
        for (int i = 0; i < words; i++)
        {
            _scratch.Bits[to + i] |= _scratch.Bits[from + i];
        }
    }

    private void EnterScope(SchemaResource resource)
    {
        _steps -= _scopeCount >> 3;
        for (int i = _scopeCount - 1; i >= 0; i--)
        {
            if (ReferenceEquals(_scratch.Scope[i], resource))
            {
                return;
            }
        }

        if (_scopeCount == _scratch.Scope.Length)
        {
            Array.Resize(ref _scratch.Scope, _scopeCount * 2);
        }

        _scratch.Scope[_scopeCount++] = resource;
    }
}
