// Why this file exists: records that the store makes by itself need identifiers that no other device makes too. Invariants: 128 bits from the system's generator of random
// numbers behind a word that says what it is; time is not part of it, since events carry it.

using System.Security.Cryptography;

namespace SourceOS.StateStore.Governance.Records;

/// <summary>Makes identifiers.</summary>
internal static class NewId
{
    /// <summary>A new identifier such as `lease:0f3a...`.</summary>
    /// <param name="prefix">What it is of.</param>
    public static string Of(string prefix)
    {
        Span<byte> random = stackalloc byte[16];
        RandomNumberGenerator.Fill(random);
        return $"{prefix}:{Convert.ToHexStringLower(random)}";
    }
}
