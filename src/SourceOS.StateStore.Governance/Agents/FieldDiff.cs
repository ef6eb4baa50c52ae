// Why this file exists: what a change changes, field by field, for the reviewer of a proposal and for merging edits that do not touch each other. Invariants: documents are compared as JSON, so the
// order of fields and the spelling of numbers and text do not count as changes.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.Agents;

/// <summary>One field that differs.</summary>
/// <param name="Field">Its name.</param>
/// <param name="Before">Its JSON before; null when it was absent.</param>
/// <param name="After">Its JSON after; null when it is gone.</param>
public sealed record FieldChange(string Field, string? Before, string? After);

/// <summary>Compares documents.</summary>
public static class FieldDiff
{
    /// <summary>Compares two documents by their top-level fields.</summary>
    /// <param name="before">The document before; empty when there was none.</param>
    /// <param name="after">The document after; empty when there is none.</param>
    /// <returns>The fields that differ, in the order of their names.</returns>
    public static IReadOnlyList<FieldChange> Of(ReadOnlyMemory<byte> before, ReadOnlyMemory<byte> after)
    {
        Dictionary<string, JsonElement> old = Fields(before);
        Dictionary<string, JsonElement> next = Fields(after);
        List<FieldChange> changes = [];
        foreach (string field in old.Keys.Union(next.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            bool was = old.TryGetValue(field, out JsonElement a);
            bool isNow = next.TryGetValue(field, out JsonElement b);
            if (!was || !isNow || !JsonElement.DeepEquals(a, b))
            {
                changes.Add(new FieldChange(field, was ? a.GetRawText() : null, isNow ? b.GetRawText() : null));
            }
        }

        return changes;
    }

    /// <summary>Puts one side's changes onto the other side, when no field was changed by both in different ways.</summary>
    /// <param name="origin">What both started from; empty when there was nothing.</param>
    /// <param name="ours">One side.</param>
    /// <param name="theirs">The other side.</param>
    /// <param name="isIgnored">Fields that say who and when, which are taken from the later side without counting as a clash; null for none.</param>
    /// <param name="clashes">Fields that both changed in different ways.</param>
    /// <returns>The merged document; null when there are clashes.</returns>
    public static byte[]? Merge(ReadOnlyMemory<byte> origin, ReadOnlyMemory<byte> ours, ReadOnlyMemory<byte> theirs, Func<string, bool>? isIgnored, out IReadOnlyList<string> clashes)
    {
        Dictionary<string, FieldChange> mine = Of(origin, ours).ToDictionary(static change => change.Field, StringComparer.Ordinal);
        List<string> both = [];
        Dictionary<string, string?> merged = new(StringComparer.Ordinal);
        foreach (FieldChange change in Of(origin, theirs))
        {
            bool alsoMine = mine.TryGetValue(change.Field, out FieldChange? own);
            if (alsoMine && !Equal(own!.After, change.After) && isIgnored?.Invoke(change.Field) != true)
            {
                both.Add(change.Field);
            }

            merged[change.Field] = change.After;
        }

        clashes = both;
        return both.Count > 0 ? null : Write(ours, merged);
    }

    private static bool Equal(string? a, string? b)
    {
        if (a is null || b is null)
        {
            return a is null && b is null;
        }

        using JsonDocument left = JsonDocument.Parse(a);
        using JsonDocument right = JsonDocument.Parse(b);
        return JsonElement.DeepEquals(left.RootElement, right.RootElement);
    }

    private static byte[] Write(ReadOnlyMemory<byte> document, Dictionary<string, string?> changes)
    {
        System.Buffers.ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            foreach ((string field, JsonElement value) in Fields(document))
            {
                if (!changes.Remove(field, out string? changed))
                {
                    writer.WritePropertyName(field);
                    value.WriteTo(writer);
                }
                else if (changed is not null)
                {
                    writer.WritePropertyName(field);
                    writer.WriteRawValue(changed);
                }
            }

            foreach ((string field, string? value) in changes.OrderBy(static change => change.Key, StringComparer.Ordinal))
            {
                if (value is not null)
                {
                    writer.WritePropertyName(field);
                    writer.WriteRawValue(value);
                }
            }

            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static Dictionary<string, JsonElement> Fields(ReadOnlyMemory<byte> document)
    {
        Dictionary<string, JsonElement> fields = new(StringComparer.Ordinal);
        if (document.IsEmpty)
        {
            return fields;
        }

        using JsonDocument json = JsonDocument.Parse(document);
        foreach (JsonProperty property in json.RootElement.EnumerateObject())
        {
            fields[property.Name] = property.Value.Clone();
        }

        return fields;
    }
}
