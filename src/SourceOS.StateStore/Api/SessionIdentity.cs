// Why this file exists: nobody writes anonymously. A session binds who acts, on which device and in which profile, once, so
// that every event of its commits carries the same attribution.

namespace SourceOS.StateStore;

/// <summary>Who a session acts as. All parts are identifiers of 1 to 255 bytes, or empty when not applicable; the actor is required.</summary>
/// <param name="ActorId">The acting actor.</param>
/// <param name="DeviceId">The device it acts on.</param>
/// <param name="ProfileId">The profile it acts in.</param>
/// <param name="WorkspaceId">The workspace that events name unless a change says otherwise.</param>
public sealed record SessionIdentity(string ActorId, string DeviceId = "", string ProfileId = "", string WorkspaceId = "");
