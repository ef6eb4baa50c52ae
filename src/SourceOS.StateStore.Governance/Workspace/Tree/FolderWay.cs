// Why this file exists: a recorded path is followed folder by folder from an open root, so that no link on the way leads elsewhere. Invariants: nothing below the root is reached through a link; every descriptor opened on
// the way is closed, the root is left to its owner.

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>Reaches names below a root. Stateless.</summary>
internal static class FolderWay
{
    /// <summary>What is done with a name in its open folder.</summary>
    /// <param name="parent">The folder.</param>
    /// <param name="nameWithNul">The name.</param>
    /// <returns>The answer, passed on.</returns>
    public delegate T Use<out T>(int parent, byte[] nameWithNul);

    /// <summary>Opens the folders of a path and uses its last name.</summary>
    /// <param name="calls">System calls.</param>
    /// <param name="root">The open root.</param>
    /// <param name="path">The path below it, not empty.</param>
    /// <param name="use">Uses the name while its folder is open.</param>
    /// <param name="fail">Makes an answer of the error of a folder that could not be opened, negative.</param>
    /// <returns>What one of them answered.</returns>
    public static T To<T>(TreeCalls calls, int root, ReadOnlySpan<byte> path, Use<T> use, Func<int, T> fail)
    {
        int parent = root;
        try
        {
            for (int slash; (slash = path.IndexOf((byte)'/')) >= 0; path = path[(slash + 1)..])
            {
                int next = calls.OpenFolder(parent, Name(path[..slash]));
                if (parent != root)
                {
                    calls.Close(parent);
                }

                parent = root;
                if (next < 0)
                {
                    return fail(next);
                }

                parent = next;
            }

            return use(parent, Name(path));
        }
        finally
        {
            if (parent != root)
            {
                calls.Close(parent);
            }
        }
    }

    private static byte[] Name(ReadOnlySpan<byte> part)
    {
        byte[] name = new byte[part.Length + 1];
        part.CopyTo(name);
        return name;
    }
}
