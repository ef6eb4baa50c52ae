// Why this file exists: evaluations reuse their buffers, so that a check of a small instance allocates nothing.
// Invariants: used by one evaluation at a time; sizes follow what one evaluation needed and are bounded by its limits; buffers
// that grew far beyond the usual are not kept.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Reusable buffers of an evaluation.</summary>
internal sealed class EvaluationScratch
{
    private const int MaxKeptNodes = 64 * 1024;
    private const int MaxKeptBytes = 1024 * 1024;

    /// <summary>The instance's tape.</summary>
    public JsonTapeNode[] Nodes = new JsonTapeNode[256];

    /// <summary>Decoded text of the string in hand.</summary>
    public byte[] Text = new byte[256];

    /// <summary>The string in hand as UTF-16, for patterns.</summary>
    public char[] Chars = new char[256];

    /// <summary>An arena of bit sets, used as a stack.</summary>
    public ulong[] Bits = new ulong[64];

    /// <summary>The resources entered, outermost first, each once.</summary>
    public SchemaResource[] Scope = new SchemaResource[16];

    /// <summary>The references being followed.</summary>
    public ReferenceFrame[] References = new ReferenceFrame[64];

    /// <summary>Whether the buffers are small enough to keep.</summary>
    public bool IsWorthKeeping =>
        Nodes.Length <= MaxKeptNodes && Text.Length <= MaxKeptBytes && Chars.Length <= MaxKeptBytes && Bits.Length <= MaxKeptNodes;
}

/// <summary>A reference being followed: what it led to, at which value, with how many resources entered.</summary>
internal record struct ReferenceFrame(SchemaNode Target, int Index, int ScopeCount);

/// <summary>Keeps a few scratches for reuse. Thread-safe.</summary>
internal sealed class EvaluationScratchPool
{
    private readonly EvaluationScratch?[] _slots = new EvaluationScratch?[8];

    /// <summary>Takes a scratch, or makes one.</summary>
    public EvaluationScratch Rent()
    {
        int first = Environment.CurrentManagedThreadId;
        for (int i = 0; i < _slots.Length; i++)
        {
            if (Interlocked.Exchange(ref _slots[(first + i) & (_slots.Length - 1)], null) is { } scratch)
            {
                return scratch;
            }
        }

        return new EvaluationScratch();
    }

    /// <summary>Gives a scratch back.</summary>
    public void Return(EvaluationScratch scratch)
    {
        if (scratch.IsWorthKeeping)
        {
            Volatile.Write(ref _slots[Environment.CurrentManagedThreadId & (_slots.Length - 1)], scratch);
        }
    }
}
