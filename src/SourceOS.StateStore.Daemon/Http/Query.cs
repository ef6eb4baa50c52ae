// Why this file exists: what a request asks for, read strictly: an unknown or doubled word is an error and not ignored, because a filter that is misspelt would otherwise show everything.

using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>A request's query. One request, one thread.</summary>
internal sealed class Query(HttpRequest request)
{
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    /// <summary>What is wrong, in a sentence; empty while nothing is.</summary>
    public string Fault { get; private set; } = "";

    /// <summary>Which part of the query is wrong.</summary>
    public string Place { get; private set; } = "";

    /// <summary>A number.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="least">The least it can be.</param>
    /// <param name="most">The most it can be.</param>
    /// <returns>The number; null when it is not there or wrong.</returns>
    public ulong? Number(string name, ulong least, ulong most)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) && value >= least && value <= most)
        {
            return value;
        }

        Refuse(name, $"'{name}' must be a whole number from {least} to {most}.");
        return null;
    }

    /// <summary>An identifier.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The identifier; null when it is not there or wrong.</returns>
    public string? Id(string name)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (Identifier.IsValid(text, out string reason))
        {
            return text;
        }

        Refuse(name, $"'{name}' is not valid: {reason}.");
        return null;
    }

    /// <summary>A word that stands alone, or with 1 or true.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>Whether it is there.</returns>
    public bool Flag(string name)
    {
        string? text = Text(name);
        if (text is not null and not ("" or "1" or "true" or "0" or "false"))
        {
            Refuse(name, $"'{name}' is 1 or 0.");
        }

        return text is "" or "1" or "true";
    }

    /// <summary>A text.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The text; null when it is not there.</returns>
    public string? Text(string name)
    {
        _known.Add(name);
        StringValues values = request.Query[name];
        if (values.Count > 1)
        {
            Refuse(name, $"'{name}' is given more than once.");
        }

        return values.Count == 0 ? null : values[0] ?? "";
    }

    /// <summary>Whether all that was asked for is understood; called last.</summary>
    /// <returns>True when it is.</returns>
    public bool IsWhole()
    {
        foreach (string name in request.Query.Keys)
        {
            if (!_known.Contains(name))
            {
                Refuse(name, $"There is no '{(name.Length <= 64 ? name : name[..64])}' here; there are: {string.Join(", ", _known.Order(StringComparer.Ordinal))}.");
            }
        }

        return Fault.Length == 0;
    }

    private void Refuse(string name, string fault)
    {
        if (Fault.Length == 0)
        {
            Fault = fault;
            Place = "query " + (name.Length <= 64 ? name : name[..64]);
        }
    }
}
