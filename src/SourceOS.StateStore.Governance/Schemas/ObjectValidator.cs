// Why this file exists: judging one object by its schema: the fields it must have, and its JSON document as the JSON Schema sees it. Invariants: the document that is
// judged is the one that readers get; the first few errors are told with their places, never all of a hostile instance's.

using System.Buffers;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Schemas;

/// <summary>Validates objects. Not thread-safe: it keeps a buffer.</summary>
internal sealed class ObjectValidator
{
    private const int MaxErrorsTold = 3;
    private readonly ArrayBufferWriter<byte> _buffer = new();

    /// <summary>Validates an object.</summary>
    /// <param name="schema">Its schema.</param>
    /// <param name="id">The object's identifier.</param>
    /// <param name="body">Its body.</param>
    /// <returns>What is wrong, in a sentence; null when nothing is.</returns>
    public string? Validate(ObjectSchema schema, string id, RecordBodyView body)
    {
        foreach (string field in schema.RequiredFields)
        {
            if (!HasField(body, field))
            {
                return $"The field '{field}' is required by schema '{schema.Id}' and is missing.";
            }
        }

        if (schema.Compiled is not { } compiled)
        {
            return null;
        }

        _buffer.ResetWrittenCount();
        RecordJson.Write(_buffer, RecordKind.Object, Encoding.UTF8.GetBytes(id), body);
        if (compiled.Check(_buffer.WrittenSpan) == SchemaVerdict.Valid)
        {
            return null;
        }

        SchemaEvaluationResult result = compiled.Evaluate(_buffer.WrittenSpan, new SchemaEvaluationOptions { MaxOutputUnits = MaxErrorsTold });
        return result.Errors.Count == 0
            ? $"The object could not be judged by schema '{schema.Id}' within its limits ({result.Limit})."
            : $"The object is not valid by schema '{schema.Id}': {string.Join("; ", result.Errors.Take(MaxErrorsTold).Select(static error => $"{(error.InstanceLocation.Length == 0 ? "the document" : error.InstanceLocation)}: {error.Message}"))}";
    }

    private static bool HasField(RecordBodyView body, string field)
    {
        RecordKindInfo info = RecordKinds.Get(RecordKind.Object);
        if (field == info.IdField)
        {
            return true;
        }

        if (info.TryGetField(field, out KnownField? known))
        {
            // Slot 0 is the document's own `schema`, which every record has.
            return known.Slot == 0 || body.TagOf(known.Slot) != FieldTag.Absent;
        }

        byte[] name = Encoding.UTF8.GetBytes(field);
        foreach (RecordExtension extension in body.Extensions)
        {
            if (extension.Name.SequenceEqual(name))
            {
                return true;
            }
        }

        return false;
    }
}
