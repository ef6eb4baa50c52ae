// Why this file exists: the steps of a migration: a closed set, each of which looks at one place of one object. Invariants: a step does what it says or leaves the document exactly as it was and says why; no step loops or follows anything, so a
// manifest costs its steps times the object; a value that leaves its place is kept under `preserved_fields` unless the manifest says drop.

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>One step.</summary>
internal abstract class MigrationStep
{
    /// <summary>Where removed values are kept: by migration, then by the pointer of their place.</summary>
    public const string PreservedField = "preserved_fields";

    private const int MaxPointerDepth = 32;

    // What says who may see an object, what it is and whose it is, is changed by other ways, which other gates judge.
    private static readonly string[] s_open = ["attributes", "title", "link_target"];

    public required string Op { get; init; }

    public required UnfitPolicy Unfit { get; init; }

    /// <summary>Changes a document.</summary>
    /// <param name="document">The object's document.</param>
    /// <param name="migrationId">The migration.</param>
    /// <returns>Why the step does not fit; null when it was done, or had nothing to do.</returns>
    public abstract string? Apply(JsonObject document, string migrationId);

    /// <summary>The step that leads back, in JSON; null when there is none.</summary>
    public abstract string? Reverse(string migrationId, out string why);

    /// <summary>Reads a step that is valid by the schema of manifests.</summary>
    public static MigrationStep? Read(JsonElement step, UnfitPolicy standard, out string fault)
    {
        fault = "";
        string op = step.GetProperty("op").GetString()!;
        UnfitPolicy unfit = step.TryGetProperty("unfit", out JsonElement own) ? MigrationManifest.Parse(own) : standard;
        string[]? at = Pointer(step, op == "rename" ? "from" : "at", ref fault);
        string[]? to = op == "rename" ? Pointer(step, "to", ref fault) : at;
        if (at is null || to is null)
        {
            return null;
        }

        string? member = step.TryGetProperty("member", out JsonElement named) ? named.GetString() : null;
        switch (op)
        {
            case "rename":
                bool nested = at.Zip(to).All(static pair => pair.First == pair.Second);
                fault = nested ? "A field cannot be moved into itself or onto a part of itself." : "";
                return nested ? null : new RenameStep { Op = op, Unfit = unfit, From = at, To = to };
            case "default":
                return new DefaultStep { Op = op, Unfit = unfit, At = at, Value = step.GetProperty("value").GetRawText() };
            case "remove":
                return new RemoveStep { Op = op, Unfit = unfit, At = at, Drops = step.TryGetProperty("drop", out JsonElement drop) && drop.GetBoolean() };
            case "restore":
                return new RestoreStep { Op = op, Unfit = unfit, At = at, Migration = step.GetProperty("migration").GetString()! };
            case "map":
                return ReadMap(step, new MapStep { Op = op, Unfit = unfit, At = at, Keeps = step.TryGetProperty("otherwise", out JsonElement otherwise) && otherwise.ValueEquals("keep") }, out fault);
            case "convert":
                return new ConvertStep { Op = op, Unfit = unfit, At = at, To = step.GetProperty("to").GetString()! };
            default:
                return new WrapStep { Op = op, Unfit = unfit, At = at, Member = member, Unwraps = op == "unwrap" };
        }
    }

    private static MapStep? ReadMap(JsonElement step, MapStep map, out string fault)
    {
        fault = "";
        foreach (JsonElement pair in step.GetProperty("values").EnumerateArray())
        {
            JsonElement from = pair.GetProperty("from");
            if (map.Values.Exists(one => JsonElement.DeepEquals(one.From, from)))
            {
                fault = $"The value {from.GetRawText()} is mapped twice.";
                return null;
            }

            map.Values.Add((from.Clone(), pair.GetProperty("to").Clone()));
        }

        return map;
    }

    private static string[]? Pointer(JsonElement step, string name, ref string fault)
    {
        string[] parts = [.. step.GetProperty(name).GetString()!.Split('/').Skip(1).Select(static part => part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];
        if (parts.Length > MaxPointerDepth)
        {
            fault = $"'{name}' is more than {MaxPointerDepth} deep.";
            return null;
        }

        bool isKnown = RecordKinds.Get(RecordKind.Object).TryGetField(parts[0], out _) || parts[0] == RecordKinds.Get(RecordKind.Object).IdField;
        if ((isKnown && !s_open.Contains(parts[0], StringComparer.Ordinal)) || parts[0] == PreservedField)
        {
            fault = $"A migration does not touch '{parts[0]}'; it changes {string.Join(", ", s_open)} and fields that the store does not know.";
            return null;
        }

        return parts;
    }

    public static string Text(string[] pointer) => string.Concat(pointer.Select(static part => "/" + part.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)));

    /// <summary>Finds the container of a place.</summary>
    /// <param name="document">The document.</param>
    /// <param name="pointer">The place.</param>
    /// <param name="makes">Whether missing objects on the way are made.</param>
    /// <returns>The object that has, or would have, the place as a member; null when there is none.</returns>
    protected static JsonObject? Container(JsonObject document, string[] pointer, bool makes)
    {
        JsonObject here = document;
        foreach (string part in pointer.AsSpan(0, pointer.Length - 1))
        {
            if (!here.TryGetPropertyValue(part, out JsonNode? next))
            {
                if (!makes)
                {
                    return null;
                }

                here[part] = next = new JsonObject();
            }

            if (next is not JsonObject inner)
            {
                return null;
            }

            here = inner;
        }

        return here;
    }

    protected static bool TryGet(JsonObject document, string[] pointer, out JsonObject container, out JsonNode? value)
    {
        value = null;
        container = Container(document, pointer, makes: false)!;
        return container is not null && container.TryGetPropertyValue(pointer[^1], out value);
    }

    /// <summary>Puts a value in the place of another without moving it.</summary>
    protected static void Replace(JsonObject container, string name, JsonNode? value) => container[name] = value;

    protected static string Shorten(string json) => json.Length > 60 ? json[..60] + "..." : json;

    protected static string JsonOf(JsonNode? value) => value?.ToJsonString() ?? "null";

    protected static string Json(Action<Utf8JsonWriter> fields) => System.Text.Encoding.UTF8.GetString(Records.Documents.Data(fields));

    protected sealed class RenameStep : MigrationStep
    {
        public required string[] From { get; init; }

        public required string[] To { get; init; }

        public override string? Apply(JsonObject document, string migrationId)
        {
            if (!TryGet(document, From, out JsonObject source, out JsonNode? value))
            {
                return null;
            }

            if (TryGet(document, To, out _, out _))
            {
                return $"{Text(To)} is there already, so {Text(From)} cannot take its place.";
            }

            // Checked before anything is made, so that what does not fit leaves no empty objects behind.
            if (!CanHold(document, To))
            {
                return $"{Text(To)} cannot be made: something on the way to it is no object.";
            }

            source.Remove(From[^1]);
            Container(document, To, makes: true)![To[^1]] = value;
            return null;
        }

        public override string? Reverse(string migrationId, out string why)
        {
            why = "";
            return Json(writer =>
            {
                writer.WriteString("op"u8, "rename"u8);
                writer.WriteString("from"u8, Text(To));
                writer.WriteString("to"u8, Text(From));
            });
        }
    }

    private static bool CanHold(JsonObject document, string[] pointer)
    {
        JsonObject here = document;
        foreach (string part in pointer.AsSpan(0, pointer.Length - 1))
        {
            if (!here.TryGetPropertyValue(part, out JsonNode? next))
            {
                return true;
            }

            if (next is not JsonObject inner)
            {
                return false;
            }

            here = inner;
        }

        return true;
    }

    protected sealed class DefaultStep : MigrationStep
    {
        public required string[] At { get; init; }

        public required string Value { get; init; }

        public override string? Apply(JsonObject document, string migrationId)
        {
            if (TryGet(document, At, out _, out _))
            {
                return null;
            }

            if (!CanHold(document, At))
            {
                return $"{Text(At)} cannot be made: something on the way to it is no object.";
            }

            Container(document, At, makes: true)![At[^1]] = JsonNode.Parse(Value);
            return null;
        }

        public override string? Reverse(string migrationId, out string why)
        {
            why = "an object that had the value before looks the same as one that was given it; roll the migration back instead.";
            return null;
        }
    }

    protected sealed class RemoveStep : MigrationStep
    {
        public required string[] At { get; init; }

        public required bool Drops { get; init; }

        public override string? Apply(JsonObject document, string migrationId)
        {
            if (!TryGet(document, At, out JsonObject container, out JsonNode? value))
            {
                return null;
            }

            if (!Drops)
            {
                if (!CanHold(document, [PreservedField, migrationId, ""]))
                {
                    return $"'{PreservedField}' is no object here, so the value of {Text(At)} cannot be kept.";
                }

                container.Remove(At[^1]);
                Container(document, [PreservedField, migrationId, ""], makes: true)![Text(At)] = value;
                return null;
            }

            container.Remove(At[^1]);
            return null;
        }

        public override string? Reverse(string migrationId, out string why)
        {
            why = Drops ? "the value is dropped; roll the migration back instead." : "";
            return Drops ? null : Json(writer =>
            {
                writer.WriteString("op"u8, "restore"u8);
                writer.WriteString("at"u8, Text(At));
                writer.WriteString("migration"u8, migrationId);
            });
        }
    }

    protected sealed class RestoreStep : MigrationStep
    {
        public required string[] At { get; init; }

        public required string Migration { get; init; }

        public override string? Apply(JsonObject document, string migrationId)
        {
            if (!TryGet(document, [PreservedField, Migration, Text(At)], out JsonObject kept, out JsonNode? value))
            {
                return null;
            }

            if (TryGet(document, At, out _, out _) || !CanHold(document, At))
            {
                return $"{Text(At)} is there already or cannot be made, so the kept value cannot go back to it.";
            }

            kept.Remove(Text(At));
            if (kept.Count == 0)
            {
                JsonObject all = (JsonObject)document[PreservedField]!;
                all.Remove(Migration);
                if (all.Count == 0)
                {
                    document.Remove(PreservedField);
                }
            }

            Container(document, At, makes: true)![At[^1]] = value;
            return null;
        }

        public override string? Reverse(string migrationId, out string why)
        {
            why = "a value that was taken back is kept under the earlier migration's name only by that one.";
            return null;
        }
    }

    protected sealed class MapStep : MigrationStep
    {
        public required string[] At { get; init; }

        public required bool Keeps { get; init; }

        public List<(JsonElement From, JsonElement To)> Values { get; } = [];

        public override string? Apply(JsonObject document, string migrationId)
        {
            if (!TryGet(document, At, out JsonObject container, out JsonNode? value))
            {
                return null;
            }

            using JsonDocument now = JsonDocument.Parse(JsonOf(value));
            foreach ((JsonElement from, JsonElement to) in Values)
            {
                if (JsonElement.DeepEquals(from, now.RootElement))
                {
                    Replace(container, At[^1], JsonNode.Parse(to.GetRawText()));
                    return null;
                }
            }

            return Keeps ? null : $"{Text(At)} is {Shorten(JsonOf(value))}, which the step does not map.";
        }

        public override string? Reverse(string migrationId, out string why)
        {
            why = Keeps ? "values that were kept may equal those that others were mapped to; roll the migration back instead."
                : Values.Exists(one => Values.Exists(other => !JsonElement.DeepEquals(one.From, other.From) && JsonElement.DeepEquals(one.To, other.To)))
                    ? "two values are mapped to the same one; roll the migration back instead." : "";
            return why.Length > 0 ? null : Json(writer =>
            {
                writer.WriteString("op"u8, "map"u8);
                writer.WriteString("at"u8, Text(At));
                writer.WriteStartArray("values"u8);
                foreach ((JsonElement from, JsonElement to) in Values)
                {
                    writer.WriteStartObject();
                    writer.WritePropertyName("from"u8);
                    to.WriteTo(writer);
                    writer.WritePropertyName("to"u8);
                    from.WriteTo(writer);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
        }
    }

    protected sealed class ConvertStep : MigrationStep
    {
        public required string[] At { get; init; }

        public required string To { get; init; }

        public override string? Apply(JsonObject document, string migrationId)
        {
            if (!TryGet(document, At, out JsonObject container, out JsonNode? value))
            {
                return null;
            }

            using JsonDocument now = JsonDocument.Parse(JsonOf(value));
            if (Convert(now.RootElement) is not { } converted)
            {
                return $"{Text(At)} is {Shorten(JsonOf(value))}, which cannot become a {To} without loss.";
            }

            Replace(container, At[^1], JsonNode.Parse(converted));
            return null;
        }

        public override string? Reverse(string migrationId, out string why)
        {
            why = $"the type before the conversion to {To} is not stated; name it in a manifest of your own, or roll the migration back.";
            return null;
        }

        // Every answer is JSON text from which the old value follows again.
        private string? Convert(JsonElement value) => (value.ValueKind, To) switch
        {
            (JsonValueKind.String, "string") or (JsonValueKind.Number, "number") or (JsonValueKind.True or JsonValueKind.False, "boolean") => value.GetRawText(),
            (JsonValueKind.Number, "string") => $"\"{value.GetRawText()}\"",
            (JsonValueKind.True, "string") => "\"true\"",
            (JsonValueKind.False, "string") => "\"false\"",
            (JsonValueKind.Number, "integer") => IsInteger(value.GetRawText()) ? value.GetRawText() : null,
            (JsonValueKind.String, "integer") => IsInteger(value.GetString()!) ? value.GetString() : null,
            (JsonValueKind.String, "number") => IsNumber(value.GetString()!) ? value.GetString() : null,
            (JsonValueKind.String, "boolean") => value.GetString() is "true" or "false" ? value.GetString() : null,
            _ => null,
        };

        private static bool IsInteger(string text) =>
            long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number.ToString(CultureInfo.InvariantCulture) == text;

        private static bool IsNumber(string text)
        {
            if (text.Length is 0 or > 64 || !(char.IsAsciiDigit(text[0]) || text[0] == '-') || !char.IsAsciiDigit(text[^1]))
            {
                return false;
            }

            try
            {
                using JsonDocument number = JsonDocument.Parse(text);
                return number.RootElement.ValueKind == JsonValueKind.Number;
            }
            catch (JsonException)
            {
                return false;
            }
        }
    }

    protected sealed class WrapStep : MigrationStep
    {
        public required string[] At { get; init; }

        public required string? Member { get; init; }

        public required bool Unwraps { get; init; }

        public override string? Apply(JsonObject document, string migrationId)
        {
            if (!TryGet(document, At, out JsonObject container, out JsonNode? value))
            {
                return null;
            }

            if (!Unwraps)
            {
                container[At[^1]] = null;
                Replace(container, At[^1], Member is null ? new JsonArray(value) : new JsonObject { [Member] = value });
                return null;
            }

            JsonNode? inner = null;
            bool fits = Member is null
                ? value is JsonArray { Count: 1 } list && TakeFirst(list, out inner)
                : value is JsonObject { Count: 1 } wrapped && wrapped.TryGetPropertyValue(Member, out inner) && wrapped.Remove(Member);
            if (!fits)
            {
                return $"{Text(At)} is {Shorten(JsonOf(value))}, which is not one value in {(Member is null ? "a list" : $"an object under '{Member}'")}.";
            }

            Replace(container, At[^1], inner);
            return null;
        }

        public override string? Reverse(string migrationId, out string why)
        {
            why = "";
            return Json(writer =>
            {
                writer.WriteString("op"u8, Unwraps ? "wrap" : "unwrap");
                writer.WriteString("at"u8, Text(At));
                if (Member is not null)
                {
                    writer.WriteString("member"u8, Member);
                }
            });
        }

        private static bool TakeFirst(JsonArray list, out JsonNode? inner)
        {
            inner = list[0];
            list.RemoveAt(0);
            return true;
        }
    }
}
