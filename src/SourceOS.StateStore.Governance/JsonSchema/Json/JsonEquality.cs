// Why this file exists: const, enum and uniqueItems compare JSON values as the draft defines equality.
// Invariants: numbers are equal by exact value, strings by decoded text, objects whatever the order of members; a repeated
// member name must repeat in both. Every visited value is charged to a budget; recursion is bounded by the tape's depth.

using System.Buffers;
using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Exact equality of JSON values on tapes.</summary>
internal static class JsonEquality
{
    private const int SmallObject = 8;

    /// <summary>Compares two values.</summary>
    /// <param name="left">The first text.</param>
    /// <param name="i">A value of the first text.</param>
    /// <param name="right">The second text.</param>
    /// <param name="j">A value of the second text.</param>
    /// <param name="budget">Steps left; the answer is meaningless once it is below zero.</param>
    public static bool AreEqual(in JsonView left, int i, in JsonView right, int j, ref long budget)
    {
        ref readonly JsonTapeNode a = ref left.Nodes[i];
        ref readonly JsonTapeNode b = ref right.Nodes[j];
        if (--budget < 0 || a.Kind != b.Kind || a.Count != b.Count)
        {
            return false;
        }

        if (a.Kind >= JsonKind.Array && !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            budget = -1;
            return false;
        }

        switch (a.Kind)
        {
            case JsonKind.Number:
                budget -= (a.Length + b.Length) >> 6;
                return NumbersEqual(left.Value(i), right.Value(j));
            case JsonKind.String:
                budget -= (a.Length + b.Length) >> 6;
                return TextsEqual(left.Value(i), a.Escaped, right.Value(j), b.Escaped);
            case JsonKind.Array:
                return ArraysEqual(left, i, right, j, ref budget);
            case JsonKind.Object:
                return a.Count <= SmallObject
                    ? SmallObjectsEqual(left, i, right, j, ref budget)
                    : LargeObjectsEqual(left, i, right, j, ref budget);
            default:
                return true;
        }
    }

    /// <summary>Compares two string bodies by decoded text.</summary>
    public static bool TextsEqual(ReadOnlySpan<byte> left, bool leftEscaped, ReadOnlySpan<byte> right, bool rightEscaped)
    {
        if (!leftEscaped && !rightEscaped)
        {
            return left.SequenceEqual(right);
        }

        byte[] rented = ArrayPool<byte>.Shared.Rent(left.Length + right.Length);
        Span<byte> buffer = rented;
        Span<byte> decodedLeft = Decode(left, leftEscaped, buffer[..left.Length]);
        Span<byte> decodedRight = Decode(right, rightEscaped, buffer.Slice(left.Length, right.Length));
        bool equal = decodedLeft.SequenceEqual(decodedRight);
        ArrayPool<byte>.Shared.Return(rented);
        return equal;
    }

    /// <summary>Compares two numbers by exact value; numbers whose exponents are too large to keep are equal only as the same text.</summary>
    public static bool NumbersEqual(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        if (left.SequenceEqual(right))
        {
            return true;
        }

        return DecimalNumber.TryCompare(DecimalNumber.Parse(left), DecimalNumber.Parse(right), out int order) && order == 0;
    }

    private static Span<byte> Decode(ReadOnlySpan<byte> body, bool escaped, Span<byte> buffer)
    {
        if (escaped)
        {
            return buffer[..JsonText.Unescape(body, buffer)];
        }

        body.CopyTo(buffer);
        return buffer;
    }

    private static bool ArraysEqual(in JsonView left, int i, in JsonView right, int j, ref long budget)
    {
        int end = left.Nodes[i].Next;
        int other = j + 1;
        for (int child = i + 1; child < end; child = left.Nodes[child].Next)
        {
            if (!AreEqual(left, child, right, other, ref budget))
            {
                return false;
            }

            other = right.Nodes[other].Next;
        }

        return true;
    }

    private static bool NamesEqual(in JsonView left, int i, in JsonView right, int j) =>
        TextsEqual(left.Name(i), left.Nodes[i].NameEscaped, right.Name(j), right.Nodes[j].NameEscaped);

    private static bool SmallObjectsEqual(in JsonView left, int i, in JsonView right, int j, ref long budget)
    {
        int used = 0;
        for (int child = i + 1; child < left.Nodes[i].Next; child = left.Nodes[child].Next)
        {
            bool found = false;
            int place = 1;
            for (int other = j + 1; !found && other < right.Nodes[j].Next; other = right.Nodes[other].Next)
            {
                budget--;
                found = (used & place) == 0 && NamesEqual(left, child, right, other) && AreEqual(left, child, right, other, ref budget);
                used |= found ? place : 0;
                place <<= 1;
            }

            if (!found)
            {
                return false;
            }
        }

        return true;
    }

    private static bool LargeObjectsEqual(in JsonView left, int i, in JsonView right, int j, ref long budget)
    {
        int count = left.Nodes[i].Count;
        budget -= 4L * count;
        ulong[] leftKeys = ArrayPool<ulong>.Shared.Rent(count);
        ulong[] rightKeys = ArrayPool<ulong>.Shared.Rent(count);
        int[] leftItems = ArrayPool<int>.Shared.Rent(count);
        int[] rightItems = ArrayPool<int>.Shared.Rent(count);
        SortMembers(left, i, leftKeys, leftItems);
        SortMembers(right, j, rightKeys, rightItems);
        bool equal = leftKeys.AsSpan(0, count).SequenceEqual(rightKeys.AsSpan(0, count));
        for (int k = 0; equal && k < count; k++)
        {
            equal = TakeEqualMember(left, leftItems[k], right, rightKeys, rightItems, k, count, ref budget);
        }

        ArrayPool<ulong>.Shared.Return(leftKeys);
        ArrayPool<ulong>.Shared.Return(rightKeys);
        ArrayPool<int>.Shared.Return(leftItems);
        ArrayPool<int>.Shared.Return(rightItems);
        return equal;
    }

    private static void SortMembers(in JsonView view, int index, ulong[] keys, int[] items)
    {
        int k = 0;
        for (int child = index + 1; child < view.Nodes[index].Next; child = view.Nodes[child].Next)
        {
            keys[k] = JsonHash.Text(view.Name(child), view.Nodes[child].NameEscaped);
            items[k++] = child;
        }

        Array.Sort(keys, items, 0, k);
    }

    /// <summary>Finds the partner of a left member among the right members of the same name hash, and moves it to place k.</summary>
    private static bool TakeEqualMember(
        in JsonView left, int member, in JsonView right, ulong[] rightKeys, int[] rightItems, int k, int count, ref long budget)
    {
        for (int m = k; m < count && rightKeys[m] == rightKeys[k]; m++)
        {
            budget--;
            if (NamesEqual(left, member, right, rightItems[m]) && AreEqual(left, member, right, rightItems[m], ref budget))
            {
                (rightItems[k], rightItems[m]) = (rightItems[m], rightItems[k]);
                return true;
            }

            if (budget < 0)
            {
                return false;
            }
        }

        return false;
    }
}
