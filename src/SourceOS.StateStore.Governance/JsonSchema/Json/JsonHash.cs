// Why this file exists: uniqueItems over large arrays must not compare every pair, and name tables must not be slowed by chosen names.
// Invariants: equal JSON values (numbers by value, objects without order, strings by decoded text) have equal hashes for one
// seed; the seed is random for each process, so colliding input cannot be prepared; recursion is bounded by the tape's depth.

using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Keyed hashing of JSON values and names.</summary>
internal static class JsonHash
{
    private const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;

    private static readonly ulong s_seed = (ulong)Random.Shared.NextInt64() ^ ((ulong)Random.Shared.NextInt64() << 20);

    /// <summary>Hashes bytes, for names and decoded strings.</summary>
    public static ulong Bytes(ReadOnlySpan<byte> bytes)
    {
        ulong hash = s_seed ^ ((ulong)bytes.Length * Multiplier);
        while (bytes.Length >= 8)
        {
            hash = Mix(hash, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }

        ulong rest = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            rest |= (ulong)bytes[i] << (8 * i);
        }

        return Mix(hash, rest);
    }

    /// <summary>Hashes one value and everything in it.</summary>
    /// <param name="view">The text.</param>
    /// <param name="index">The value.</param>
    /// <param name="budget">Steps left; set below zero when the thread's stack is nearly used up.</param>
    public static ulong Value(in JsonView view, int index, ref long budget)
    {
        if (view.Nodes[index].Kind >= JsonKind.Array && !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            budget = -1;
            return 0;
        }

        ref readonly JsonTapeNode node = ref view.Nodes[index];
        ulong tag = s_seed + (ulong)node.Kind;
        switch (node.Kind)
        {
            case JsonKind.Number:
                return Mix(tag, Number(view.Value(index)));
            case JsonKind.String:
                return Mix(tag, Text(view.Value(index), node.Escaped));
            case JsonKind.Array:
                ulong ordered = tag;
                for (int child = index + 1; child < node.Next; child = view.Nodes[child].Next)
                {
                    ordered = Mix(ordered, Value(view, child, ref budget));
                }

                return Mix(ordered, (ulong)node.Count);
            case JsonKind.Object:
                ulong unordered = 0;
                for (int child = index + 1; child < node.Next; child = view.Nodes[child].Next)
                {
                    ulong name = Text(view.Name(child), view.Nodes[child].NameEscaped);
                    unordered += Mix(name, Value(view, child, ref budget));
                }

                return Mix(tag ^ unordered, (ulong)node.Count);
            default:
                return Mix(tag, 0);
        }
    }

    /// <summary>Hashes a string body by its decoded text.</summary>
    public static ulong Text(ReadOnlySpan<byte> body, bool escaped)
    {
        if (!escaped)
        {
            return Bytes(body);
        }

        byte[] rented = ArrayPool<byte>.Shared.Rent(body.Length);
        ulong hash = Bytes(rented.AsSpan(0, JsonText.Unescape(body, rented)));
        ArrayPool<byte>.Shared.Return(rented);
        return hash;
    }

    private static ulong Number(ReadOnlySpan<byte> text)
    {
        DecimalNumber number = DecimalNumber.Parse(text);
        ulong hash = Mix(s_seed, (ulong)number.Exponent ^ (number.IsNegative ? Multiplier : 0));
        for (int i = 0; i < number.DigitCount; i++)
        {
            hash = (hash * 31) + (ulong)number.Digit(i);
        }

        return hash;
    }

    private static ulong Mix(ulong hash, ulong value)
    {
        ulong high = Math.BigMul(hash ^ value, Multiplier ^ s_seed | 1, out ulong low);
        return BitOperations.RotateLeft(high ^ low, 29) + value;
    }
}
