// Why this file exists: scripts read exit codes, so each has one meaning everywhere. Invariants: numbers never change meaning.

namespace SourceOS.StateStore.Cli.Host;

/// <summary>How the program ends.</summary>
internal enum ExitCode
{
    /// <summary>Yes, or done.</summary>
    Done = 0,

    /// <summary>The answer is no: damage, findings, not safe.</summary>
    No = 1,

    /// <summary>The command line is wrong.</summary>
    Usage = 2,

    /// <summary>Not found, or there is no store.</summary>
    NotFound = 3,

    /// <summary>Refused by policy, scope or an expectation of the caller.</summary>
    Refused = 4,

    /// <summary>Another process holds the store.</summary>
    Locked = 5,

    /// <summary>The store cannot be trusted as it is.</summary>
    Unsafe = 6,

    /// <summary>Input or output failed, or the disk is full.</summary>
    InputOutput = 7,

    /// <summary>The input data breaks a rule.</summary>
    BadData = 8,

    /// <summary>Interrupted by the user, as shells number it.</summary>
    Interrupted = 130,
}
