// Why this file exists: what a file brings, one value at a time, with the line it stands on. Invariants: an item is a document or a fault, never both.

namespace SourceOS.StateStore.Cli.Import;

/// <summary>A document of an input file, or why there is none.</summary>
/// <param name="Line">The line it starts on, from 1.</param>
/// <param name="Document">The document's bytes; empty for a fault.</param>
/// <param name="Rule">The broken rule, a stable word; empty when none is.</param>
/// <param name="Message">What is wrong, in a sentence.</param>
internal readonly record struct ImportItem(long Line, ReadOnlyMemory<byte> Document, string Rule = "", string Message = "")
{
    /// <summary>Whether it is a fault.</summary>
    public bool IsFault => Rule.Length > 0;

    /// <summary>A fault.</summary>
    public static ImportItem Fault(long line, string rule, string message) => new(line, default, rule, message);
}

/// <summary>A line that could not be imported.</summary>
/// <param name="File">The file as it was named.</param>
/// <param name="Line">The line.</param>
/// <param name="Rule">The broken rule.</param>
/// <param name="Message">What is wrong.</param>
internal sealed record ImportFailure(string File, long Line, string Rule, string Message);
