// Why this file exists: records lean on each other: an object on its schema and profile, a lease on its actor. Files named in alphabetical order would be refused for what a later
// file brings. Invariants: only the order changes; files that hold many records, and what cannot be looked into, keep their place behind the others.

using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Import;

/// <summary>Orders files of an import.</summary>
internal static class ImportOrder
{
    private const int MaxPeekBytes = 64 << 10;

    private static readonly RecordKind[] s_first =
    [
        RecordKind.Identity, RecordKind.Device, RecordKind.Profile, RecordKind.Actor, RecordKind.Key, RecordKind.Membership, RecordKind.Lease, RecordKind.Schema, RecordKind.Decision,
        RecordKind.Object,
    ];

    /// <summary>Puts files first whose record others lean on; files of equal rank keep their order.</summary>
    /// <param name="files">The files; "-" is standard input.</param>
    public static IReadOnlyList<string> Sort(IEnumerable<string> files) => [.. files.OrderBy(Rank)];

    private static int Rank(string file)
    {
        // A pipe has no length, and looking into it would take its bytes from the import.
        if (file == "-" || !file.EndsWith(".json", StringComparison.OrdinalIgnoreCase) || !File.Exists(file) || new FileInfo(file).Length == 0)
        {
            return s_first.Length;
        }

        try
        {
            using Stream stream = InputFiles.Open(file);
            byte[] bytes = new byte[MaxPeekBytes];
            int length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            int rank = KindOf(bytes.AsSpan(0, length)) is { } kind ? Array.IndexOf(s_first, kind) : -1;
            return rank < 0 ? s_first.Length : rank;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException or CliException)
        {
            // The import itself says what is wrong with the file, in its turn.
            return s_first.Length;
        }
    }

    private static RecordKind? KindOf(ReadOnlySpan<byte> bytes)
    {
        Utf8JsonReader reader = new(bytes, isFinalBlock: false, state: default);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1 && reader.ValueTextEquals("schema"u8))
            {
                return reader.Read() && reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped && RecordKinds.TryParseSchema(reader.ValueSpan, out RecordKindInfo? info) ? info.Kind : null;
            }
        }

        return null;
    }
}
