// Why this file exists: "comes back equal" means equal as JSON values with numbers compared as text, whatever the order of members.

using System.Text.Json;

namespace SourceOS.StateStore.Format.Tests;

internal static class JsonEquality
{
    internal static bool AreEqual(ReadOnlyMemory<byte> left, ReadOnlyMemory<byte> right)
    {
        var options = new JsonDocumentOptions { MaxDepth = 70 };
        using JsonDocument a = JsonDocument.Parse(left, options);
        using JsonDocument b = JsonDocument.Parse(right, options);
        return AreEqual(a.RootElement, b.RootElement);
    }

    private static bool AreEqual(JsonElement left, JsonElement right)
    {
        if (left.ValueKind != right.ValueKind)
        {
            return false;
        }

        switch (left.ValueKind)
        {
            case JsonValueKind.Object:
                JsonProperty[] members = [.. left.EnumerateObject()];
                return members.Length == right.EnumerateObject().Count()
                    && members.All(m => right.TryGetProperty(m.Name, out JsonElement other) && AreEqual(m.Value, other));
            case JsonValueKind.Array:
                return left.GetArrayLength() == right.GetArrayLength() && left.EnumerateArray().Zip(right.EnumerateArray()).All(p => AreEqual(p.First, p.Second));
            case JsonValueKind.String:
                return left.GetString() == right.GetString();
            case JsonValueKind.Number:
                return left.GetRawText() == right.GetRawText();
            default:
                return true;
        }
    }
}
