// Why this file exists: a tool's arguments come from a model that may be confused or steered by somebody: they are read strictly. Invariants: an unknown name, a wrong type or a value out of range is refused before anything is read.

using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Daemon.Mcp;

/// <summary>An argument that cannot be.</summary>
/// <param name="message">Why.</param>
/// <param name="place">Which.</param>
internal sealed class ToolInputException(string message, string place) : Exception(message)
{
    /// <summary>Which argument.</summary>
    public string Place { get; } = place;
}

/// <summary>A call's arguments. One call, one thread.</summary>
/// <param name="arguments">As they came; null for none.</param>
internal sealed class ToolArguments(IDictionary<string, JsonElement>? arguments)
{
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    /// <summary>An identifier.</summary>
    /// <param name="name">The argument.</param>
    public string Id(string name) => OptionalId(name) ?? throw Missing(name);

    /// <summary>An identifier that may be left out.</summary>
    /// <param name="name">The argument.</param>
    public string? OptionalId(string name)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        return Identifier.IsValid(text, out string reason) ? text : throw new ToolInputException($"'{name}' is not valid: {reason}.", name);
    }

    /// <summary>A text that may be left out.</summary>
    /// <param name="name">The argument.</param>
    public string? Text(string name)
    {
        if (Find(name) is not { } value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.String)
        {
            throw new ToolInputException($"'{name}' must be a text.", name);
        }

        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new ToolInputException($"'{name}' is not valid Unicode.", name);
        }
    }

    /// <summary>A whole number that may be left out.</summary>
    /// <param name="name">The argument.</param>
    /// <param name="least">The least it can be.</param>
    /// <param name="most">The most it can be.</param>
    public ulong? Number(string name, ulong least, ulong most)
    {
        if (Find(name) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong number) && number >= least && number <= most
            ? number
            : throw new ToolInputException($"'{name}' must be a whole number from {least} to {most}.", name);
    }

    /// <summary>One of some words; the first when it is left out.</summary>
    /// <param name="name">The argument.</param>
    /// <param name="words">The words.</param>
    public string Word(string name, params IReadOnlyList<string> words)
    {
        string word = Text(name) ?? words[0];
        return words.Contains(word) ? word : throw new ToolInputException($"'{name}' must be one of {string.Join(", ", words)}.", name);
    }

    /// <summary>A JSON object as it came.</summary>
    /// <param name="name">The argument.</param>
    public JsonElement Object(string name)
    {
        JsonElement value = Find(name) ?? throw Missing(name);
        return value.ValueKind == JsonValueKind.Object ? value : throw new ToolInputException($"'{name}' must be an object.", name);
    }

    /// <summary>Refuses what no tool asked for; called when all was read.</summary>
    public void RequireWhole()
    {
        foreach (string name in arguments?.Keys ?? [])
        {
            if (!_known.Contains(name))
            {
                string shown = name.Length <= 64 ? name : name[..64];
                throw new ToolInputException($"There is no argument '{shown}' here.", shown);
            }
        }
    }

    private JsonElement? Find(string name)
    {
        _known.Add(name);
        return arguments is not null && arguments.TryGetValue(name, out JsonElement value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined) ? value : null;
    }

    private static ToolInputException Missing(string name) => new($"'{name}' is missing.", name);
}
