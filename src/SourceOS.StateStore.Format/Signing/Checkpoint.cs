// Why this file exists: a signed root says how large the log was, which tree it was, and what the state held then: the C2SP tlog-checkpoint format with two extension
// lines (format-spec/proofs.md). Invariants: text and values determine each other; numbers are canonical; unknown extension lines are kept and ignored.

using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace SourceOS.StateStore.Format;

/// <summary>The root of the log at a size, and of the records at that point. Immutable, thread-safe.</summary>
/// <param name="Origin">Which log: see <see cref="OriginOf"/>.</param>
/// <param name="Size">Frames in the log.</param>
/// <param name="Root">Root of the log tree over them.</param>
/// <param name="Sequence">Last sequence in them; null when the text does not say.</param>
/// <param name="RecordCount">Records in the state, tombstones included; null when the text does not say.</param>
/// <param name="RecordsRoot">Root of the tree over the sorted records; null when the text does not say.</param>
public sealed record Checkpoint(string Origin, ulong Size, Hash256 Root, ulong? Sequence = null, ulong? RecordCount = null, Hash256? RecordsRoot = null)
{
    private const string OriginPrefix = "sourceos-statestore/";
    private const string SequencePrefix = "sequence ";
    private const string RecordsPrefix = "records ";

    /// <summary>The origin of a store's checkpoints, which is also the name their keys sign with.</summary>
    /// <param name="storeId">The store.</param>
    /// <returns>The text.</returns>
    public static string OriginOf(Guid storeId) => OriginPrefix + storeId.ToString("D");

    /// <summary>Reads the text of a note.</summary>
    /// <param name="text">The signed text.</param>
    /// <param name="checkpoint">The checkpoint when the text is one.</param>
    /// <param name="reason">What is wrong otherwise.</param>
    /// <returns>Whether it is.</returns>
    public static bool TryParse(string text, [NotNullWhen(true)] out Checkpoint? checkpoint, out string reason)
    {
        checkpoint = null;
        string[] lines = (text ?? "").Split('\n');
        if (lines.Length < 4 || lines[^1].Length > 0 || lines[..^1].Any(static line => line.Length == 0))
        {
            reason = "a checkpoint has an origin, a size, a root and extensions, none of them empty";
            return false;
        }

        if (!TryNumber(lines[1], out ulong size) || size > MerkleFrontier.MaxLeafCount || !TryHash(lines[2], out Hash256 root))
        {
            reason = "the size is a decimal number below 2^48 without leading zeroes, and the root 32 bytes in base64";
            return false;
        }

        Checkpoint parsed = new(lines[0], size, root);
        foreach (string line in lines[3..^1])
        {
            if (!TryExtension(line, ref parsed))
            {
                reason = "an extension line of this format is malformed or stands twice";
                return false;
            }
        }

        reason = "";
        checkpoint = parsed;
        return true;
    }

    /// <summary>The text to sign.</summary>
    /// <returns>Lines, each with a newline.</returns>
    public string ToText()
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"{Origin}\n{Size}\n{Convert.ToBase64String(Root.Bytes)}\n");
        if (Sequence is { } sequence)
        {
            text += string.Create(CultureInfo.InvariantCulture, $"{SequencePrefix}{sequence}\n");
        }

        if (RecordCount is { } count && RecordsRoot is { } records)
        {
            text += string.Create(CultureInfo.InvariantCulture, $"{RecordsPrefix}{count} {Convert.ToBase64String(records.Bytes)}\n");
        }

        return text;
    }

    private static bool TryExtension(string line, ref Checkpoint parsed)
    {
        if (line.StartsWith(SequencePrefix, StringComparison.Ordinal))
        {
            bool isNew = parsed.Sequence is null;
            bool isNumber = TryNumber(line[SequencePrefix.Length..], out ulong sequence);
            parsed = parsed with { Sequence = sequence };
            return isNew && isNumber;
        }

        if (line.StartsWith(RecordsPrefix, StringComparison.Ordinal))
        {
            string[] parts = line[RecordsPrefix.Length..].Split(' ');
            if (parts.Length != 2 || parsed.RecordCount is not null || !TryNumber(parts[0], out ulong count) || count > MerkleFrontier.MaxLeafCount
                || !TryHash(parts[1], out Hash256 root))
            {
                return false;
            }

            parsed = parsed with { RecordCount = count, RecordsRoot = root };
        }

        return true;
    }

    private static bool TryNumber(string text, out ulong value) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && (text.Length == 1 || text[0] != '0');

    private static bool TryHash(string text, out Hash256 hash)
    {
        bool isHash = SignedNote.TryBase64(text, Hash256.LengthBytes, out byte[]? bytes);
        hash = isHash ? new Hash256(bytes) : default;
        return isHash;
    }
}
