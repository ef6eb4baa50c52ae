// Why this file exists: answers that are files of their own go to stdout or to the file the caller names. Invariants: a file appears whole or not at all, because it is written under
// another name first; a file of that name is replaced.

using System.CommandLine;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>Writes answers to files.</summary>
internal static class OutputFiles
{
    /// <summary>The option that names the file.</summary>
    public static Option<string> Option() => new("--output", "-o") { Description = "Write it to this file instead of stdout", HelpName = "FILE" };

    /// <summary>Writes a file.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="content">Its content.</param>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        byte[] bytes = content.ToArray();
        Write(path, stream => stream.Write(bytes));
    }

    /// <summary>Writes a file piece by piece.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="write">Writes its content.</param>
    public static void Write(string path, Action<Stream> write)
    {
        string made = path + ".new";
        try
        {
            using FileStream file = new(made, FileMode.Create, FileAccess.Write);
            write(file);
            file.Flush(flushToDisk: true);
        }
        catch
        {
            File.Delete(made);
            throw;
        }

        File.Move(made, path, overwrite: true);
    }
}
