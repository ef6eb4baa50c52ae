// Why this file exists: every door spells a time the same way, so that programs compare what two doors say. Invariants: RFC 3339, UTC, to the microsecond, the same in every locale.

using System.Globalization;
using System.Text.Json;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>Times as doors write them.</summary>
public static class DoorTimes
{
    /// <summary>A time in RFC 3339, to the microsecond.</summary>
    /// <param name="time">The time.</param>
    /// <returns>Its text.</returns>
    public static string Exact(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture);

    /// <summary>Writes a time, or null.</summary>
    /// <param name="writer">Where to; after a property's name.</param>
    /// <param name="time">The time; null when there is none.</param>
    public static void Write(Utf8JsonWriter writer, DateTimeOffset? time)
    {
        ArgumentNullException.ThrowIfNull(writer);
        if (time is { } value)
        {
            writer.WriteStringValue(Exact(value));
        }
        else
        {
            writer.WriteNullValue();
        }
    }
}
