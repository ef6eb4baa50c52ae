// Why this file exists: the committed state under a fold, so that the fold itself is a pure function of base and events. Invariants: answers
// are verified bytes or an exception; what it hands out stays valid until the group is applied.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Fold;

/// <summary>Reads entries of the state that a fold starts from.</summary>
internal interface IStateBase
{
    /// <summary>Finds an entry.</summary>
    /// <returns>Whether it exists.</returns>
    bool TryGet(StateTable table, scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value);
}
