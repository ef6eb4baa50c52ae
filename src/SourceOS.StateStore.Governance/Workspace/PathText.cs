// Why this file exists: paths are bytes to the kernel and text to people; here is the one place where one becomes the other. Invariants: the
// text of a path that is not UTF-8 shows each bad byte as \xNN; it is for reports only and never turned back.

using System.Text;
using System.Text.Unicode;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Paths as text.</summary>
internal static class PathText
{
    /// <summary>Renders a path for a report.</summary>
    /// <param name="path">The path's bytes.</param>
    public static string Render(ReadOnlySpan<byte> path)
    {
        if (Utf8.IsValid(path))
        {
            return Encoding.UTF8.GetString(path);
        }

        StringBuilder text = new(path.Length + 16);
        while (!path.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(path, out Rune rune, out int consumed) == System.Buffers.OperationStatus.Done)
            {
                text.Append(rune.ToString());
            }
            else
            {
                consumed = 1;
                text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\x{path[0]:x2}");
            }

            path = path[consumed..];
        }

        return text.ToString();
    }
}
