// Why this file exists: refusals have one shape and stable rule names, which documents, tests and audit events share. Invariants: every refusal says what was
// found and what would make it pass; a rule's name never changes its meaning.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Makes refusals.</summary>
internal static class Refusals
{
    public const string ProfileBoundary = "profile.boundary";

    public static CommitRefusal Of(string rule, string reason, string remedy, in ProposedChange change) =>
        new(rule, reason, remedy, change.Id.Length > 0 ? change.Kind : null, change.Id);

    public static CommitRefusal Of(string rule, string reason, string remedy) => new(rule, reason, remedy);

    public static CommitRefusal Of(string rule, string reason, string remedy, RecordKind kind, string id) => new(rule, reason, remedy, kind, id);

    /// <summary>A record's name in a sentence.</summary>
    public static string Name(in ProposedChange change) => change.Id.Length == 0 ? "the event" : $"{RecordKinds.Get(change.Kind).Name} '{change.Id}'";
}
