// Why this file exists: uniqueItems in time that grows with the text and not with the square of the items.
// Invariants: items are compared only when their keyed hashes are equal; every item and comparison is charged to the budget.

using System.Buffers;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Finds equal items in an array.</summary>
internal static class JsonUniqueness
{
    /// <summary>Looks for two equal items.</summary>
    /// <param name="view">The text.</param>
    /// <param name="index">An array.</param>
    /// <param name="budget">Steps left; the answer is meaningless once it is below zero.</param>
    /// <param name="first">The earlier of two equal items, as an ordinal.</param>
    /// <param name="second">The later one.</param>
    /// <returns>Whether two items are equal.</returns>
    public static bool TryFindEqualPair(in JsonView view, int index, ref long budget, out int first, out int second)
    {
        first = second = 0;
        int count = view.Nodes[index].Count;
        budget -= view.Nodes[index].Next - index + (view.Nodes[index].Length >> 6);
        if (count < 2 || budget < 0)
        {
            return false;
        }

        ulong[] keys = ArrayPool<ulong>.Shared.Rent(count);
        int[] ordinals = ArrayPool<int>.Shared.Rent(count);
        int[] items = ArrayPool<int>.Shared.Rent(count);
        int k = 0;
        for (int child = index + 1; child < view.Nodes[index].Next; child = view.Nodes[child].Next)
        {
            keys[k] = JsonHash.Value(view, child, ref budget);
            items[k] = child;
            ordinals[k] = k;
            k++;
        }

        Array.Sort(keys, ordinals, 0, count);
        bool found = false;
        for (int a = 0; !found && a + 1 < count && budget >= 0; a++)
        {
            for (int b = a + 1; !found && b < count && keys[b] == keys[a] && budget >= 0; b++)
            {
                found = JsonEquality.AreEqual(view, items[ordinals[a]], view, items[ordinals[b]], ref budget);
                first = Math.Min(ordinals[a], ordinals[b]);
                second = Math.Max(ordinals[a], ordinals[b]);
            }
        }

        ArrayPool<ulong>.Shared.Return(keys);
        ArrayPool<int>.Shared.Return(ordinals);
        ArrayPool<int>.Shared.Return(items);
        return found;
    }
}
