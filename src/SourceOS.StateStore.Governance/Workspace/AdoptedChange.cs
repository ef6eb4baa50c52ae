// Why this file exists: what a worker hands to the committer. Invariants: the body is encoded and valid; the options are shared and not
// changed after they were handed over.

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>One object to write.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Body">Its body; null to delete it.</param>
/// <param name="Options">What else the change carries.</param>
internal readonly record struct AdoptedChange(string Id, byte[]? Body, ChangeOptions Options);
