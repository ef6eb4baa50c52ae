// Why this file exists: every name a store's file can have is made and understood here. Invariants: parsing accepts exactly the
// names that making gives, so two names never mean the same segment or generation.

using System.Globalization;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>Paths of the files of a store. See format-spec/superblock.md. Immutable.</summary>
public sealed class StoreLayout
{
    /// <summary>Name of the superblock.</summary>
    public const string SuperblockName = "STORE";

    /// <summary>Name of the writer's lock.</summary>
    public const string LockName = "LOCK";

    /// <summary>Name of the directory of log segments.</summary>
    public const string EventsName = "events";

    /// <summary>Name of the directory of state generations.</summary>
    public const string StateName = "state";

    /// <summary>Name of the directory of bytes that were set aside.</summary>
    public const string QuarantineName = "quarantine";

    /// <summary>Name of the directory of reports.</summary>
    public const string ReportsName = "reports";

    /// <summary>Name of the directory of parity.</summary>
    public const string ParityName = "parity";

    /// <summary>Name of the directory of checkpoints of the state.</summary>
    public const string CheckpointsName = "checkpoints";

    /// <summary>Name of the journal of an erasure that is not finished.</summary>
    public const string ErasureJournalName = "erasure.journal";

    /// <summary>Name of the state's data file within a generation.</summary>
    public const string StateDataName = "data.mdb";

    /// <summary>Name of the state's lock file within a generation.</summary>
    public const string StateLockName = "lock.mdb";

    /// <summary>What a segment's name ends with while it is being made.</summary>
    public const string UnfinishedSuffix = ".new";

    private const string SegmentPrefix = "segment-";
    private const string SegmentSuffix = ".log";
    private const string ParitySuffix = ".parity";
    private const string CheckpointPrefix = "state-";
    private const string CheckpointSuffix = ".checkpoint";
    private const int CheckpointDigits = 20;
    private const string FrontierPrefix = "frontier-";
    private const int SegmentDigits = 8;
    private const string GenerationPrefix = "g";

    /// <summary>Creates the layout of a store.</summary>
    /// <param name="storePath">The store's directory. It need not exist.</param>
    public StoreLayout(string storePath)
    {
        ArgumentException.ThrowIfNullOrEmpty(storePath);
        StorePath = storePath;
    }

    /// <summary>The store's directory.</summary>
    public string StorePath { get; }

    /// <summary>Path of the superblock.</summary>
    public string SuperblockPath => Path.Combine(StorePath, SuperblockName);

    /// <summary>Path of the writer's lock.</summary>
    public string LockPath => Path.Combine(StorePath, LockName);

    /// <summary>Path of the directory of log segments.</summary>
    public string EventsPath => Path.Combine(StorePath, EventsName);

    /// <summary>Path of the directory of state generations.</summary>
    public string StatePath => Path.Combine(StorePath, StateName);

    /// <summary>Path of the directory of bytes that were set aside.</summary>
    public string QuarantinePath => Path.Combine(StorePath, QuarantineName);

    /// <summary>Path of the directory of reports.</summary>
    public string ReportsPath => Path.Combine(StorePath, ReportsName);

    /// <summary>Path of the directory of parity.</summary>
    public string ParityFolderPath => Path.Combine(StorePath, ParityName);

    /// <summary>Path of the directory of checkpoints of the state.</summary>
    public string CheckpointsPath => Path.Combine(StorePath, CheckpointsName);

    /// <summary>Path of the journal of an erasure that is not finished.</summary>
    public string ErasureJournalPath => Path.Combine(StorePath, ErasureJournalName);

    /// <summary>The file name of a segment.</summary>
    /// <param name="segment">The segment's number, not negative.</param>
    /// <returns>The name without a directory.</returns>
    public static string SegmentName(int segment)
        => SegmentPrefix + segment.ToString("D8", CultureInfo.InvariantCulture) + SegmentSuffix;

    /// <summary>The path of a segment.</summary>
    /// <param name="segment">The segment's number.</param>
    /// <returns>The path.</returns>
    public string SegmentPath(int segment) => Path.Combine(EventsPath, SegmentName(segment));

    /// <summary>The name of the file that holds a segment's parity.</summary>
    /// <param name="segment">The segment's number, not negative.</param>
    /// <returns>The name without a directory.</returns>
    public static string ParityFileName(int segment)
        => SegmentPrefix + segment.ToString("D8", CultureInfo.InvariantCulture) + ParitySuffix;

    /// <summary>The path of a segment's parity.</summary>
    /// <param name="segment">The segment's number.</param>
    /// <returns>The path.</returns>
    public string ParityPath(int segment) => Path.Combine(ParityFolderPath, ParityFileName(segment));

    /// <summary>The name of a checkpoint of the state.</summary>
    /// <param name="sequence">The last sequence that it folds.</param>
    /// <returns>The name without a directory. Names sort as their sequences do.</returns>
    public static string CheckpointName(ulong sequence) => CheckpointPrefix + sequence.ToString("D20", CultureInfo.InvariantCulture) + CheckpointSuffix;

    /// <summary>The path of a checkpoint of the state.</summary>
    /// <param name="sequence">The last sequence that it folds.</param>
    /// <returns>The path.</returns>
    public string CheckpointPath(ulong sequence) => Path.Combine(CheckpointsPath, CheckpointName(sequence));

    /// <summary>The name of the file that holds the frontier of the log's tree at the first commit that ends in a segment.</summary>
    /// <param name="segment">The segment's number, not negative.</param>
    /// <returns>The name without a directory.</returns>
    public static string FrontierName(int segment) => FrontierPrefix + segment.ToString("D8", CultureInfo.InvariantCulture);

    /// <summary>The path of a frontier.</summary>
    /// <param name="segment">The segment's number.</param>
    /// <returns>The path.</returns>
    public string FrontierPath(int segment) => Path.Combine(CheckpointsPath, FrontierName(segment));

    /// <summary>The directory name of a state generation.</summary>
    /// <param name="generation">The generation, from 1.</param>
    /// <returns>The name without a directory.</returns>
    public static string GenerationName(ulong generation) => GenerationPrefix + generation.ToString(CultureInfo.InvariantCulture);

    /// <summary>The directory of a state generation.</summary>
    /// <param name="generation">The generation, from 1.</param>
    /// <returns>The path.</returns>
    public string GenerationPath(ulong generation) => Path.Combine(StatePath, GenerationName(generation));

    /// <summary>The data file of a state generation.</summary>
    /// <param name="generation">The generation, from 1.</param>
    /// <returns>The path.</returns>
    public string StateDataPath(ulong generation) => Path.Combine(GenerationPath(generation), StateDataName);

    /// <summary>A path below the store's directory as findings and reports show it.</summary>
    /// <param name="path">A path that this layout made.</param>
    /// <returns>The part below the store's directory, with slashes; the path itself when it is not below.</returns>
    public string Relative(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string prefix = StorePath.EndsWith(Path.DirectorySeparatorChar) ? StorePath : StorePath + Path.DirectorySeparatorChar;
        return path.StartsWith(prefix, StringComparison.Ordinal) ? path[prefix.Length..] : path;
    }

    /// <summary>Understands a segment's file name.</summary>
    /// <param name="name">A name without a directory.</param>
    /// <param name="segment">The segment's number.</param>
    /// <returns>Whether <see cref="SegmentName"/> gives this name for <paramref name="segment"/>.</returns>
    public static bool TryParseSegmentName(ReadOnlySpan<char> name, out int segment) => TryParseName(name, SegmentSuffix, out segment);

    /// <summary>Understands the name of a parity file.</summary>
    /// <param name="name">A name without a directory.</param>
    /// <param name="segment">The number of the segment that it covers.</param>
    /// <returns>Whether <see cref="ParityFileName"/> gives this name for <paramref name="segment"/>.</returns>
    public static bool TryParseParityName(ReadOnlySpan<char> name, out int segment) => TryParseName(name, ParitySuffix, out segment);

    /// <summary>Understands the name of a checkpoint of the state.</summary>
    /// <param name="name">A name without a directory.</param>
    /// <param name="sequence">The last sequence that it folds.</param>
    /// <returns>Whether <see cref="CheckpointName"/> gives this name for <paramref name="sequence"/>.</returns>
    public static bool TryParseCheckpointName(ReadOnlySpan<char> name, out ulong sequence)
    {
        sequence = 0;
        return name.Length == CheckpointPrefix.Length + CheckpointDigits + CheckpointSuffix.Length
            && name.StartsWith(CheckpointPrefix, StringComparison.Ordinal)
            && name.EndsWith(CheckpointSuffix, StringComparison.Ordinal)
            && TryParseNumber(name[CheckpointPrefix.Length..^CheckpointSuffix.Length], CheckpointDigits, out sequence);
    }

    /// <summary>Understands the name of a frontier.</summary>
    /// <param name="name">A name without a directory.</param>
    /// <param name="segment">The segment's number.</param>
    /// <returns>Whether <see cref="FrontierName"/> gives this name for <paramref name="segment"/>.</returns>
    public static bool TryParseFrontierName(ReadOnlySpan<char> name, out int segment)
    {
        segment = 0;
        if (!name.StartsWith(FrontierPrefix, StringComparison.Ordinal) || !TryParseNumber(name[FrontierPrefix.Length..], SegmentDigits, out ulong number) || number > int.MaxValue)
        {
            return false;
        }

        segment = (int)number;
        return true;
    }

    private static bool TryParseName(ReadOnlySpan<char> name, string suffix, out int segment)
    {
        segment = 0;
        if (!name.StartsWith(SegmentPrefix, StringComparison.Ordinal)
            || !name.EndsWith(suffix, StringComparison.Ordinal)
            || name.Length < SegmentPrefix.Length + SegmentDigits + suffix.Length
            || !TryParseNumber(name[SegmentPrefix.Length..^suffix.Length], SegmentDigits, out ulong number)
            || number > int.MaxValue)
        {
            return false;
        }

        segment = (int)number;
        return true;
    }

    /// <summary>Understands the directory name of a state generation.</summary>
    /// <param name="name">A name without a directory.</param>
    /// <param name="generation">The generation, from 1.</param>
    /// <returns>Whether <see cref="GenerationName"/> gives this name for <paramref name="generation"/>.</returns>
    public static bool TryParseGenerationName(ReadOnlySpan<char> name, out ulong generation)
    {
        generation = 0;
        return name.StartsWith(GenerationPrefix, StringComparison.Ordinal)
            && TryParseNumber(name[GenerationPrefix.Length..], 1, out generation)
            && generation > 0;
    }

    // Exactly minDigits digits, or more without a leading zero.
    private static bool TryParseNumber(ReadOnlySpan<char> digits, int minDigits, out ulong number)
    {
        number = 0;
        if (digits.Length < minDigits || digits.Length > 20 || (digits.Length > minDigits && digits[0] == '0'))
        {
            return false;
        }

        foreach (char c in digits)
        {
            if (!char.IsAsciiDigit(c))
            {
                return false;
            }
        }

        return ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }
}
