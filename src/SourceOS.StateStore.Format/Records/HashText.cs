// Why this file exists: the one text form of a SHA-256 hash (format-spec/records.md, tag 8). Invariants: a text is taken apart only when putting it together
// again gives the same text, so upper-case digits stay text.

namespace SourceOS.StateStore.Format;

/// <summary>Hashes as `sha256:` and 64 lower-case hexadecimal digits.</summary>
public static class HashText
{
    /// <summary>Length of the text in bytes.</summary>
    public const int LengthBytes = 7 + (2 * Hash256.LengthBytes);

    private static ReadOnlySpan<byte> Prefix => "sha256:"u8;

    /// <summary>Writes a hash.</summary>
    /// <param name="hash">The hash.</param>
    /// <param name="destination">At least <see cref="LengthBytes"/> bytes.</param>
    /// <returns>The number of bytes written.</returns>
    public static int Write(in Hash256 hash, Span<byte> destination)
    {
        ThrowHelper.ThrowIfShort(destination, LengthBytes, nameof(destination));
        Prefix.CopyTo(destination);
        ReadOnlySpan<byte> digits = "0123456789abcdef"u8;
        int at = Prefix.Length;
        foreach (byte value in hash.Bytes)
        {
            destination[at++] = digits[value >> 4];
            destination[at++] = digits[value & 0xF];
        }

        return LengthBytes;
    }

    /// <summary>Reads a text that is in the one form.</summary>
    /// <param name="text">The text.</param>
    /// <param name="hash">The hash.</param>
    /// <returns>False when the text is in any other form.</returns>
    public static bool TryParse(ReadOnlySpan<byte> text, out Hash256 hash)
    {
        hash = default;
        if (text.Length != LengthBytes || !text.StartsWith(Prefix))
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[Hash256.LengthBytes];
        for (int i = 0; i < bytes.Length; i++)
        {
            int high = Digit(text[Prefix.Length + (2 * i)]);
            int low = Digit(text[Prefix.Length + (2 * i) + 1]);
            if ((high | low) < 0)
            {
                return false;
            }

            bytes[i] = (byte)((high << 4) | low);
        }

        hash = new Hash256(bytes);
        return true;
    }

    private static int Digit(byte value) => value switch
    {
        >= (byte)'0' and <= (byte)'9' => value - '0',
        >= (byte)'a' and <= (byte)'f' => value - 'a' + 10,
        _ => -1,
    };
}
