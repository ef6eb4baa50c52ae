// Why this file exists: a bundle says what it holds before it holds it: which store at which root, which scope, how many entries, and their digest (format-spec/bundle.md). Invariants: text and values determine
// each other, so a manifest has one spelling; what is signed is this text, and it covers every byte of every entry; bytes of any kind give a manifest or a reason.

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Bundles;

/// <summary>What a bundle is about.</summary>
public enum BundleScopeKind
{
    /// <summary>The objects of a workspace.</summary>
    Workspace = 1,

    /// <summary>The objects of a profile.</summary>
    Profile = 2,

    /// <summary>One object.</summary>
    Object = 3,
}

/// <summary>What a bundle is about.</summary>
/// <param name="Kind">Which kind of scope.</param>
/// <param name="Id">The identifier of the workspace, profile or object, 1 to 255 bytes.</param>
public sealed record BundleScope(BundleScopeKind Kind, string Id)
{
    /// <summary>The kind as texts spell it: `workspace`, `profile` or `object`.</summary>
    public string KindName => Kind switch
    {
        BundleScopeKind.Workspace => "workspace",
        BundleScopeKind.Profile => "profile",
        _ => "object",
    };
}

/// <summary>The head of a bundle. Immutable, thread-safe.</summary>
/// <param name="Checkpoint">The source store's roots at the sequence that the bundle shows.</param>
/// <param name="BundleId">The bundle: 32 hex digits in lower case, drawn at random.</param>
/// <param name="CreatedAt">When it was made, to the microsecond.</param>
/// <param name="Scope">What it is about.</param>
/// <param name="EntryCount">Entries in it, references included.</param>
/// <param name="ObjectCount">Objects among them.</param>
/// <param name="EntriesLengthBytes">Bytes of all entries.</param>
/// <param name="Digest">The running SHA-256 after the last entry.</param>
public sealed record BundleManifest(
    Checkpoint Checkpoint, string BundleId, DateTimeOffset CreatedAt, BundleScope Scope, long EntryCount, long ObjectCount, long EntriesLengthBytes, Hash256 Digest)
{
    private const string Title = "sourceos-statestore-bundle/1\n";
    private const string BundlePrefix = "bundle ";

    /// <summary>The store that the bundle comes from.</summary>
    public Guid SourceStore => SourceOf(Checkpoint.Origin) ?? Guid.Empty;

    /// <summary>The last sequence of the source store that the bundle shows.</summary>
    public ulong SourceSequence => Checkpoint.Sequence ?? 0;

    /// <summary>The text that is stored and signed.</summary>
    /// <returns>Lines, each with a newline.</returns>
    public string ToText()
    {
        long micros = (CreatedAt - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        return new StringBuilder(Title).Append(Checkpoint.ToText())
            .Append(BundlePrefix).Append(BundleId).Append('\n')
            .Append(CultureInfo.InvariantCulture, $"created {micros}\nscope {Scope.KindName} {Scope.Id}\nentries {EntryCount} {EntriesLengthBytes}\nobjects {ObjectCount}\ndigest {Digest}\n").ToString();
    }

    /// <summary>Reads the text of a manifest.</summary>
    /// <param name="text">The text.</param>
    /// <param name="manifest">The manifest when the text is one.</param>
    /// <param name="reason">What is wrong otherwise.</param>
    /// <returns>Whether it is.</returns>
    public static bool TryParse(string text, [NotNullWhen(true)] out BundleManifest? manifest, out string reason)
    {
        ArgumentNullException.ThrowIfNull(text);
        manifest = null;
        reason = "it does not begin as a manifest does";
        int at = text.StartsWith(Title, StringComparison.Ordinal) ? text.IndexOf("\n" + BundlePrefix, Title.Length, StringComparison.Ordinal) : -1;
        if (at < 0)
        {
            return false;
        }

        if (!Checkpoint.TryParse(text[Title.Length..(at + 1)], out Checkpoint? checkpoint, out reason))
        {
            return false;
        }

        reason = "it names no store, no sequence or no root of the records";
        if (SourceOf(checkpoint.Origin) is null || checkpoint.Sequence is null or 0 || checkpoint.RecordsRoot is null)
        {
            return false;
        }

        reason = "one of its lines is missing, malformed or out of its bounds";
        string[] lines = text[(at + 1)..].Split('\n');
        if (lines.Length != 7 || lines[6].Length > 0 || !TryLines(lines, checkpoint, out BundleManifest? parsed))
        {
            return false;
        }

        // Comparing the spelling closes whatever the parts above are lenient about.
        reason = "it is not written as this format writes it";
        if (!string.Equals(parsed.ToText(), text, StringComparison.Ordinal))
        {
            return false;
        }

        manifest = parsed;
        reason = "";
        return true;
    }

    private static bool TryLines(string[] lines, Checkpoint checkpoint, [NotNullWhen(true)] out BundleManifest? manifest)
    {
        manifest = null;
        string id = After(lines[0], BundlePrefix);
        string[] scope = After(lines[2], "scope ").Split(' ', 2);
        string[] entries = After(lines[3], "entries ").Split(' ');
        BundleScopeKind kind = scope[0] switch
        {
            "workspace" => BundleScopeKind.Workspace,
            "profile" => BundleScopeKind.Profile,
            "object" => BundleScopeKind.Object,
            _ => 0,
        };
        long count = 0, length = 0, objects = 0, micros = 0;
        Hash256 digest = default;
        bool isSound = id.Length == 32 && id.All(char.IsAsciiHexDigitLower)
            && TryNumber(After(lines[1], "created "), BundleLimits.MaxTimeMicros, out micros)
            && kind != 0 && scope.Length == 2 && Identifier.IsValid(scope[1])
            && entries.Length == 2
            && TryNumber(entries[0], BundleLimits.MaxEntries, out count)
            && TryNumber(entries[1], BundleLimits.MaxEntriesLengthBytes, out length)
            && TryNumber(After(lines[4], "objects "), count, out objects)
            && Hash256.TryParse(After(lines[5], "digest "), out digest);
        if (!isSound)
        {
            return false;
        }

        manifest = new BundleManifest(checkpoint, id, DateTimeOffset.UnixEpoch.AddMicroseconds(micros), new BundleScope(kind, scope[1]), count, objects, length, digest);
        return true;
    }

    private static string After(string line, string prefix) => line.StartsWith(prefix, StringComparison.Ordinal) ? line[prefix.Length..] : "";

    private static bool TryNumber(string text, long max, out long value) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value <= max;

    private static Guid? SourceOf(string origin)
    {
        string prefix = Checkpoint.OriginOf(Guid.Empty)[..^36];
        return origin.StartsWith(prefix, StringComparison.Ordinal) && Guid.TryParseExact(origin[prefix.Length..], "D", out Guid id) && Checkpoint.OriginOf(id) == origin ? id : null;
    }
}
