// Why this file exists: the codes that an event stores. Invariants: numbers never change meaning; 0 is invalid; a stability test holds them.

namespace SourceOS.StateStore.Format;

/// <summary>The lane of an event: each has its own counts, lag and health. Codes are stored.</summary>
public enum Lane : byte
{
    /// <summary>Ordinary changes.</summary>
    Normal = 1,

    /// <summary>Changes that go before ordinary ones.</summary>
    Priority = 2,

    /// <summary>Changes that must not happen without a policy decision.</summary>
    Secure = 3,

    /// <summary>Changes that need not outlive their session.</summary>
    Ephemeral = 4,

    /// <summary>Facts that an agent remembers.</summary>
    Memory = 5,

    /// <summary>Policy documents and decisions.</summary>
    Policy = 6,

    /// <summary>What must be on record and is never dropped.</summary>
    Audit = 7,

    /// <summary>Deletions.</summary>
    Tombstone = 8,

    /// <summary>Schema migrations.</summary>
    Migration = 9,

    /// <summary>Repairs.</summary>
    Repair = 10,

    /// <summary>What is kept and no longer changed.</summary>
    Archive = 11,
}

/// <summary>What an event does to its subject. Codes are stored.</summary>
public enum EventAction : byte
{
    /// <summary>It changes no record.</summary>
    None = 1,

    /// <summary>Its image becomes the record's value.</summary>
    Put = 2,

    /// <summary>Its image becomes the record's value, marked as deleted.</summary>
    Tombstone = 3,

    /// <summary>The record and everything derived from it goes.</summary>
    Purge = 4,
}

/// <summary>What an event says about its image beside the bytes. Bits are stored.</summary>
[Flags]
public enum ImageMarks : ushort
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The quick check at boot reads the record.</summary>
    BootCritical = 1,
}
