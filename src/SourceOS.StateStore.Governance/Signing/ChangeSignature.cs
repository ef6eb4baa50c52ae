// Why this file exists: the signature of one privileged change: what it covers, where it stands in the event's data, how it is checked (format-spec/signatures.md). Invariants: it
// covers store, action, record, the sequence that it replaces, actor, body and the event's other data, so it holds for this one change and no other; everything that it covers is in
// the log, so it is checked from the log alone; bytes of any content give an answer and never an exception.

using System.Globalization;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Signing;

/// <summary>What a signature is about, beside the event's data.</summary>
/// <param name="StoreId">The store.</param>
/// <param name="Action">What happens to the record.</param>
/// <param name="Kind">The record's kind.</param>
/// <param name="Id">Its identifier.</param>
/// <param name="PreviousSequence">The sequence that the record has before; 0 when it does not exist.</param>
/// <param name="ActorId">Who acts.</param>
/// <param name="Body">The new body; empty unless the action is put.</param>
internal readonly record struct SignedChange(Guid StoreId, EventAction Action, RecordKind Kind, string Id, ulong PreviousSequence, string ActorId, ReadOnlyMemory<byte> Body);

/// <summary>What an event's data says of a signature.</summary>
internal enum SignatureForm
{
    /// <summary>There is none.</summary>
    Absent = 1,

    /// <summary>There is something in its place that is no signature.</summary>
    Malformed = 2,

    /// <summary>There is one; whether it holds is another question.</summary>
    Present = 3,
}

/// <summary>Signatures of changes. Thread-safe.</summary>
internal readonly record struct ChangeSignature(string KeyId, byte[] Value, Hash256 DataHash)
{
    /// <summary>The first line of what is signed.</summary>
    public const string Domain = "sourceos.state-store/signed-change/v1";

    private const string Algorithm = "ed25519";
    private const int ValueLength = 88;

    /// <summary>Signs a change.</summary>
    /// <param name="change">The change.</param>
    /// <param name="dataJson">The event's data without a signature; empty for none.</param>
    /// <param name="key">The key.</param>
    /// <returns>The event's data with the signature in it.</returns>
    public static byte[] Attach(in SignedChange change, ReadOnlyMemory<byte> dataJson, PrivateKey key)
    {
        byte[] data = WithPlaceholder(dataJson.Span, key.Id, out int at);
        byte[] signature = key.Sign(Message(change, Checksum.Sha256(data)));
        Encoding.ASCII.GetBytes(Convert.ToBase64String(signature)).CopyTo(data.AsSpan(at));
        return data;
    }

    /// <summary>Reads the signature in an event's data.</summary>
    public static SignatureForm TryRead(ReadOnlySpan<byte> dataJson, out ChangeSignature signature)
    {
        signature = default;
        if (dataJson.IsEmpty)
        {
            return SignatureForm.Absent;
        }

        try
        {
            Utf8JsonReader reader = new(dataJson, new JsonReaderOptions { MaxDepth = FormatLimits.MaxJsonDepth });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return SignatureForm.Absent;
            }

            bool isThere = false;
            bool isWhole = false;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isIt = reader.ValueTextEquals("signature"u8);
                reader.Read();
                if (isIt)
                {
                    // Of two signatures a reader might take either, so two are none.
                    isWhole = !isThere && TryReadObject(ref reader, dataJson, out signature);
                    isThere = true;
                }

                reader.TrySkip();
            }

            return !isThere ? SignatureForm.Absent : isWhole ? SignatureForm.Present : SignatureForm.Malformed;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return SignatureForm.Malformed;
        }
    }

    /// <summary>Whether the signature holds for a change.</summary>
    public bool Holds(in SignedChange change, ReadOnlySpan<byte> publicKey) => Ed25519.Verify(publicKey, Message(change, DataHash), Value);

    // Lines end with a newline and identifiers hold no control characters, so no two changes share a message.
    private static byte[] Message(in SignedChange change, Hash256 dataHash) => Encoding.UTF8.GetBytes(string.Create(
        CultureInfo.InvariantCulture,
        $"{Domain}\n{change.StoreId:D}\n{change.Action.ToString().ToLowerInvariant()}\n{RecordKinds.Get(change.Kind).Name}\n{change.Id}\n{change.PreviousSequence}\n{change.ActorId}\n{Checksum.Sha256(change.Body.Span)}\n{dataHash}\n"));

    private static byte[] WithPlaceholder(ReadOnlySpan<byte> data, string keyId, out int at)
    {
        ReadOnlySpan<byte> trimmed = data.Trim(" \t\r\n"u8);
        StringBuilder text = new();
        if (trimmed.IsEmpty)
        {
            text.Append('{');
        }
        else if (trimmed[0] == (byte)'{')
        {
            ReadOnlySpan<byte> members = trimmed[1..^1].Trim(" \t\r\n"u8);
            text.Append('{').Append(Encoding.UTF8.GetString(members)).Append(members.IsEmpty ? "" : ",");
        }
        else
        {
            text.Append("{\"data\":").Append(Encoding.UTF8.GetString(trimmed)).Append(',');
        }

        text.Append("\"signature\":{\"algorithm\":\"ed25519\",\"key\":\"").Append(keyId).Append("\",\"value\":\"");
        at = Encoding.UTF8.GetByteCount(text.ToString());
        return Encoding.UTF8.GetBytes(text.Append('0', ValueLength).Append("\"}}").ToString());
    }

    private static bool TryReadObject(ref Utf8JsonReader reader, ReadOnlySpan<byte> data, out ChangeSignature signature)
    {
        signature = default;
        string algorithm = "", key = "";
        int at = -1;
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return false;
        }

        bool isKnown = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String || reader.ValueIsEscaped)
            {
                isKnown = false;
                reader.TrySkip();
                continue;
            }

            isKnown &= name switch
            {
                "algorithm" => Take(ref algorithm, reader.GetString()!),
                "key" => Take(ref key, reader.GetString()!),
                "value" when at < 0 && reader.ValueSpan.Length == ValueLength => (at = (int)reader.TokenStartIndex + 1) > 0,
                _ => false,
            };
        }

        byte[] value = new byte[Ed25519.SignatureLengthBytes + 2];
        if (!isKnown || algorithm != Algorithm || key.Length == 0 || at < 0
            || !Convert.TryFromBase64String(Encoding.ASCII.GetString(data.Slice(at, ValueLength)), value, out int length) || length != Ed25519.SignatureLengthBytes)
        {
            return false;
        }

        byte[] blank = data.ToArray();
        blank.AsSpan(at, ValueLength).Fill((byte)'0');
        signature = new ChangeSignature(key, value[..length], Checksum.Sha256(blank));
        return true;
    }

    private static bool Take(ref string field, string text)
    {
        bool isFirst = field.Length == 0;
        field = text;
        return isFirst;
    }
}
