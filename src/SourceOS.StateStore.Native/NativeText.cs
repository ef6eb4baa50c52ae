// Why this file exists: pointers and lengths from outside become bounded bytes and checked text, or an error that names the parameter. Invariants: a NULL with a length, a length beyond the bound and bytes that are not UTF-8 are refused
// before a byte is looked at; nothing is taken to end with a zero.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Native;

/// <summary>Reads parameters.</summary>
internal static unsafe class NativeText
{
    private const int MaxPathBytes = 4_096;
    private const int MaxTextBytes = 4_096;
    private const int MaxDocumentBytes = 64 << 20;
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A path.</summary>
    public static string Path(byte* data, nuint length)
    {
        string path = Text(data, length, "path", MaxPathBytes) ?? throw NativeException.Usage("The path is NULL.", "path");
        return path.Length > 0 && !path.Contains('\0', StringComparison.Ordinal) ? path : throw NativeException.Usage("The path is empty or holds a zero byte.", "path");
    }

    /// <summary>An identifier.</summary>
    public static string Id(byte* data, nuint length, string name) => OptionalId(data, length, name) ?? throw NativeException.Usage($"'{name}' is NULL.", name);

    /// <summary>An identifier, or null for NULL.</summary>
    public static string? OptionalId(byte* data, nuint length, string name)
    {
        string? id = Text(data, length, name, MaxTextBytes);
        return id is null || Identifier.IsValid(id, out string reason) ? id : throw NativeException.BadData($"'{name}' is not valid: {reason}.", name);
    }

    /// <summary>A text, or null for NULL.</summary>
    public static string? OptionalText(byte* data, nuint length, string name) => Text(data, length, name, MaxTextBytes);

    /// <summary>A record kind by its name in the singular or plural.</summary>
    public static RecordKind Kind(byte* data, nuint length)
    {
        string word = Text(data, length, "kind", MaxTextBytes) ?? throw NativeException.Usage("'kind' is NULL.", "kind");
        return KindOf(word) ?? throw NativeException.BadData("There is no such kind of record.", "kind");
    }

    /// <summary>A record kind by its name.</summary>
    public static RecordKind? KindOf(string word) => RecordKinds.All.FirstOrDefault(info => info.Name == word || info.PluralName == word)?.Kind;

    /// <summary>A document's bytes, copied.</summary>
    public static byte[] Document(byte* data, nuint length, string name) => Bytes(data, length, name, MaxDocumentBytes)?.ToArray() ?? throw NativeException.Usage($"'{name}' is NULL.", name);

    /// <summary>A document's bytes, copied, or empty for NULL.</summary>
    public static byte[] OptionalDocument(byte* data, nuint length, string name) => Bytes(data, length, name, MaxDocumentBytes)?.ToArray() ?? [];

    private static string? Text(byte* data, nuint length, string name, int most)
    {
        byte[]? bytes = Bytes(data, length, name, most)?.ToArray();
        try
        {
            return bytes is null ? null : s_strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw NativeException.BadData($"'{name}' is not UTF-8.", name);
        }
    }

    private static Memory<byte>? Bytes(byte* data, nuint length, string name, int most)
    {
        if (length > (nuint)most)
        {
            throw NativeException.Usage($"'{name}' has {length} bytes; at most {most} are taken.", name);
        }

        if (data is null)
        {
            return length == 0 ? null : throw NativeException.Usage($"'{name}' is NULL and has a length.", name);
        }

        return new ReadOnlySpan<byte>(data, (int)length).ToArray();
    }
}
