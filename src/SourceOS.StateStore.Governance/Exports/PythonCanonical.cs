// Why this file exists: other programs hash JSON as Python's json.dumps writes it with sorted keys; this is that form. Invariants: keys by code point, no spaces, every letter that is not ASCII escaped, integers only,
// because floats do not survive other languages' canonical form.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>Canonical JSON. A value is given as its canonical text.</summary>
internal static class PythonCanonical
{
    /// <summary>An object's fields in canonical order.</summary>
    public static SortedDictionary<string, string> Fields() => new(CodePoints.Instance);

    /// <summary>An object.</summary>
    public static string Object(SortedDictionary<string, string> fields) => "{" + string.Join(',', fields.Select(static field => $"{Quote(field.Key)}:{field.Value}")) + "}";

    /// <summary>A list of text.</summary>
    public static string List(IEnumerable<string> items) => "[" + string.Join(',', items.Select(Quote)) + "]";

    /// <summary>A number.</summary>
    public static string Number(ulong value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>A truth value.</summary>
    public static string Boolean(bool value) => value ? "true" : "false";

    /// <summary>`sha256:` and the hash of a canonical text.</summary>
    public static string Digest(string canonical) => "sha256:" + Checksum.Sha256(Encoding.ASCII.GetBytes(canonical));

    // The escapes of Python's json.dumps with ensure_ascii: short ones where there are, else \u and four lower-case digits a UTF-16 unit.
    public static string Quote(string text)
    {
        StringBuilder quoted = new("\"");
        foreach (char letter in text)
        {
            _ = letter switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                '\b' => quoted.Append("\\b"),
                '\f' => quoted.Append("\\f"),
                < ' ' or > '~' => quoted.Append("\\u").Append(((int)letter).ToString("x4", CultureInfo.InvariantCulture)),
                _ => quoted.Append(letter),
            };
        }

        return quoted.Append('"').ToString();
    }

    private sealed class CodePoints : IComparer<string>
    {
        public static CodePoints Instance { get; } = new();

        // .NET compares UTF-16 units, in which letters beyond the first plane come before some of the first.
        public int Compare(string? x, string? y) => Encoding.UTF8.GetBytes(x ?? "").AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(y ?? ""));
    }
}
