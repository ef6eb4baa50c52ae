// Why this file exists: what an evaluation can come to. A bound that was reached is neither valid nor invalid, and callers must see it.
// Invariants: numbers are stable; only Valid lets an instance pass.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The outcome of checking an instance against a schema.</summary>
public enum SchemaVerdict
{
    /// <summary>The instance satisfies the schema.</summary>
    Valid = 1,

    /// <summary>The instance does not satisfy the schema.</summary>
    Invalid = 2,

    /// <summary>A bound ended the evaluation, so whether the instance satisfies the schema is unknown.</summary>
    LimitExceeded = 3,

    /// <summary>The bytes given are not one JSON text.</summary>
    Malformed = 4,
}

/// <summary>The bound that ended an evaluation.</summary>
public enum SchemaLimit
{
    /// <summary>The instance has more bytes or values than allowed.</summary>
    InstanceSize = 1,

    /// <summary>The instance is nested more deeply than allowed.</summary>
    InstanceDepth = 2,

    /// <summary>The evaluation took more steps than allowed.</summary>
    EvaluationSteps = 3,

    /// <summary>Subschemas were nested more deeply than allowed, or the thread's stack is nearly used up.</summary>
    EvaluationDepth = 4,

    /// <summary>References lead back to the same subschema at the same place of the instance, without end.</summary>
    ReferenceLoop = 5,

    /// <summary>A pattern that backtracks would have to remember more places than allowed.</summary>
    PatternMemory = 6,

    /// <summary>Two numbers have exponents too large to compare.</summary>
    NumberExponent = 7,
}
