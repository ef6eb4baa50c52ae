// Why this file exists: every record as the document it came as: what is exported and imported again is equal, unknown fields included.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `contracts` format.</summary>
internal static class ContractsExport
{
    private const int MaxNameLength = 100;

    public static IEnumerable<(string Path, Action<Stream> Write)> Files(ExportContext context)
    {
        foreach (RecordKindInfo kind in RecordKinds.All)
        {
            foreach (StoredRecord record in context.Records(kind.Kind))
            {
                yield return ($"{kind.PluralName}/{NameOf(record.Id)}.json", stream =>
                {
                    stream.Write(record.ToJson());
                    stream.WriteByte((byte)'\n');
                });
            }
        }
    }

    // Identifiers hold slashes, colons and any letter; a name that had to be changed ends with a hash, so that no two meet.
    internal static string NameOf(string id)
    {
        string safe = string.Create(id.Length, id, static (span, source) =>
        {
            for (int i = 0; i < source.Length; i++)
            {
                span[i] = char.IsAsciiLetterOrDigit(source[i]) || source[i] is '-' or '_' or '.' ? source[i] : '-';
            }
        }).TrimStart('.');
        bool isSame = safe == id && safe.Length <= MaxNameLength;
        string hash = Convert.ToHexStringLower(Checksum.Sha256(System.Text.Encoding.UTF8.GetBytes(id)).Bytes[..6]);
        return isSame && safe.Length > 0 ? safe : $"{safe[..Math.Min(safe.Length, MaxNameLength)]}.{hash}";
    }
}
