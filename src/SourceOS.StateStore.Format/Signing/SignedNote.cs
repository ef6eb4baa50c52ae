// Why this file exists: what is signed is text that people can read and that other programs already verify: the C2SP signed-note format. Invariants: the exact
// bytes of the text are what is signed; bytes of any content give a note or a reason; only a key that the caller trusts can vouch for a note.

using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace SourceOS.StateStore.Format;

/// <summary>What trusted keys say of a note.</summary>
public enum NoteVerdict
{
    /// <summary>At least one trusted key signed it, and no signature of a trusted key is wrong.</summary>
    Verified = 1,

    /// <summary>No trusted key signed it.</summary>
    NotSigned = 2,

    /// <summary>A signature that names a trusted key does not hold.</summary>
    BadSignature = 3,

    /// <summary>libcrypto is missing, so nothing can be said.</summary>
    CannotCheck = 4,
}

/// <summary>One signature line.</summary>
/// <param name="Name">The signer's name.</param>
/// <param name="KeyHash">The signer's key hash.</param>
/// <param name="Signature">The signature; its length depends on the key's type.</param>
public sealed record NoteSignature(string Name, uint KeyHash, ReadOnlyMemory<byte> Signature);

/// <summary>A text with its signatures. Immutable, thread-safe.</summary>
public sealed class SignedNote
{
    /// <summary>Longest note in bytes.</summary>
    public const int MaxLengthBytes = 1 << 20;

    /// <summary>Most signatures.</summary>
    public const int MaxSignatures = 100;

    private const string Dash = "\u2014 ";
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private SignedNote(string text, IReadOnlyList<NoteSignature> signatures)
    {
        Text = text;
        Signatures = signatures;
    }

    /// <summary>The signed text; ends with a newline.</summary>
    public string Text { get; }

    /// <summary>All signatures, those of unknown keys too.</summary>
    public IReadOnlyList<NoteSignature> Signatures { get; }

    /// <summary>Signs a text.</summary>
    /// <param name="text">The text: ends with a newline, no other control characters.</param>
    /// <param name="name">The signer's name.</param>
    /// <param name="privateKey">Its private key.</param>
    /// <returns>The note.</returns>
    /// <exception cref="ArgumentException">The text or name is not valid.</exception>
    /// <exception cref="StateStoreException">NativeLibraryMissing.</exception>
    public static SignedNote Sign(string text, string name, ReadOnlySpan<byte> privateKey)
    {
        ArgumentNullException.ThrowIfNull(text);
        ThrowHelper.ThrowIfArgument(!IsValidText(text), "A note's text ends with a newline and has no other control characters.", nameof(text));
        NoteKey key = new(name, Ed25519.PublicKeyOf(privateKey));
        byte[] signature = Ed25519.Sign(privateKey, s_strict.GetBytes(text));
        return new SignedNote(text, [new NoteSignature(name, key.KeyHash, signature)]);
    }

    /// <summary>Reads a note.</summary>
    /// <param name="bytes">Exactly the note.</param>
    /// <param name="note">The note when the bytes are one.</param>
    /// <param name="reason">What is wrong otherwise.</param>
    /// <returns>Whether they are.</returns>
    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out SignedNote? note, out string reason)
    {
        note = null;
        if (bytes.Length > MaxLengthBytes || !System.Text.Unicode.Utf8.IsValid(bytes))
        {
            reason = bytes.Length > MaxLengthBytes ? $"a note has at most {MaxLengthBytes} bytes" : "a note is UTF-8 text";
            return false;
        }

        string all = Encoding.UTF8.GetString(bytes);
        int split = all.LastIndexOf("\n\n", StringComparison.Ordinal);
        if (split < 0 || !IsValidText(all))
        {
            reason = split < 0 ? "a blank line between text and signatures is missing" : "a note has no control characters but newlines, and ends with one";
            return false;
        }

        string[] lines = all[(split + 2)..].Split('\n');
        if (lines.Length < 2 || lines.Length - 1 > MaxSignatures)
        {
            reason = $"a note has 1 to {MaxSignatures} signatures";
            return false;
        }

        List<NoteSignature> signatures = [];
        foreach (string line in lines[..^1])
        {
            if (!TryParseSignature(line, out NoteSignature? signature))
            {
                reason = $"signature line {signatures.Count + 1} is malformed";
                return false;
            }

            signatures.Add(signature);
        }

        reason = "";
        note = new SignedNote(all[..(split + 1)], signatures);
        return true;
    }

    /// <summary>Asks trusted keys.</summary>
    /// <param name="trusted">Public keys that the caller trusts.</param>
    /// <returns>What they say.</returns>
    public NoteVerdict Verify(params ReadOnlySpan<NoteKey> trusted)
    {
        if (!Ed25519.IsAvailable)
        {
            return NoteVerdict.CannotCheck;
        }

        byte[] text = Encoding.UTF8.GetBytes(Text);
        bool isSigned = false;
        foreach (NoteSignature signature in Signatures)
        {
            foreach (NoteKey key in trusted)
            {
                if (key.KeyHash != signature.KeyHash || !string.Equals(key.Name, signature.Name, StringComparison.Ordinal))
                {
                    continue;
                }

                if (!Ed25519.Verify(key.PublicKey, text, signature.Signature.Span))
                {
                    return NoteVerdict.BadSignature;
                }

                isSigned = true;
            }
        }

        return isSigned ? NoteVerdict.Verified : NoteVerdict.NotSigned;
    }

    /// <summary>The note's bytes.</summary>
    /// <returns>UTF-8.</returns>
    public byte[] Encode() => s_strict.GetBytes(ToString());

    /// <summary>The note as text.</summary>
    /// <returns>Text, blank line, signature lines.</returns>
    public override string ToString()
    {
        StringBuilder all = new StringBuilder(Text).Append('\n');
        byte[] hash = new byte[4];
        foreach (NoteSignature signature in Signatures)
        {
            BinaryPrimitives.WriteUInt32BigEndian(hash, signature.KeyHash);
            byte[] coded = [.. hash, .. signature.Signature.Span];
            all.Append(Dash).Append(signature.Name).Append(' ').Append(Convert.ToBase64String(coded)).Append('\n');
        }

        return all.ToString();
    }

    /// <summary>Decodes standard base64 that is written in the one canonical way.</summary>
    internal static bool TryBase64(string text, int lengthBytes, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (text.Length > 1024)
        {
            return false;
        }

        byte[] buffer = new byte[(text.Length / 4 * 3) + 3];
        if (!Convert.TryFromBase64String(text, buffer, out int written) || (lengthBytes >= 0 && written != lengthBytes)
            || !string.Equals(Convert.ToBase64String(buffer, 0, written), text, StringComparison.Ordinal))
        {
            return false;
        }

        bytes = buffer[..written];
        return true;
    }

    private static bool TryParseSignature(string line, [NotNullWhen(true)] out NoteSignature? signature)
    {
        signature = null;
        if (!line.StartsWith(Dash, StringComparison.Ordinal))
        {
            return false;
        }

        string[] parts = line[Dash.Length..].Split(' ');
        if (parts.Length != 2 || !NoteKey.IsValidName(parts[0]) || !TryBase64(parts[1], -1, out byte[]? coded) || coded.Length < 5)
        {
            return false;
        }

        signature = new NoteSignature(parts[0], BinaryPrimitives.ReadUInt32BigEndian(coded), coded.AsMemory(4));
        return true;
    }

    private static bool IsValidText(string text) => text.EndsWith('\n') && !text.Any(static c => c < 0x20 && c != '\n');
}
