// Why this file exists: one list of everything that can be wrong with a store or the machine under it, so that every door
// (library, CLI exit codes, C ABI statuses, HTTP) maps from the same names. Invariants: numbers never change meaning; 0 is invalid.

namespace SourceOS.StateStore;

/// <summary>What went wrong, independent of where. Numbers are stable and appear in machine-readable output.</summary>
public enum StateStoreErrorCode
{
    /// <summary>The directory holds no store.</summary>
    NotInitialized = 1,

    /// <summary>The directory exists and is not empty, but is not a store, or a store is already there where a new one was asked for.</summary>
    AlreadyExists = 2,

    /// <summary>The store was written in a format this build cannot read, or needs a newer reader.</summary>
    UnsupportedFormat = 3,

    /// <summary>Another process holds the writer lock.</summary>
    Locked = 4,

    /// <summary>The process may not read or write the store's files.</summary>
    AccessDenied = 5,

    /// <summary>The device has no space left, or the store reached its quota.</summary>
    DiskFull = 6,

    /// <summary>The operating system reported an input or output error.</summary>
    InputOutput = 7,

    /// <summary>Bytes in the durable log contradict their checksum, their hash chain or their place.</summary>
    LogDamaged = 8,

    /// <summary>Bytes in the derived state contradict their checksum, their digest or the log.</summary>
    StateDamaged = 9,

    /// <summary>The log ends before a position that something else proves to have been durable.</summary>
    LogRolledBack = 10,

    /// <summary>The store as a whole is older than a root the caller holds.</summary>
    StoreRolledBack = 11,

    /// <summary>An earlier fatal fault closed the store for writing until it is opened again.</summary>
    Latched = 12,

    /// <summary>The store is closed.</summary>
    Closed = 13,

    /// <summary>A native library that the store needs cannot be loaded.</summary>
    NativeLibraryMissing = 14,

    /// <summary>Input given to the store breaks a rule of the format: an identifier, a size, a JSON document.</summary>
    InvalidInput = 15,

    /// <summary>A snapshot outlived its bound and was given back.</summary>
    SnapshotExpired = 16,

    /// <summary>The superblock is unreadable in both of its slots.</summary>
    SuperblockDamaged = 17,

    /// <summary>Recovery found a state that a person must judge before anything is written.</summary>
    ReviewRequired = 18,
}
