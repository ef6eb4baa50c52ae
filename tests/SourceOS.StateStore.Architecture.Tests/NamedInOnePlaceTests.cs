// Why this file exists: what could be replaced one day is named in one place: FASTER beside its device, LMDB in its folder, hash algorithms in
// theirs, governance's JSON Schema away from the rest. Comments and documentation may name anything.

using System.Text.RegularExpressions;
using SourceOS.StateStore.Architecture.Tests.Support;

namespace SourceOS.StateStore.Architecture.Tests;

public sealed class NamedInOnePlaceTests
{
    private const string Events = "src/SourceOS.StateStore.Storage/Events/";
    private const string Lmdb = "src/SourceOS.StateStore.Storage/Lmdb/";
    private const string Checksums = "src/SourceOS.StateStore.Format/Checksums/";
    private const string Signing = "src/SourceOS.StateStore.Format/Signing/";

    [Fact]
    public void Only_the_event_folder_names_FASTER() =>
        AssertNamedOnlyIn("FASTER\\.core", path => path.StartsWith(Events, StringComparison.Ordinal));

    [Fact]
    public void Only_the_device_and_one_file_beside_it_name_FasterLog() =>
        AssertNamedOnlyIn("\\bFasterLog", path => path is Events + "FasterEngine.cs" or Events + "FasterDevice.cs");

    [Fact]
    public void Only_the_LMDB_folder_calls_liblmdb() =>
        AssertNamedOnlyIn("\"liblmdb|\\bLmdbNative\\b|\"mdb_", path => path.StartsWith(Lmdb, StringComparison.Ordinal));

    [Fact]
    public void Only_the_checksum_folder_the_curve_and_the_keys_of_backups_name_hash_libraries_and_their_types() =>
        AssertNamedOnlyIn(
            "\"libcrypto|\"libxxhash|\\bSHA(1|256|384|512)\\b|\\bMD5\\b|\\bXxHash\\w*|IncrementalHash|BitOperations\\.Crc32C|Sse42|Sha256Native",
            path => path.StartsWith(Checksums, StringComparison.Ordinal) || path == Signing + "NativeEd25519.cs" || path == Signing + "Scrypt.cs" || path == "src/SourceOS.StateStore/Backup/BackupEnvelope.cs");

    // A door that opened a store past the gates would let anyone write anything.
    [Fact]
    public void Only_the_gates_open_a_store_for_writing_above_the_engine() =>
        AssertNamedOnlyIn(
            "\\bStateStore\\.(Open|Create)\\(",
            path => path.StartsWith("src/SourceOS.StateStore/", StringComparison.Ordinal) || path == "src/SourceOS.StateStore.Governance/Gates/GovernedStore.cs");

    private static void AssertNamedOnlyIn(string pattern, Func<string, bool> isAllowed)
    {
        Regex regex = new(pattern, RegexOptions.CultureInvariant);
        List<string> namers = [.. Repository.CSharp("src").Where(path => regex.IsMatch(CSharpText.WithoutComments(Repository.Read(path))))];
        Assert.Contains(namers, path => isAllowed(path));
        Rule.Holds(namers.Where(path => !isAllowed(path)));
    }
}
