// Why this file exists: the throws of state reading, outside the hot methods. Invariants: always StateDamaged, always with table and place.

using System.Diagnostics.CodeAnalysis;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.State;

internal static class StateFaults
{
    private const string Next = "The log still holds the truth: run `statestore verify`, then `statestore repair --apply` to rebuild the state.";

    [DoesNotReturn]
    internal static void ThrowPage(StateTable table, LmdbFault fault) =>
        throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"A page of the state is damaged: {fault}.", $"table {Encoding.ASCII.GetString(Tables.Name(table))}, page {fault.Page}", Next);

    [DoesNotReturn]
    internal static void ThrowEntry(StateTable table, ReadOnlySpan<byte> key, string what) =>
        throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"An entry of the state is damaged: {what}.", $"table {Encoding.ASCII.GetString(Tables.Name(table))}, key {Describe(table, key)}", Next);

    [DoesNotReturn]
    internal static void ThrowRoots(string file, LmdbFault fault) =>
        throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"The state cannot be read: {fault}.", file, Next);

    private static string Describe(StateTable table, ReadOnlySpan<byte> key)
    {
        if (table == StateTable.Records && key.Length > 1 && Identifier.IsValid(key[1..]))
        {
            return $"kind {key[0]} '{Encoding.UTF8.GetString(key[1..])}'";
        }

        return Convert.ToHexStringLower(key.Length > 64 ? key[..64] : key);
    }
}
