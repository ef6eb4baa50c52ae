// Why this file exists: identifiers come from outside (JSON, callers, stored bytes) and one rule decides for all of them. Invariants: 1 to 255
// bytes of well-formed UTF-8 without control characters; event types are dotted lower-case names of 1 to 128 bytes.

using System.Runtime.CompilerServices;
using System.Text.Unicode;
using System.Text;

namespace SourceOS.StateStore.Format;

/// <summary>Why a text is not an identifier.</summary>
public enum IdentifierFault
{
    /// <summary>It is one.</summary>
    None = 0,

    /// <summary>It is empty.</summary>
    Empty = 1,

    /// <summary>It is longer than 255 bytes.</summary>
    TooLong = 2,

    /// <summary>It is not well-formed UTF-8 (or, as a string, has a lone surrogate).</summary>
    NotUtf8 = 3,

    /// <summary>It holds a control character: U+0000 to U+001F, or U+007F to U+009F.</summary>
    ControlCharacter = 4,
}

/// <summary>The rules for identifiers and event types. Thread-safe; allocates nothing.</summary>
public static class Identifier
{
    /// <summary>Whether bytes are an identifier.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <returns>True when they are.</returns>
    public static bool IsValid(ReadOnlySpan<byte> utf8) => Check(utf8) == IdentifierFault.None;

    /// <summary>Whether a text is an identifier.</summary>
    /// <param name="text">The text.</param>
    /// <param name="reason">Why not, as a sentence part for people; empty when it is one.</param>
    /// <returns>True when it is.</returns>
    public static bool IsValid(string? text, out string reason)
    {
        IdentifierFault fault = Check(text);
        reason = Describe(fault);
        return fault == IdentifierFault.None;
    }

    /// <summary>Whether a text is an identifier.</summary>
    /// <param name="text">The text.</param>
    /// <returns>True when it is.</returns>
    public static bool IsValid(string? text) => Check(text) == IdentifierFault.None;

    /// <summary>Whether bytes are an identifier, and if not, why.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <returns>The reason.</returns>
    public static IdentifierFault Check(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty)
        {
            return IdentifierFault.Empty;
        }

        if (utf8.Length > FormatLimits.MaxIdentifierLengthBytes)
        {
            return IdentifierFault.TooLong;
        }

        if (!Utf8.IsValid(utf8))
        {
            return IdentifierFault.NotUtf8;
        }

        return HasControl(utf8) ? IdentifierFault.ControlCharacter : IdentifierFault.None;
    }

    /// <summary>Whether a text is an identifier, and if not, why.</summary>
    /// <param name="text">The text.</param>
    /// <returns>The reason.</returns>
    [SkipLocalsInit]
    public static IdentifierFault Check(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return IdentifierFault.Empty;
        }

        if (text.Length > FormatLimits.MaxIdentifierLengthBytes)
        {
            return IdentifierFault.TooLong;
        }

        Span<byte> utf8 = stackalloc byte[FormatLimits.MaxIdentifierLengthBytes * 3];
        return Utf8.FromUtf16(text, utf8, out _, out int written, replaceInvalidSequences: false) switch
        {
            System.Buffers.OperationStatus.Done => Check(utf8[..written]),
            _ => IdentifierFault.NotUtf8,
        };
    }

    /// <summary>Whether bytes are an event type: <c>[a-z0-9_-]+(\.[a-z0-9_-]+)*</c>, at most 128 bytes.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <returns>True when they are.</returns>
    public static bool IsValidEventType(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty || utf8.Length > FormatLimits.MaxEventTypeLengthBytes)
        {
            return false;
        }

        bool afterDot = true;
        foreach (byte value in utf8)
        {
            bool isName = value is (>= (byte)'a' and <= (byte)'z') or (>= (byte)'0' and <= (byte)'9') or (byte)'_' or (byte)'-';
            if (!isName && (value != (byte)'.' || afterDot))
            {
                return false;
            }

            afterDot = !isName;
        }

        return !afterDot;
    }

    /// <summary>Why a text is not an identifier, for people.</summary>
    /// <param name="fault">The reason.</param>
    /// <returns>A phrase without a full stop; empty for <see cref="IdentifierFault.None"/>.</returns>
    public static string Describe(IdentifierFault fault) => fault switch
    {
        IdentifierFault.None => "",
        IdentifierFault.Empty => "an identifier has at least one byte",
        IdentifierFault.TooLong => "an identifier has at most 255 bytes of UTF-8",
        IdentifierFault.NotUtf8 => "an identifier is well-formed UTF-8",
        IdentifierFault.ControlCharacter => "an identifier has no control characters",
        _ => "not an identifier",
    };

    private static bool HasControl(ReadOnlySpan<byte> utf8)
    {
        // In well-formed UTF-8, U+0080 to U+009F are C2 80 to C2 9F, and C2 is never a continuation.
        if (utf8.ContainsAnyInRange((byte)0x00, (byte)0x1F) || utf8.Contains((byte)0x7F))
        {
            return true;
        }

        int lead;
        while ((lead = utf8.IndexOf((byte)0xC2)) >= 0)
        {
            if (utf8[lead + 1] <= 0x9F)
            {
                return true;
            }

            utf8 = utf8[(lead + 2)..];
        }

        return false;
    }
}
