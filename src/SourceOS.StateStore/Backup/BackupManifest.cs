// Why this file exists: a backup says what it holds: which files with which hashes, and the roots that a restore of them must have (format-spec/backup.md). Invariants: text and values
// determine each other; no path in it leaves the backup; bytes of any kind give a manifest or a reason.

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Backup;

/// <summary>A file of a backup.</summary>
/// <param name="Path">Its path in the backup.</param>
/// <param name="LengthBytes">Its length.</param>
/// <param name="Hash">SHA-256 of its bytes.</param>
internal sealed record BackupFile(string Path, long LengthBytes, Hash256 Hash);

/// <summary>What a backup holds.</summary>
/// <param name="Checkpoint">The roots that a restore must have.</param>
/// <param name="Files">The files, in ordinal order of their paths.</param>
internal sealed record BackupManifest(Checkpoint Checkpoint, IReadOnlyList<BackupFile> Files)
{
    internal const string FileName = "MANIFEST";

    private const string Title = "sourceos-statestore-backup/1\n";
    private const string FilePrefix = "file ";

    internal string ToText()
    {
        StringBuilder text = new StringBuilder(Title).Append(Checkpoint.ToText());
        foreach (BackupFile file in Files)
        {
            text.Append(CultureInfo.InvariantCulture, $"{FilePrefix}{file.LengthBytes} {file.Hash} {file.Path}\n");
        }

        return text.ToString();
    }

    internal static bool TryParse(string text, [NotNullWhen(true)] out BackupManifest? manifest, out string reason)
    {
        manifest = null;
        reason = "it does not begin as a manifest does";
        if (!text.StartsWith(Title, StringComparison.Ordinal))
        {
            return false;
        }

        int filesAt = text.IndexOf("\n" + FilePrefix, Title.Length, StringComparison.Ordinal);
        if (filesAt < 0 || !Checkpoint.TryParse(text[Title.Length..(filesAt + 1)], out Checkpoint? checkpoint, out reason) || checkpoint.RecordsRoot is null || checkpoint.Sequence is null)
        {
            return false;
        }

        List<BackupFile> files = [];
        foreach (string line in text[(filesAt + 1)..].TrimEnd('\n').Split('\n'))
        {
            string[] parts = line.Split(' ');
            if (parts.Length != 4 || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long length) || !Hash256.TryParse(parts[2], out Hash256 hash) || !IsPath(parts[3]))
            {
                reason = $"file line {files.Count + 1} is malformed";
                return false;
            }

            files.Add(new BackupFile(parts[3], length, hash));
        }

        manifest = new BackupManifest(checkpoint, files);
        reason = "it is not written as this format writes it";
        return string.Equals(manifest.ToText(), text, StringComparison.Ordinal);
    }

    // Only what a store has at its top and one level below, in plain names.
    private static bool IsPath(string path) =>
        path.Length is > 0 and < 256 && path.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '/')
        && path.Split('/') is { Length: <= 2 } parts && parts.All(static part => part.Length > 0 && part[0] != '.');
}
