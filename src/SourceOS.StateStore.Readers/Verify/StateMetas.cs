// Why this file exists: both meta pages of a state, read so that a commit in progress is not taken for damage. Invariants: reads at most a few
// times; the file's length is asked for after the metas, since a file never gets shorter under a writer.

using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Reads the meta pages of a data file.</summary>
internal static class StateMetas
{
    private const int Attempts = 5;

    /// <summary>Reads until two readings in a row are equal, or gives the last one.</summary>
    /// <param name="file">The data file.</param>
    /// <param name="pair">Both metas.</param>
    /// <param name="lengthBytes">The file's length.</param>
    /// <returns><see cref="ReadStatus.Ok"/>, also when the file is shorter than two metas; else why it cannot be read.</returns>
    public static ReadStatus Read(PositionalFile file, out LmdbMetaPair pair, out long lengthBytes)
    {
        byte[] now = new byte[LmdbLayout.MaxPageSizeBytes + LmdbLayout.MetaBytes];
        byte[] before = new byte[now.Length];
        int countBefore = -1;
        int count = 0;
        ReadStatus status = ReadStatus.Ok;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            status = file.Read(0, now, out count);
            if (count == countBefore && now.AsSpan(0, count).SequenceEqual(before.AsSpan(0, count)))
            {
                break;
            }

            (now, before) = (before, now);
            countBefore = count;
        }

        // After the last swap the newest bytes stand in either; both are equal when the loop ended early.
        pair = LmdbMetaPair.Parse(before.AsSpan(0, count));
        ReadStatus lengthStatus = file.GetLength(out lengthBytes);
        return status is ReadStatus.Ok or ReadStatus.EndOfFile ? lengthStatus : status;
    }
}
