// Why this file exists: the codes of record kinds, and the types a known field can have (format-spec/records.md).
// Invariants: codes never change meaning; 0 is invalid.

namespace SourceOS.StateStore.Format;

/// <summary>Kinds of records. Codes are stored and stable.</summary>
public enum RecordKind : byte
{
    /// <summary>An object.</summary>
    Object = 1,

    /// <summary>An actor.</summary>
    Actor = 2,

    /// <summary>An identity.</summary>
    Identity = 3,

    /// <summary>A workspace membership.</summary>
    Membership = 4,

    /// <summary>A capability lease.</summary>
    Lease = 5,

    /// <summary>A device.</summary>
    Device = 6,

    /// <summary>A profile.</summary>
    Profile = 7,

    /// <summary>A schema.</summary>
    Schema = 8,

    /// <summary>A schema migration.</summary>
    Migration = 9,

    /// <summary>A sync plan.</summary>
    Plan = 10,

    /// <summary>A conflict.</summary>
    Conflict = 11,

    /// <summary>A policy decision.</summary>
    Decision = 12,

    /// <summary>An agent transaction.</summary>
    Transaction = 13,

    /// <summary>A repair report.</summary>
    Report = 14,

    /// <summary>A signing key's public record.</summary>
    Key = 15,

    /// <summary>A trust change.</summary>
    Trust = 16,

    /// <summary>A workspace operation.</summary>
    Operation = 17,

    /// <summary>An operation's task.</summary>
    Task = 18,

    /// <summary>An integrity event taken in from elsewhere.</summary>
    Observation = 19,
}

/// <summary>What a known field holds when it is encoded in its own way.</summary>
public enum FieldType
{
    /// <summary>Text.</summary>
    Text = 1,

    /// <summary>A 64-bit integer.</summary>
    Integer = 2,

    /// <summary>A point in time.</summary>
    Time = 3,

    /// <summary>A list of text.</summary>
    TextList = 4,

    /// <summary>True or false.</summary>
    Boolean = 5,

    /// <summary>A SHA-256 hash.</summary>
    Sha256 = 6,

    /// <summary>Any JSON value.</summary>
    Json = 7,
}

/// <summary>How a slot's value is stored. Codes are stored and stable.</summary>
public enum FieldTag : byte
{
    /// <summary>The field is absent.</summary>
    Absent = 0,

    /// <summary>JSON null.</summary>
    Null = 1,

    /// <summary>Text as UTF-8.</summary>
    Text = 2,

    /// <summary>JSON text.</summary>
    Json = 3,

    /// <summary>A 64-bit integer.</summary>
    Integer = 4,

    /// <summary>Microseconds since 1970.</summary>
    Time = 5,

    /// <summary>A list of text.</summary>
    TextList = 6,

    /// <summary>True or false.</summary>
    Boolean = 7,

    /// <summary>32 bytes of SHA-256.</summary>
    Sha256 = 8,
}

/// <summary>A known field.</summary>
/// <param name="Name">Its JSON name.</param>
/// <param name="Slot">Its slot.</param>
/// <param name="Type">Its type.</param>
public sealed record KnownField(string Name, int Slot, FieldType Type);
