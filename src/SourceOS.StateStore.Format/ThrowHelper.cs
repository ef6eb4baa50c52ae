// Why this file exists: throws sit outside the hot methods, so that those stay small enough to inline. Invariants: only misuse by a caller is
// thrown from here; what is wrong with stored bytes is a FormatFault.

using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Format;

internal static class ThrowHelper
{
    /// <summary>Refuses a destination that is too short for what is written into it.</summary>
    internal static void ThrowIfShort(ReadOnlySpan<byte> destination, int neededBytes, string parameter)
    {
        if (destination.Length < neededBytes)
        {
            Short(destination.Length, neededBytes, parameter);
        }
    }

    /// <summary>Refuses a span that has not exactly the length it must have.</summary>
    internal static void ThrowIfNotLength(ReadOnlySpan<byte> bytes, int lengthBytes, string parameter)
    {
        if (bytes.Length != lengthBytes)
        {
            NotLength(bytes.Length, lengthBytes, parameter);
        }
    }

    /// <summary>Refuses a call that the object's state does not allow.</summary>
    internal static void ThrowIf([DoesNotReturnIf(true)] bool condition, string message)
    {
        if (condition)
        {
            InvalidOperation(message);
        }
    }

    /// <summary>Refuses an argument.</summary>
    internal static void ThrowIfArgument([DoesNotReturnIf(true)] bool condition, string message, string parameter)
    {
        if (condition)
        {
            Argument(message, parameter);
        }
    }

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void Argument(string message, string parameter) => throw new ArgumentException(message, parameter);

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void InvalidOperation(string message) => throw new InvalidOperationException(message);

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Short(int lengthBytes, int neededBytes, string parameter) =>
        throw new ArgumentException($"{neededBytes} bytes are needed, {lengthBytes} were given.", parameter);

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void NotLength(int lengthBytes, int neededBytes, string parameter) =>
        throw new ArgumentException($"Exactly {neededBytes} bytes are needed, {lengthBytes} were given.", parameter);
}
