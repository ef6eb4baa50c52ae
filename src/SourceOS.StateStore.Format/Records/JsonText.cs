// Why this file exists: what JSON text the format stores: one value, no insignificant white space, bounded depth (format-spec/records.md, tag 3).
// Invariants: bounded by the length of the text; never throws, never allocates.

namespace SourceOS.StateStore.Format;

/// <summary>Checks stored JSON text. Thread-safe.</summary>
public static class JsonText
{
    /// <summary>Deepest nesting of a value inside a record, so that the record's document is not deeper than the format's bound.</summary>
    public const int MaxValueDepth = FormatLimits.MaxJsonDepth - 1;

    /// <summary>Checks that bytes are exactly one JSON value of at most <see cref="MaxValueDepth"/>, without white space between tokens.</summary>
    /// <param name="json">The bytes.</param>
    /// <returns>What is wrong, or no fault.</returns>
    public static FormatFault Check(ReadOnlySpan<byte> json) => JsonScanner.CheckValue(json, MaxValueDepth, allowSpace: false);

    /// <summary>Checks that bytes are exactly one JSON value of at most the format's depth; white space between tokens is allowed.</summary>
    /// <param name="json">The bytes.</param>
    /// <returns>What is wrong, or no fault.</returns>
    public static FormatFault CheckLoose(ReadOnlySpan<byte> json) => JsonScanner.CheckValue(json, FormatLimits.MaxJsonDepth, allowSpace: true);
}
