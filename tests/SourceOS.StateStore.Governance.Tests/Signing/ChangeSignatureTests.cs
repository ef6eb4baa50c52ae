// Why this file exists: a signature of a change holds for that change and for nothing else, and any bytes in its place give an answer. Invariants: every single thing that it covers is altered once, and it breaks each time.

using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Signing;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Tests.Signing;

public sealed class ChangeSignatureTests
{
    private static readonly Guid s_store = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff");
    private static readonly SignedChange s_change = new(s_store, EventAction.Put, RecordKind.Schema, "schema:x", 7, "actor:a", "body"u8.ToArray());

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("""  { "reason" : "because" } """)]
    [InlineData("""[1,2]""")]
    [InlineData("\"text\"")]
    public void What_was_signed_holds_and_the_data_is_still_there(string data)
    {
        using PrivateKey key = PrivateKey.Generate();
        byte[] signed = ChangeSignature.Attach(s_change, Encoding.UTF8.GetBytes(data), key);
        Assert.Equal(SignatureForm.Present, ChangeSignature.TryRead(signed, out ChangeSignature signature));
        Assert.Equal(key.Id, signature.KeyId);
        Assert.True(signature.Holds(s_change, key.PublicKey));
        using JsonDocument document = JsonDocument.Parse(signed);
        if (data.Contains("because", StringComparison.Ordinal))
        {
            Assert.Equal("because", document.RootElement.GetProperty("reason").GetString());
        }
        else if (data is "[1,2]")
        {
            Assert.Equal(2, document.RootElement.GetProperty("data").GetArrayLength());
        }
    }

    [Fact]
    public void Nothing_that_it_covers_can_be_altered()
    {
        using PrivateKey key = PrivateKey.Generate();
        using PrivateKey other = PrivateKey.Generate();
        byte[] signed = ChangeSignature.Attach(s_change, """{"reason":"because"}"""u8.ToArray(), key);
        ChangeSignature.TryRead(signed, out ChangeSignature signature);
        SignedChange[] altered =
        [
            s_change with { StoreId = Guid.NewGuid() }, s_change with { Action = EventAction.Tombstone }, s_change with { Kind = RecordKind.Actor }, s_change with { Id = "schema:y" },
            s_change with { PreviousSequence = 8 }, s_change with { ActorId = "actor:b" }, s_change with { Body = "Body"u8.ToArray() },
        ];
        Assert.All(altered, change => Assert.False(signature.Holds(change, key.PublicKey)));
        Assert.False(signature.Holds(s_change, other.PublicKey));
        string text = Encoding.UTF8.GetString(signed);
        foreach (string forged in (string[])[text.Replace("because", "whatever", StringComparison.Ordinal), text.Replace("{\"reason\"", "{ \"reason\"", StringComparison.Ordinal), text.Replace(key.Id, other.Id, StringComparison.Ordinal)])
        {
            Assert.Equal(SignatureForm.Present, ChangeSignature.TryRead(Encoding.UTF8.GetBytes(forged), out ChangeSignature wrong));
            Assert.False(wrong.Holds(s_change, key.PublicKey), forged);
        }
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("[]", 1)]
    [InlineData("""{"a":{"signature":{}}}""", 1)]
    [InlineData("""{"signature":null}""", 2)]
    [InlineData("""{"signature":"x"}""", 2)]
    [InlineData("""{"signature":{}}""", 2)]
    [InlineData("""{"signature":{"algorithm":"ed25519","key":"key:1","value":"AAAA"}}""", 2)]
    [InlineData("""{"signature":{"algorithm":"none","key":"key:1","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}}""", 2)]
    [InlineData("""{"signature":{"algorithm":"ed25519","key":"key:1","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==","more":"x"}}""", 2)]
    [InlineData("""{"signature":{"algorithm":"ed25519","key":"key:1","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="},"signature":{"algorithm":"ed25519","key":"key:2","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}}""", 2)]
    [InlineData("""{"signature":{"algorithm":"ed25519","key":"key:1","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}}""", 3)]
    public void What_stands_in_its_place_is_named(string data, int form) => Assert.Equal((SignatureForm)form, ChangeSignature.TryRead(Encoding.UTF8.GetBytes(data), out _));

    [Fact]
    public void The_message_is_the_one_of_the_page()
    {
        using PrivateKey key = PrivateKey.Generate();
        byte[] signed = ChangeSignature.Attach(s_change, """{"reason":"because"}"""u8.ToArray(), key);
        using JsonDocument document = JsonDocument.Parse(signed);
        string value = document.RootElement.GetProperty("signature").GetProperty("value").GetString()!;
        byte[] blank = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(signed).Replace(value, new string('0', 88), StringComparison.Ordinal));
        string message = "sourceos.state-store/signed-change/v1\n00112233-4455-6677-8899-aabbccddeeff\nput\nschema\nschema:x\n7\nactor:a\n"
            + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData("body"u8)) + "\n" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(blank)) + "\n";
        Assert.True(Ed25519.Verify(key.PublicKey, Encoding.UTF8.GetBytes(message), Convert.FromBase64String(value)));
    }

    [Theory]
    [InlineData("""{"b":1,"a":[1.50,-0,1e3,{"z":null,"y":true}]}""", """{"a":[1.50,-0,1e3,{"y":true,"z":null}],"b":1}""")]
    [InlineData("""{ "\u00e9" : "\u00e9\u0001\u001F\/\t\ud83d\ude00\u2028" , "e" : "" }""", "{\"e\":\"\",\"é\":\"é\\u0001\\u001f/\\t😀\u2028\"}")]
    [InlineData("""{"a":1,"\u0061":2}""", null)]
    [InlineData("""["\udc00"]""", null)]
    public void The_canonical_form_is_the_one_of_the_page(string json, string? expected)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.Equal(expected, Governance.Records.CanonicalJson.Of(document.RootElement) is { } form ? Encoding.UTF8.GetString(form) : null);
    }

    [Fact]
    public void Bytes_of_any_kind_give_an_answer()
    {
        byte[] whole = """{"signature":{"algorithm":"ed25519","key":"key:1","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}}"""u8.ToArray();
        Prop.ForAll(Arb.From(Gen.Choose(0, whole.Length - 1).Two()), Arb.From(Gen.Choose(0, 255)), (place, value) =>
        {
            byte[] altered = whole.ToArray();
            altered[place.Item1] = (byte)value;
            SignatureForm form = ChangeSignature.TryRead(altered.AsSpan(0, Math.Max(place.Item2, place.Item1 + 1)), out _);
            Assert.True(Enum.IsDefined(form));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }
}
