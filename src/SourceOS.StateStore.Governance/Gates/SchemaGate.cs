// Why this file exists: an object is what its schema says, at the moment it is written. Invariants: a schema that does not compile is never registered; an object that
// names a schema is judged by it or refused; a registered schema does not change its meaning under the same version.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Schemas;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Schema validation.</summary>
internal sealed class SchemaGate(GateContext context) : ICommitGate
{
    private static readonly int s_schemaId = Slots.Of(RecordKind.Object, "schema_id");
    private static readonly int s_state = Slots.Of(RecordKind.Object, "state");
    private readonly ObjectValidator _validator = new();

    public GateDecision Evaluate(ProposedCommit commit, IStateView state)
    {
        context.Schemas.Observe(commit, state);
        Dictionary<string, ObjectSchema>? proposed = null;
        bool isWhole = false;
        if (commit.Changes.Any(static change => change.Kind == RecordKind.Schema && change.Action != EventAction.None))
        {
            proposed = context.Schemas.With(commit, state, out isWhole);
            foreach (ProposedChange change in commit.Changes)
            {
                if (change.Kind == RecordKind.Schema && change.Action == EventAction.Put && JudgeSchema(change, state, proposed) is { } refusal)
                {
                    return GateDecision.Deny(refusal);
                }
            }
        }

        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Kind == RecordKind.Object && change.Action == EventAction.Put && JudgeObject(change, state, proposed, isWhole) is { } refusal)
            {
                return GateDecision.Deny(refusal);
            }
        }

        return GateDecision.Allow;
    }

    private static CommitRefusal? JudgeSchema(in ProposedChange change, IStateView state, Dictionary<string, ObjectSchema> proposed)
    {
        if (proposed[change.Id].Broken is { } broken)
        {
            return Refusals.Of("schema.invalid", $"The JSON Schema of '{change.Id}' cannot be used: {broken}", "Mend it; `statestore schema validate` tells all errors. A schema that it refers to must be registered before or with it.", change);
        }

        if (!state.TryGet(RecordKind.Schema, change.Id, out RecordView record) || record.IsTombstone)
        {
            return null;
        }

        RegisteredSchema old = RegisteredSchema.Of(change.Id, record.Sequence, record.Body);
        RegisteredSchema next = RegisteredSchema.Of(change.Id, 0, Slots.Open(change.Body));
        if (old.ObjectType != next.ObjectType)
        {
            return Refusals.Of("schema.object-type", $"Schema '{change.Id}' describes objects of type '{old.ObjectType}' and cannot come to describe '{next.ObjectType}'.", "Register it under another identifier.", change);
        }

        IReadOnlyList<string> breaks = SchemaCompatibility.BreaksReadingOld(old, next);
        return breaks.Count == 0 ? null : Refusals.Of(
            "schema.incompatible",
            $"Objects that are valid by schema '{change.Id}' today might not be valid any more: {string.Join("; ", breaks.Take(3))}.",
            "Register the new version under an identifier of its own and migrate to it: statestore schema migrate.",
            change);
    }

    private CommitRefusal? JudgeObject(in ProposedChange change, IStateView state, Dictionary<string, ObjectSchema>? proposed, bool isWhole)
    {
        RecordBodyView body = Slots.Open(change.Body);
        string schemaId = Slots.Text(body, s_schemaId);
        if (schemaId.Length == 0 || (Slots.Text(body, s_state) == "quarantined" && state.TryGet(RecordKind.Object, change.Id, out _)))
        {
            // Quarantine is where an object goes that does not fit; it is judged when it comes out.
            return null;
        }

        ObjectSchema? schema = proposed?.GetValueOrDefault(schemaId) ?? (isWhole ? null : context.Schemas.Find(schemaId, state));
        if (schema is null)
        {
            return Refusals.Of("schema.unknown", $"The object names schema '{schemaId}', which is not registered here.", "Register it first (statestore schema register FILE), or leave schema_id out.", change);
        }

        if (schema.Broken is not null)
        {
            return Refusals.Of("schema.invalid", $"The JSON Schema of '{schemaId}' cannot be used: {schema.Broken}", "Register a version of it that can.", change);
        }

        return _validator.Validate(schema, change.Id, body) is { } fault
            ? Refusals.Of("schema.object-invalid", fault, "Change the object, or name the schema version that it follows.", change)
            : null;
    }
}
