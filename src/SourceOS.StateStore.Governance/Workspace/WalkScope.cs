// Why this file exists: after an event only the touched parts of a tree need looking at; this says which. Invariants: it holds hints, never facts: what it covers is looked at as in a whole run, what it does not cover is
// neither read nor taken as removed; it is immutable once made.

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>The parts of a tree that a run looks at. Immutable, thread-safe.</summary>
internal sealed class WalkScope
{
    private readonly HashSet<string> _listed = new(StringComparer.Ordinal);
    private readonly HashSet<string> _deep = new(StringComparer.Ordinal);
    private readonly HashSet<string> _onTheWay = new(StringComparer.Ordinal);

    /// <summary>A scope of touched paths.</summary>
    /// <param name="touched">Paths below the root; true for those whose whole content counts as touched too.</param>
    public WalkScope(IEnumerable<KeyValuePair<string, bool>> touched)
    {
        foreach ((string path, bool isDeep) in touched)
        {
            string folder = ParentOf(path);
            _listed.Add(folder);
            if (isDeep)
            {
                _deep.Add(path);
            }

            while (folder.Length > 0)
            {
                folder = ParentOf(folder);
                if (!_onTheWay.Add(folder))
                {
                    break;
                }
            }
        }
    }

    /// <summary>Whether all names in a folder are looked at.</summary>
    /// <param name="folder">The folder's path below the root; empty for the root.</param>
    public bool Lists(string folder) => _listed.Contains(folder) || IsDeep(folder);

    /// <summary>Whether a folder is entered at all.</summary>
    /// <param name="folder">The folder's path below the root.</param>
    public bool Enters(string folder) => _onTheWay.Contains(folder) || Lists(folder);

    /// <summary>Whether a path that was not met is gone.</summary>
    /// <param name="path">The path below the root.</param>
    public bool Covers(string path) => _listed.Contains(ParentOf(path)) || IsDeep(path);

    private static string ParentOf(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash < 0 ? "" : path[..slash];
    }

    private bool IsDeep(string path)
    {
        for (string at = path; at.Length > 0; at = ParentOf(at))
        {
            if (_deep.Contains(at))
            {
                return true;
            }
        }

        return false;
    }
}
