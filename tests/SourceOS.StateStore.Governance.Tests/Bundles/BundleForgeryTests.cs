// Why this file exists: a bundle crosses hands that nobody knows; whatever is done to its bytes is refused with the store's own fault, before anything is written.

using System.Buffers.Binary;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bundles;
using SourceOS.StateStore.Keys;
using static SourceOS.StateStore.Governance.Tests.Bundles.BundleWorld;

namespace SourceOS.StateStore.Governance.Tests.Bundles;

public sealed class BundleForgeryTests : IDisposable
{
    private readonly BundleWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Fact]
    public void Every_flipped_bit_every_cut_and_every_addition_is_refused()
    {
        BundleWorld.Change(_world.There, """{"schema":"sourceos.object-record/v1alpha1","object_id":"note:bare","object_type":"note"}""");
        byte[] bundle = Pack(_world.There, new BundleScope(BundleScopeKind.Object, "note:bare"));
        Assert.InRange(bundle.Length, 500, 1000);
        for (int bit = 0; bit < bundle.Length * 8; bit++)
        {
            byte[] flipped = [.. bundle];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            Refused(flipped);
        }

        for (int length = 0; length < bundle.Length; length++)
        {
            Refused(bundle[..length]);
        }

        Refused([.. bundle, 0]);
        Refused([.. bundle, .. bundle]);
        Verified(bundle);
    }

    [Fact]
    public void A_forged_bundle_changes_nothing_in_the_store()
    {
        byte[] bundle = Pack(_world.There);
        ulong before = _world.Here.Store.VisibleSequence;
        Random random = new(7);
        for (int i = 0; i < 200; i++)
        {
            byte[] forged = [.. bundle];
            forged[random.Next(forged.Length)] ^= (byte)(1 << random.Next(8));
            Assert.Equal(StateStoreErrorCode.InvalidInput, Assert.Throws<StateStoreException>(() => Take(_world.Here, forged)).Code);
        }

        Assert.Equal(before, _world.Here.Store.VisibleSequence);

        // Nor does a bundle that was planned as one thing and read as another.
        BundlePlan plan = Plan(_world.Here, bundle);
        using MemoryStream other = new(Pack(_world.There));
        Assert.Throws<StateStoreException>(() => BundleImport.ApplyAsync(_world.Here.Store, other, "bundle", plan, new BundleImportRequest(new SessionIdentity("actor:admin", "device:here", "profile:home")), Now).GetAwaiter().GetResult());
        Assert.Equal(before, _world.Here.Store.VisibleSequence);
    }

    [Fact]
    public void Entries_that_are_swapped_dropped_doubled_or_of_another_bundle_are_refused_though_every_checksum_holds()
    {
        (byte[] head, List<byte[]> entries, byte[] end) = Split(Pack(_world.There));
        (_, List<byte[]> others, _) = Split(Pack(_world.There));
        Verified(Join(head, entries, end));
        Refused(Join(head, [.. entries[..^2], entries[^1], entries[^2]], end));
        Refused(Join(head, entries[..^1], end));
        Refused(Join(head, [.. entries, entries[^1]], end));
        Refused(Join(head, [.. entries[..^1], others[^1]], end));
        Refused(Join(head, others, end));
    }

    [Fact]
    public void Rules_behind_the_checksums_hold_too()
    {
        BundleEntry note = Entry(RecordKind.Object, "note:1", "{\"schema\":\"sourceos.object-record/v1alpha1\",\"object_id\":\"note:1\",\"object_type\":\"note\"}");
        BundleEntry profile = Entry(RecordKind.Profile, "profile:p", "{\"schema\":\"sourceos.profile-record/v1alpha1\",\"profile_id\":\"profile:p\"}");
        Verified(Make([profile, note]));
        Refused(Make([note, profile]));
        Refused(Make([note, note]));
        Refused(Make([note with { Sequence = 0 }]));
        Refused(Make([note with { Sequence = 11 }]));
        Refused(Make([note with { Id = "a\nb" }]));
        Refused(Make([note with { Body = new byte[] { 1, 2, 3 } }]));
        Refused(Make([note with { Kind = RecordKind.Key }]));
        Refused(Make([note with { Kind = RecordKind.Lease }]));
        Refused(Make([note with { Kind = RecordKind.Device }]));
        foreach (string right in (string[])["\"capabilities\":[\"administer\"],\"trust_level\":\"external\"", "\"trust_level\":\"local\"", "\"trust_level\":\"external\",\"profile_scope\":[\"*\"]", "\"trust_level\":\"external\",\"later\":1"])
        {
            Refused(Make([Entry(RecordKind.Actor, "actor:a", "{\"schema\":\"sourceos.actor-record/v1alpha1\",\"actor_id\":\"actor:a\"," + right + "}")]));
        }

        Verified(Make([Entry(RecordKind.Actor, "actor:a", "{\"schema\":\"sourceos.actor-record/v1alpha1\",\"actor_id\":\"actor:a\",\"trust_level\":\"external\"}")]));
        Refused(Make([note], static manifest => manifest with { ObjectCount = 0 }));
        Refused(Make([note], static manifest => manifest with { EntryCount = 2 }));
        Refused(Make([note], static manifest => manifest with { EntryCount = BundleLimits.MaxEntries + 1 }));
        Refused(Make([note], static manifest => manifest with { EntriesLengthBytes = 1L << 40 }));
        Refused(Make([note], static manifest => manifest with { Digest = Hash256Of("other") }));
    }

    [Fact]
    public void A_key_that_is_asked_for_must_have_signed_these_very_bytes()
    {
        if (!Ed25519.IsAvailable)
        {
            Console.WriteLine("skipped: libcrypto is not installed");
            return;
        }

        using PrivateKey key = PrivateKey.Generate();
        using PrivateKey stranger = PrivateKey.Generate();
        string name = Checkpoint.OriginOf(_world.There.Store.Id);
        byte[] signed = Pack(_world.There, key: key);
        Assert.True(Plan(_world.Here, signed, key.NoteKeyFor(name)).IsVouchedFor);
        Assert.False(Plan(_world.Here, signed).IsVouchedFor);
        Fails(() => Plan(_world.Here, signed, stranger.NoteKeyFor(name)));
        Fails(() => Plan(_world.Here, signed, key.NoteKeyFor("another-store")));
        Fails(() => Plan(_world.Here, Pack(_world.There), key.NoteKeyFor(name)));

        // Somebody who makes every checksum and hash anew for another text still lacks the key.
        using MemoryStream forged = new();
        BundleReader reader = BundleReader.Open(new MemoryStream(signed), "bundle");
        string text = reader.Note!.ToString().Replace($"objects {reader.Manifest.ObjectCount}", $"objects {reader.Manifest.ObjectCount - 1}", StringComparison.Ordinal);
        byte[] note = Encoding.UTF8.GetBytes(text);
        Fails(() => BundlePlanner.Verify(new MemoryStream([.. BundleCodec.Header(note, true), .. note]), "bundle", key.NoteKeyFor(name)), "signature");
    }

    private static void Refused(byte[] bundle) => Fails(() => BundlePlanner.Verify(new MemoryStream(bundle), "bundle"));

    private static void Fails(Func<object> call, string word = "")
    {
        StateStoreException fault = Assert.Throws<StateStoreException>(call);
        Assert.Equal(StateStoreErrorCode.InvalidInput, fault.Code);
        Assert.NotEqual("", fault.Place);
        Assert.NotEqual("", fault.Next);
        Assert.Contains(word, fault.Message, StringComparison.Ordinal);
    }

    private static void Verified(byte[] bundle) => Assert.NotNull(BundlePlanner.Verify(new MemoryStream(bundle), "bundle"));

    private static Hash256 Hash256Of(string text) => Checksum.Sha256(Encoding.UTF8.GetBytes(text));

    private static BundleEntry Entry(RecordKind kind, string id, string json)
    {
        Assert.True(RecordJson.TryParse(Encoding.UTF8.GetBytes(json), out _, out _, out byte[]? body, out RecordJsonFault fault), fault.Message);
        return new BundleEntry(kind, id, 7, body);
    }

    // Writes what no honest program would, with every checksum and hash right.
    private static byte[] Make(BundleEntry[] entries, Func<BundleManifest, BundleManifest>? change = null)
    {
        const string Id = "00112233445566778899aabbccddeeff";
        BundleMeasure measure = new(Id);
        List<byte> bytes = [];
        foreach (BundleEntry entry in entries)
        {
            ulong index = (ulong)measure.Count;
            byte[] content = measure.Add(entry);
            byte[] tail = new byte[BundleCodec.EntryTailLengthBytes];
            measure.Running.CopyTo(tail);
            BinaryPrimitives.WriteUInt32LittleEndian(tail.AsSpan(32), Checksum.Crc32C(index, content, tail.AsSpan(0, 32)));
            bytes.AddRange(content);
            bytes.AddRange(tail);
        }

        Checkpoint checkpoint = new(Checkpoint.OriginOf(Guid.Parse("6a9b4f7e-1f7c-4c53-9a08-0a2f5f4d7c11")), 5, Hash256Of("log"), 10, 4, Hash256Of("records"));
        BundleManifest manifest = new(checkpoint, Id, DateTimeOffset.UnixEpoch, new BundleScope(BundleScopeKind.Object, "note:1"), measure.Count, measure.Objects, measure.LengthBytes, measure.Running);
        byte[] text = Encoding.UTF8.GetBytes((change?.Invoke(manifest) ?? manifest).ToText());
        return [.. BundleCodec.Header(text, false), .. text, .. bytes, .. BundleCodec.End(measure.LengthBytes, measure.Running)];
    }

    private static (byte[] Head, List<byte[]> Entries, byte[] End) Split(byte[] bundle)
    {
        int at = BundleCodec.HeaderLengthBytes + BinaryPrimitives.ReadInt32LittleEndian(bundle.AsSpan(16));
        byte[] head = bundle[..at];
        List<byte[]> entries = [];
        while (bundle.AsSpan(at).StartsWith(BundleCodec.EntryMagic))
        {
            int length = BundleCodec.EntryHeadLengthBytes + BinaryPrimitives.ReadInt32LittleEndian(bundle.AsSpan(at + 4)) + BinaryPrimitives.ReadUInt16LittleEndian(bundle.AsSpan(at + 14)) + BundleCodec.EntryTailLengthBytes;
            entries.Add(bundle[at..(at + length)]);
            at += length;
        }

        return (head, entries, bundle[at..]);
    }

    private static byte[] Join(byte[] head, IEnumerable<byte[]> entries, byte[] end) => [.. head, .. entries.SelectMany(static entry => entry), .. end];
}
