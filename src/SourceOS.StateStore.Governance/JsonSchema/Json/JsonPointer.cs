// Why this file exists: places in instances and schemas are told as JSON pointers (RFC 6901), which are derived on demand.
// Invariants: nothing is stored for a place but its tape index; names are escaped with ~0 and ~1.

using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>JSON pointers from tape places.</summary>
internal static class JsonPointer
{
    /// <summary>Escapes one reference token.</summary>
    public static string Escape(string token) => token.AsSpan().ContainsAny('~', '/')
        ? token.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)
        : token;

    /// <summary>Undoes <see cref="Escape"/>.</summary>
    /// <returns>False when a tilde is not followed by 0 or 1.</returns>
    public static bool TryUnescape(string token, out string decoded)
    {
        decoded = token;
        for (int i = token.IndexOf('~', StringComparison.Ordinal); i >= 0; i = token.IndexOf('~', i + 1))
        {
            if (i + 1 >= token.Length || token[i + 1] is not ('0' or '1'))
            {
                return false;
            }
        }

        decoded = token.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
        return true;
    }

    /// <summary>Reads an array index as RFC 6901 writes it: digits without leading zeros.</summary>
    public static bool TryParseIndex(ReadOnlySpan<char> token, out int ordinal)
    {
        ordinal = -1;
        bool plain = token.Length is > 0 and < 10 && !token.ContainsAnyExceptInRange('0', '9') && (token.Length == 1 || token[0] != '0');
        return plain && int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out ordinal);
    }

    /// <summary>The pointer from one value down to another inside it.</summary>
    public static string Between(in JsonView view, int root, int target)
    {
        if (root == target)
        {
            return string.Empty;
        }

        StringBuilder pointer = new();
        int current = root;
        while (current != target)
        {
            bool isObject = view.Nodes[current].Kind == JsonKind.Object;
            int ordinal = 0;
            int child = current + 1;
            while (view.Nodes[child].Next <= target)
            {
                child = view.Nodes[child].Next;
                ordinal++;
            }

            pointer.Append('/');
            if (isObject)
            {
                pointer.Append(Escape(JsonText.ToText(view.Name(child), view.Nodes[child].NameEscaped)));
            }
            else
            {
                pointer.Append(CultureInfo.InvariantCulture, $"{ordinal}");
            }

            current = child;
        }

        return pointer.ToString();
    }
}
