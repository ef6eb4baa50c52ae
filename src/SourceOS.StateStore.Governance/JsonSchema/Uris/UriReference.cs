// Why this file exists: schema identifiers are resolved by RFC 3986 section 5, on the text as written: System.Uri would decode,
// re-encode or refuse identifiers that the rule set only wants joined.
// Invariants: pure text to text; never touches a network; any string parses, as RFC 3986 appendix B does.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The five components of a URI reference; null is absent, which differs from empty.</summary>
internal readonly record struct UriReference(string? Scheme, string? Authority, string Path, string? Query, string? Fragment)
{
    /// <summary>Whether the reference carries a scheme.</summary>
    public bool IsAbsolute => Scheme is not null;

    /// <summary>Splits a reference into its components.</summary>
    public static UriReference Parse(string text)
    {
        string? fragment = null;
        int hash = text.IndexOf('#', StringComparison.Ordinal);
        if (hash >= 0)
        {
            fragment = text[(hash + 1)..];
            text = text[..hash];
        }

        string? query = null;
        int question = text.IndexOf('?', StringComparison.Ordinal);
        if (question >= 0)
        {
            query = text[(question + 1)..];
            text = text[..question];
        }

        string? scheme = null;
        int colon = SchemeLength(text);
        if (colon > 0)
        {
            scheme = text[..colon].ToLowerInvariant();
            text = text[(colon + 1)..];
        }

        string? authority = null;
        if (text.StartsWith("//", StringComparison.Ordinal))
        {
            int end = text.IndexOf('/', 2);
            authority = end < 0 ? text[2..] : text[2..end];
            text = end < 0 ? string.Empty : text[end..];
        }

        return new UriReference(scheme, authority, text, query, fragment);
    }

    /// <summary>Resolves this reference against a base, as RFC 3986 section 5.2.2 does.</summary>
    public UriReference ResolveAgainst(in UriReference baseUri)
    {
        if (IsAbsolute)
        {
            return this with { Path = RemoveDotSegments(Path) };
        }

        if (Authority is not null)
        {
            return this with { Scheme = baseUri.Scheme, Path = RemoveDotSegments(Path) };
        }

        if (Path.Length == 0)
        {
            return baseUri with { Query = Query ?? baseUri.Query, Fragment = Fragment };
        }

        string path = Path[0] == '/' ? Path : Merge(baseUri, Path);
        return baseUri with { Path = RemoveDotSegments(path), Query = Query, Fragment = Fragment };
    }

    /// <summary>The identifier of the resource: the reference without its fragment, with the host in lower case.</summary>
    public string ToResourceUri()
    {
        StringBuilder text = new();
        if (Scheme is not null)
        {
            text.Append(Scheme).Append(':');
        }

        if (Authority is not null)
        {
            int at = Authority.LastIndexOf('@');
            text.Append("//").Append(Authority, 0, at + 1).Append(Authority[(at + 1)..].ToLowerInvariant());
        }

        bool isWeb = Scheme is "http" or "https";
        text.Append(isWeb && Path.Length == 0 ? "/" : Path);
        if (Query is not null)
        {
            text.Append('?').Append(Query);
        }

        return text.ToString();
    }

    /// <summary>The fragment with percent escapes decoded; empty when there is none.</summary>
    public string DecodedFragment() => string.IsNullOrEmpty(Fragment) ? string.Empty : Uri.UnescapeDataString(Fragment);

    /// <summary>Writes a JSON pointer as a URI fragment: what a fragment may not hold is percent-encoded.</summary>
    public static string EncodeFragment(string pointer)
    {
        const string Allowed = "-._~!$&'()*+,;=:@/?";
        StringBuilder text = new(pointer.Length);
        Span<byte> utf8 = stackalloc byte[4];
        foreach (Rune rune in pointer.EnumerateRunes())
        {
            if (rune.IsAscii && (char.IsAsciiLetterOrDigit((char)rune.Value) || Allowed.Contains((char)rune.Value, StringComparison.Ordinal)))
            {
                text.Append((char)rune.Value);
                continue;
            }

            int length = rune.EncodeToUtf8(utf8);
            foreach (byte value in utf8[..length])
            {
                text.Append('%').Append(HexDigit(value >> 4)).Append(HexDigit(value & 15));
            }
        }

        return text.ToString();
    }

    private static char HexDigit(int value) => (char)(value < 10 ? '0' + value : 'A' + value - 10);

    private static int SchemeLength(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || !char.IsAsciiLetter(text[0]))
        {
            return 0;
        }

        foreach (char c in text.AsSpan(1, colon - 1))
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('+' or '-' or '.'))
            {
                return 0;
            }
        }

        return colon;
    }

    private static string Merge(in UriReference baseUri, string path)
    {
        if (baseUri.Authority is not null && baseUri.Path.Length == 0)
        {
            return "/" + path;
        }

        int slash = baseUri.Path.LastIndexOf('/');
        return string.Concat(baseUri.Path.AsSpan(0, slash + 1), path);
    }

    private static string RemoveDotSegments(string path)
    {
        if (!path.Contains('.', StringComparison.Ordinal))
        {
            return path;
        }

        string[] segments = path.Split('/');
        List<string> kept = new(segments.Length);
        bool rooted = path[0] == '/';
        for (int i = rooted ? 1 : 0; i < segments.Length; i++)
        {
            bool last = i + 1 == segments.Length;
            if (segments[i] == "..")
            {
                if (kept.Count > 0)
                {
                    kept.RemoveAt(kept.Count - 1);
                }
            }
            else if (segments[i] != ".")
            {
                kept.Add(segments[i]);
                continue;
            }

            if (last)
            {
                kept.Add(string.Empty);
            }
        }

        return (rooted ? "/" : string.Empty) + string.Join('/', kept);
    }
}
