// Why this file exists: what a verifier found, in a form that programs and people can act on. Invariants: codes and numbers never change
// meaning, because reports and repair plans store them; 0 is invalid.

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>How bad a finding is.</summary>
public enum FindingSeverity
{
    /// <summary>Worth knowing, nothing is wrong: a torn tail that nobody was promised, a stray file.</summary>
    Info = 1,

    /// <summary>Not as it should be, but explained by a crash, and nothing depends on it.</summary>
    Warning = 2,

    /// <summary>The store is not as it was written.</summary>
    Error = 3,
}

/// <summary>What kind of bytes a finding is about.</summary>
public enum FindingClass
{
    /// <summary>Bytes that exist once: the log, the superblock, what was set aside.</summary>
    Durable = 1,

    /// <summary>Bytes that can be made again from durable ones.</summary>
    Rebuildable = 2,

    /// <summary>Bytes that nobody misses.</summary>
    Disposable = 3,

    /// <summary>Bytes that only serve to heal others: parity.</summary>
    Protective = 4,
}

/// <summary>Where a finding is. Parts that do not apply are null or empty.</summary>
public sealed record FindingPlace
{
    /// <summary>The file, relative to the store, with slashes.</summary>
    public string File { get; init; } = "";

    /// <summary>Offset in the file, in bytes.</summary>
    public long? OffsetBytes { get; init; }

    /// <summary>Log address.</summary>
    public long? Address { get; init; }

    /// <summary>Number of the frame.</summary>
    public ulong? FrameNumber { get; init; }

    /// <summary>First sequence of the events concerned.</summary>
    public ulong? FirstSequence { get; init; }

    /// <summary>Last sequence of the events concerned.</summary>
    public ulong? LastSequence { get; init; }

    /// <summary>Name of the table of the state.</summary>
    public string Table { get; init; } = "";

    /// <summary>The record as `kind/identifier`, or an entry's key in hexadecimal digits.</summary>
    public string Record { get; init; } = "";

    /// <summary>The place as one phrase.</summary>
    /// <returns>The parts that are set.</returns>
    public override string ToString()
    {
        List<string> parts = [];
        if (File.Length > 0)
        {
            parts.Add(OffsetBytes is { } offset ? $"{File} offset {offset}" : File);
        }

        if (Address is { } address)
        {
            parts.Add($"address {address}");
        }

        if (FrameNumber is { } frame)
        {
            parts.Add($"frame {frame}");
        }

        if (FirstSequence is { } first)
        {
            parts.Add(LastSequence is { } last && last != first ? $"sequences {first} to {last}" : $"sequence {first}");
        }

        if (Table.Length > 0)
        {
            parts.Add($"table {Table}");
        }

        if (Record.Length > 0)
        {
            parts.Add($"record {Record}");
        }

        return string.Join(", ", parts);
    }
}

/// <summary>One thing that a verifier found.</summary>
/// <param name="Kind">What it is; see <see cref="FindingKinds"/>.</param>
/// <param name="Place">Where it is.</param>
/// <param name="Message">What was found there, in a sentence.</param>
public sealed record Finding(FindingKind Kind, FindingPlace Place, string Message)
{
    /// <summary>Stable name of the kind, such as `log.frame.body-crc`.</summary>
    public string Code => Kind.Code;

    /// <summary>How bad it is.</summary>
    public FindingSeverity Severity => Kind.Severity;

    /// <summary>What kind of bytes it is about.</summary>
    public FindingClass Class => Kind.Class;

    /// <summary>What is lost when nothing is done.</summary>
    public string LossIfIgnored => Kind.LossIfIgnored;

    /// <summary>Whether repair needs no person to decide.</summary>
    public bool AutoRepair => Kind.AutoRepair;
}

/// <summary>A kind of finding. All of them stand in <see cref="FindingKinds"/>.</summary>
/// <param name="Code">Stable name.</param>
/// <param name="Severity">How bad.</param>
/// <param name="Class">What kind of bytes.</param>
/// <param name="AutoRepair">Whether repair needs no person to decide.</param>
/// <param name="LossIfIgnored">What is lost when nothing is done, in a phrase.</param>
public sealed record FindingKind(string Code, FindingSeverity Severity, FindingClass Class, bool AutoRepair, string LossIfIgnored);
