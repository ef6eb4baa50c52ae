// Why this file exists: whether one change is in its actor's reach: capability, workspace, profile boundary, and that nobody gives away more than they have.
// Invariants: an object never leaves its profile without a recorded approval that names object and target; both what is there and what is proposed are judged.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Judges changes one by one.</summary>
internal static class ChangeScope
{
    /// <summary>The question that a decision must answer with allow for an object to change its profile.</summary>
    public const string MoveQuestion = "move_profile";

    public static CommitRefusal? Judge(SessionIdentity session, in ProposedChange change, IStateView state, in Rights rights, DateTimeOffset now)
    {
        string capability = Capabilities.NeededFor(change);
        RecordView record = default;
        bool isThere = change.Id.Length > 0 && state.TryGet(change.Kind, change.Id, out record);
        string oldProfile = isThere ? Slots.Profile(change.Kind, record.Body) : "";
        string oldWorkspace = isThere ? Slots.Workspace(change.Kind, record.Body) : "";
        if (isThere && change.Kind == RecordKind.Decision && change.Action == EventAction.Put)
        {
            // What was decided is not rewritten by those whom it binds.
            capability = Capabilities.Administer;
        }

        string profile = oldProfile, workspace = oldWorkspace;
        if (change.Action == EventAction.Put)
        {
            RecordBodyView body = Slots.Open(change.Body);
            profile = Slots.Profile(change.Kind, body);
            workspace = Slots.Workspace(change.Kind, body);
        }

        // An event without a subject, or a kind that belongs to no profile, happens where the session is.
        string where = profile.Length > 0 ? profile : session.ProfileId;
        CommitRefusal? refusal = rights.Check(capability, where, workspace, change.Kind, change.Id);
        if (refusal is null && isThere && (oldProfile != profile || oldWorkspace != workspace))
        {
            refusal = rights.Check(capability, oldProfile, oldWorkspace, change.Kind, change.Id);
        }

        refusal ??= JudgeBoundary(session, change, state, new Places(isThere, oldProfile, profile), now);
        refusal ??= JudgeEventPlace(session, change, profile);
        refusal ??= Attribution.Judge(change, rights);
        return refusal ?? GrantRules.Judge(change, rights);
    }

    private static CommitRefusal? JudgeBoundary(SessionIdentity session, in ProposedChange change, IStateView state, Places places, DateTimeOffset now)
    {
        bool moves = places.IsThere && places.Old.Length > 0 && places.Old != places.New;
        if (moves)
        {
            return IsApproved(change, state, places.New, now) ? null : Refusals.Of(
                Refusals.ProfileBoundary,
                $"{Refusals.Name(change)} belongs to profile '{places.Old}'; the commit would {(places.New.Length == 0 ? "take it out of it" : $"move it to '{places.New}'")}.",
                $"Record an approval first: a policy decision with effect allow, question {MoveQuestion}, this record as object_id and the target as profile_id; then name it with the change.",
                change);
        }

        if (session.ProfileId.Length == 0)
        {
            return null;
        }

        string foreign = places.IsThere && places.Old.Length > 0 && places.Old != session.ProfileId ? places.Old
            : places.New.Length > 0 && places.New != session.ProfileId ? places.New : "";
        return foreign.Length == 0 ? null : Refusals.Of(
            Refusals.ProfileBoundary,
            $"{Refusals.Name(change)} belongs to profile '{foreign}'; the session is bound to '{session.ProfileId}'.",
            $"Act in that profile: --profile {foreign}.",
            change);
    }

    // Readers are kept to their profile by what an event says of its own, so it may not say something else than its record.
    private static CommitRefusal? JudgeEventPlace(SessionIdentity session, in ProposedChange change, string profile)
    {
        string? stated = change.Options.ProfileId;
        string expected = profile.Length > 0 ? profile : session.ProfileId;
        return string.IsNullOrEmpty(stated) || expected.Length == 0 || stated == expected ? null : Refusals.Of(
            Refusals.ProfileBoundary, $"The change names profile '{stated}'; it happens in '{expected}'.", "Leave the profile of the change out; it follows from record and session.", change);
    }

    private static bool IsApproved(in ProposedChange change, IStateView state, string target, DateTimeOffset now)
    {
        if (string.IsNullOrEmpty(change.Options.DecisionId) || !state.TryGet(RecordKind.Decision, change.Options.DecisionId, out RecordView decision) || decision.IsTombstone)
        {
            return false;
        }

        return DecisionRules.Allows(decision.Body, MoveQuestion, change.Id, now) && Slots.Text(decision.Body, Slots.Decision.Profile) == target;
    }

    private readonly record struct Places(bool IsThere, string Old, string New);
}
