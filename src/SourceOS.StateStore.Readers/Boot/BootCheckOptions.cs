// Why this file exists: what a boot check is asked for, validated by the check itself: early boot has nobody to throw at.

namespace SourceOS.StateStore.Readers.Boot;

/// <summary>How to check.</summary>
public sealed record BootCheckOptions
{
    /// <summary>The default of <see cref="BudgetMs"/>.</summary>
    public const int DefaultBudgetMs = 2000;

    /// <summary>The default of <see cref="StandardUpToBytes"/>.</summary>
    public const long DefaultStandardUpToBytes = 64L << 20;

    /// <summary>The store's directory.</summary>
    public required string StorePath { get; init; }

    /// <summary>Time for the check in milliseconds, 1 to 600,000. The quick level runs whatever it is; it is cut short only past ten times of it.</summary>
    public int BudgetMs { get; init; } = DefaultBudgetMs;

    /// <summary>A store up to this size in bytes is checked completely when time permits, however it was closed.</summary>
    public long StandardUpToBytes { get; init; } = DefaultStandardUpToBytes;

    /// <summary>Content of a file of verifier keys, one a line (C2SP signed note format); null for none.</summary>
    public string? RootKeys { get; init; }

    /// <summary>A signed note with a checkpoint that the store must continue; null for none.</summary>
    public byte[]? MinimumRootNote { get; init; }

    /// <summary>The kernel's boot id; read from the system when null.</summary>
    public string? BootId { get; init; }

    /// <summary>Where files are opened; the operating system's when null.</summary>
    public Log.StoreFiles? Files { get; init; }
}
