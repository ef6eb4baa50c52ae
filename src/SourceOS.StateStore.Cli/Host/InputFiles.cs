// Why this file exists: documents come from files and from stdin, of any size. Invariants: nothing larger than a record may be is read into memory; a file
// that is not there is "not found", one that cannot be read is an I/O error.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>Reads input documents.</summary>
internal static class InputFiles
{
    private static readonly string[] Extensions = [".json", ".ndjson", ".jsonl"];

    /// <summary>Opens a file, or stdin for "-".</summary>
    /// <param name="path">The path.</param>
    public static Stream Open(string path)
    {
        if (path == "-")
        {
            return Console.OpenStandardInput();
        }

        if (Directory.Exists(path))
        {
            throw CliException.BadData("This is a directory; a file is wanted.", path);
        }

        try
        {
            // A pipe is welcome while somebody writes to it, as a shell's <(command) does; opening one without a writer would wait for ever.
            return PipeFile.TryOpen(path)
                ?? new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.ReadWrite, BufferSize = 0 });
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw CliException.NotFound("There is no such file.", path);
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or IOException or ArgumentException)
        {
            throw CliException.InputOutput($"The file cannot be opened: {exception.Message}", path);
        }
    }

    /// <summary>Reads one document of at most a record's size.</summary>
    /// <param name="path">The file, or "-".</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static byte[] ReadDocument(string path, CancellationToken cancellationToken)
    {
        using Stream stream = Open(path);
        byte[] buffer = new byte[FormatLimits.MaxRecordJsonLengthBytes + 1];
        int length = 0;
        int read;
        while (length < buffer.Length && (read = stream.Read(buffer, length, buffer.Length - length)) > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            length += read;
        }

        return length <= FormatLimits.MaxRecordJsonLengthBytes
            ? buffer[..length]
            : throw CliException.BadData(
                $"The document has more than {FormatLimits.MaxRecordJsonLengthBytes} bytes.", path == "-" ? "standard input" : path, "Keep content in files and its hash in the record.", "too_large");
    }

    /// <summary>The files that an argument names: itself, or for a directory its .json, .ndjson and .jsonl files in order of their names.</summary>
    /// <param name="source">The argument; "-" is standard input.</param>
    public static IEnumerable<string> Expand(string source)
    {
        if (source == "-" || !Directory.Exists(source))
        {
            return [source];
        }

        EnumerationOptions options = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = false };
        List<string> files = [.. Directory.EnumerateFiles(source, "*", options).Where(static file => Extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))];
        files.Sort(StringComparer.Ordinal);
        return files.Count > 0 ? files : throw CliException.NotFound("The directory has no .json, .ndjson or .jsonl file.", source);
    }
}
