// Why this file exists: what a child says must be with its parent before it can be killed. Invariants: one line, one write call, no buffer in this
// process; lines of several threads do not mix.

using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>The standard output of a child.</summary>
internal static class ChildOutput
{
    private static readonly Lock s_gate = new();
    private static readonly Stream s_stream = Console.OpenStandardOutput();

    internal static void Say(string line)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(line + "\n");
        lock (s_gate)
        {
            s_stream.Write(bytes);
        }
    }
}

/// <summary>Numbers as arguments and lines.</summary>
internal static class Numbers
{
    internal static int Parse(string text) => int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
}
