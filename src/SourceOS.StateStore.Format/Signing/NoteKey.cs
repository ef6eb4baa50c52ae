// Why this file exists: a signed note names its signers by name and key hash; this is that name with its public key, as one line of text that people
// copy and keep (C2SP signed-note). Invariants: the hash always follows from name and key; only Ed25519 (type 1).

using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace SourceOS.StateStore.Format;

/// <summary>A public key under the name it signs with. Immutable, thread-safe.</summary>
public sealed class NoteKey
{
    /// <summary>The type byte of Ed25519 keys.</summary>
    public const byte Ed25519Type = 1;

    private readonly byte[] _publicKey;

    /// <summary>Names a public key.</summary>
    /// <param name="name">Not empty, without white space, control characters and plus signs; at most 512 characters.</param>
    /// <param name="publicKey">32 bytes.</param>
    /// <exception cref="ArgumentException">The name or the length is not valid.</exception>
    public NoteKey(string name, ReadOnlySpan<byte> publicKey)
    {
        ThrowHelper.ThrowIfArgument(!IsValidName(name), "A key name is not empty and has no white space, control characters or plus signs.", nameof(name));
        ThrowHelper.ThrowIfArgument(publicKey.Length != Ed25519.PublicKeyLengthBytes, "A public key has 32 bytes.", nameof(publicKey));
        Name = name;
        _publicKey = publicKey.ToArray();
        KeyHash = HashOf(name, publicKey);
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The first four bytes, big-endian, of sha256(name || 0x0A || 0x01 || public key).</summary>
    public uint KeyHash { get; }

    /// <summary>The public key.</summary>
    public ReadOnlySpan<byte> PublicKey => _publicKey;

    /// <summary>Whether a text may be a key's name.</summary>
    /// <param name="name">The text.</param>
    /// <returns>True when it may.</returns>
    public static bool IsValidName([NotNullWhen(true)] string? name)
    {
        if (string.IsNullOrEmpty(name) || name.Length > 512)
        {
            return false;
        }

        foreach (char c in name)
        {
            if (char.IsWhiteSpace(c) || char.IsControl(c) || c is '+' or '\uFFFD')
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Reads `name+hash+key`, also with a newline behind it.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">The key when the text is one.</param>
    /// <returns>Whether it is.</returns>
    public static bool TryParse(string text, [NotNullWhen(true)] out NoteKey? key)
    {
        key = null;
        string[] parts = (text ?? "").TrimEnd('\r', '\n').Split('+', 3);
        if (parts.Length != 3 || !IsValidName(parts[0]) || parts[1].Length != 8 || !parts[1].All(char.IsAsciiHexDigitLower)
            || !SignedNote.TryBase64(parts[2], 1 + Ed25519.PublicKeyLengthBytes, out byte[]? coded) || coded[0] != Ed25519Type)
        {
            return false;
        }

        NoteKey parsed = new(parts[0], coded.AsSpan(1));
        if (!string.Equals(parsed.KeyHash.ToString("x8", System.Globalization.CultureInfo.InvariantCulture), parts[1], StringComparison.Ordinal))
        {
            return false;
        }

        key = parsed;
        return true;
    }

    /// <summary>The key as `name+hash+key`.</summary>
    /// <returns>One line without a newline.</returns>
    public override string ToString()
    {
        byte[] coded = [Ed25519Type, .. _publicKey];
        return $"{Name}+{KeyHash:x8}+{Convert.ToBase64String(coded)}";
    }

    private static uint HashOf(string name, ReadOnlySpan<byte> publicKey)
    {
        byte[] data = [.. Encoding.UTF8.GetBytes(name), (byte)'\n', Ed25519Type, .. publicKey];
        return BinaryPrimitives.ReadUInt32BigEndian(Checksum.Sha256(data).Bytes);
    }
}
