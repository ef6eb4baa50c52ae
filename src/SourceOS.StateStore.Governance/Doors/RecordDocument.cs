// Why this file exists: a record as every door shows it to programs: its document alone, or wrapped with what the store knows of it. Invariants: the document is the record's own, so what was put comes back equal.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>Records as JSON.</summary>
public static class RecordDocument
{
    /// <summary>Writes a record's document.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="record">The record.</param>
    /// <exception cref="StateStoreException">Its body does not hold.</exception>
    public static void Write(Utf8JsonWriter writer, StoredRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        RecordJson.Write(writer, record.Kind, Encoding.UTF8.GetBytes(record.Id), BodyOf(record));
    }

    /// <summary>Writes a record's document with its sequence and flags around it.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="record">The record.</param>
    /// <exception cref="StateStoreException">Its body does not hold.</exception>
    public static void WriteWithMeta(Utf8JsonWriter writer, StoredRecord record)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(record);
        writer.WriteStartObject();
        writer.WriteString("kind"u8, RecordKinds.Get(record.Kind).Name);
        writer.WriteString("id"u8, record.Id);
        writer.WriteNumber("sequence"u8, record.Sequence);
        writer.WriteNumber("createdSequence"u8, record.Surrogate);
        writer.WriteBoolean("tombstone"u8, record.IsTombstone);
        writer.WriteBoolean("bootCritical"u8, record.IsBootCritical);
        writer.WritePropertyName("record"u8);
        Write(writer, record);
        writer.WriteEndObject();
    }

    /// <summary>A record's body.</summary>
    /// <param name="record">The record.</param>
    /// <returns>A view of it.</returns>
    /// <exception cref="StateStoreException">It does not hold.</exception>
    public static RecordBodyView BodyOf(StoredRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return RecordBodyView.TryRead(record.Body.Span, out RecordBodyView body, out FormatFault fault)
            ? body
            : throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"The body does not hold: {fault}.", $"{RecordKinds.Get(record.Kind).Name} {record.Id}");
    }
}
