// Why this file exists: a fault as data, so that a campaign can enumerate faults and print the one that failed. Invariants: immutable
// but for its counter; matches by operation and by path; fires from its n-th match on, once, a number of times, or for ever.

using System.IO.Enumeration;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Testing;

/// <summary>What a matching call suffers.</summary>
public enum FaultAction
{
    /// <summary>The call does nothing and answers the rule's errno.</summary>
    Fail = 1,

    /// <summary>A read or write transfers at most the rule's number of bytes. Other calls pass.</summary>
    Shorten = 2,

    /// <summary>A write transfers at most the rule's number of bytes and then answers the errno: a torn write. Other calls fail.</summary>
    FailAfterPart = 3,
}

/// <summary>One fault.</summary>
public sealed class FaultRule
{
    private int _matches;

    /// <summary>For ever, as <see cref="Times"/>.</summary>
    public const int Forever = int.MaxValue;

    /// <summary>Which operations.</summary>
    public required FileCallKinds Kinds { get; init; }

    /// <summary>File name pattern with * and ?, matched against the last part of the path and, when it holds '/', against all of it.</summary>
    public string PathPattern { get; init; } = "*";

    /// <summary>Fires from this match on; 1 is the first.</summary>
    public int Nth { get; init; } = 1;

    /// <summary>How many times in a row.</summary>
    public int Times { get; init; } = 1;

    public FaultAction Action { get; init; } = FaultAction.Fail;

    /// <summary>The errno, positive.</summary>
    public int ErrorNumber { get; init; } = Errno.EIO;

    /// <summary>Bytes that a short or partial transfer moves.</summary>
    public int PartBytes { get; init; } = 1;

    /// <summary>How often it matched.</summary>
    public int Matches => _matches;

    /// <summary>Whether it ever fired.</summary>
    public bool Fired => _matches >= Nth;

    public override string ToString() => $"{Kinds} on {PathPattern}: {Action} {Errno.Describe(ErrorNumber)}, from match {Nth}, {Times} times, {PartBytes} bytes";

    /// <summary>Counts a call and says whether it suffers.</summary>
    internal bool Applies(in FileCall call)
    {
        if ((Kinds & call.Kind) == 0 || !PathMatches(call.Path))
        {
            return false;
        }

        int match = Interlocked.Increment(ref _matches);
        return match >= Nth && match - Nth < Times;
    }

    private bool PathMatches(string path)
    {
        string subject = PathPattern.Contains('/', StringComparison.Ordinal) ? path : System.IO.Path.GetFileName(path);
        return FileSystemName.MatchesSimpleExpression(PathPattern, subject, ignoreCase: false);
    }
}
