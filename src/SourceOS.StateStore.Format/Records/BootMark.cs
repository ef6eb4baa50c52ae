// Why this file exists: a record says in its own JSON that a boot leans on it, so that every door can set the mark (format-spec/records.md). Invariants: one rule for every kind; same body, same answer; nothing is allocated.

namespace SourceOS.StateStore.Format;

/// <summary>The tag that makes a record one that the quick check reads.</summary>
public static class BootMark
{
    /// <summary>The member `policy_tags`.</summary>
    public static ReadOnlySpan<byte> TagsName => "policy_tags"u8;

    /// <summary>The tag.</summary>
    public static ReadOnlySpan<byte> Tag => "boot-critical"u8;

    /// <summary>Whether a record's `policy_tags` hold the tag.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="body">Its body.</param>
    /// <returns>True when they do.</returns>
    public static bool IsTagged(RecordKind kind, RecordBodyView body)
    {
        // Almost no record holds these bytes anywhere, and one search over the body is all that those cost.
        if (body.Bytes.IndexOf(Tag) < 0)
        {
            return false;
        }

        int slot = RecordKinds.Get(kind).FindSlot(TagsName);
        if (slot >= 0)
        {
            return body.TryGetList(slot, out TextList list) ? list.Contains(Tag) : body.TryGetJson(slot, out ReadOnlySpan<byte> json) && IsElement(json);
        }

        foreach (RecordExtension extension in body.Extensions)
        {
            if (extension.Name.SequenceEqual(TagsName))
            {
                return IsElement(extension.Json);
            }
        }

        return false;
    }

    // Whether the tag is an element of a JSON array. Spelled with escapes it is not found before, so it does not count here.
    private static bool IsElement(ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty || json[0] != (byte)'[')
        {
            return false;
        }

        JsonScanner scanner = new(json, JsonScanner.DeepestDepth, allowSpace: false);
        while (scanner.Read())
        {
            if (scanner is { Depth: 1, Token: JsonToken.Text, HasEscapes: false } && scanner.Content.SequenceEqual(Tag))
            {
                return true;
            }
        }

        return false;
    }
}
