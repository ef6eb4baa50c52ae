// Why this file exists: a proof as a file that others can read and check. Invariants: one proof has exactly one file: reading refuses every other spelling of the same content, so
// nothing can hide in a file that checks; bytes of any kind give a proof or a reason.

using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace SourceOS.StateStore.Format;

/// <summary>Proofs to JSON and back. Thread-safe.</summary>
public static class ProofJson
{
    /// <summary>Longest proof file in bytes.</summary>
    public const int MaxLengthBytes = 2 << 20;

    private const string FormatName = "sourceos-statestore-proof/1";

    /// <summary>Writes a proof.</summary>
    /// <param name="proof">The proof.</param>
    /// <returns>One line of JSON with a newline.</returns>
    public static byte[] Encode(StateProof proof)
    {
        ArgumentNullException.ThrowIfNull(proof);
        ArrayBufferWriter<byte> buffer = new(1024);
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("format"u8, FormatName);
            writer.WriteString("origin"u8, proof.Origin);
            switch (proof)
            {
                case EventProof item:
                    WriteEvent(writer, item);
                    break;
                case ConsistencyProof item:
                    writer.WriteString("kind"u8, "consistency"u8);
                    writer.WriteNumber("earlierSize"u8, item.EarlierSize);
                    writer.WriteBase64String("earlierRoot"u8, item.EarlierRoot.Bytes);
                    writer.WriteNumber("size"u8, item.Size);
                    writer.WriteBase64String("root"u8, item.Root.Bytes);
                    break;
                case RecordProof item:
                    writer.WriteString("kind"u8, "record"u8);
                    writer.WriteBase64String("record"u8, item.Record.Span);
                    writer.WriteNumber("index"u8, item.Index);
                    writer.WriteNumber("count"u8, item.Count);
                    break;
            }

            WriteHashes(writer, "path"u8, proof.Path);
            writer.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads a proof.</summary>
    /// <param name="json">Exactly the file; a missing newline at the end is forgiven.</param>
    /// <param name="proof">The proof when the bytes are one.</param>
    /// <param name="reason">What is wrong otherwise.</param>
    /// <returns>Whether they are.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> json, [NotNullWhen(true)] out StateProof? proof, out string reason)
    {
        proof = null;
        reason = "the file is not a proof of this format";
        if (json.Length > MaxLengthBytes)
        {
            reason = $"a proof has at most {MaxLengthBytes} bytes";
            return false;
        }

        StateProof? read;
        try
        {
            Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = 4 });
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            read = Read(document.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            // Not JSON, a member of another type, or a text that does not decode: all of them are "not a proof".
            reason = $"the file is not a proof: {exception.Message}";
            return false;
        }

        if (read is null)
        {
            return false;
        }

        byte[] again = Encode(read);
        if (!json.SequenceEqual(again) && !json.SequenceEqual(again.AsSpan(0, again.Length - 1)))
        {
            reason = "the file is not written as this format writes it";
            return false;
        }

        proof = read;
        return true;
    }

    private static void WriteEvent(Utf8JsonWriter writer, EventProof item)
    {
        writer.WriteString("kind"u8, "event"u8);
        writer.WriteNumber("sequence"u8, item.Sequence);
        if (item.Leaf is { } leaf)
        {
            writer.WriteBase64String("leaf"u8, leaf.Bytes);
        }
        else
        {
            writer.WriteBase64String("salt"u8, item.Salt.Span);
            writer.WriteBase64String("event"u8, item.Event.Span);
        }

        WriteHashes(writer, "eventPath"u8, item.EventPath);
        writer.WriteBase64String("frameHeader"u8, item.FrameHeader.Span);
        writer.WriteNumber("size"u8, item.Size);
    }

    private static void WriteHashes(Utf8JsonWriter writer, ReadOnlySpan<byte> name, IReadOnlyList<Hash256> hashes)
    {
        writer.WriteStartArray(name);
        foreach (Hash256 hash in hashes)
        {
            writer.WriteBase64StringValue(hash.Bytes);
        }

        writer.WriteEndArray();
    }

    private static StateProof? Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || Text(root, "format") != FormatName || Text(root, "origin") is not { } origin || Hashes(root, "path") is not { } path)
        {
            return null;
        }

        switch (Text(root, "kind"))
        {
            case "event":
                bool isErased = root.TryGetProperty("leaf"u8, out _);
                return Hashes(root, "eventPath") is not { } eventPath ? null : new EventProof
                {
                    Origin = origin,
                    Path = path,
                    Sequence = Number(root, "sequence"),
                    Leaf = isErased ? Hash(root.GetProperty("leaf"u8)) : null,
                    Salt = isErased ? default : Bytes(root, "salt"),
                    Event = isErased ? default : Bytes(root, "event"),
                    EventPath = eventPath,
                    FrameHeader = Bytes(root, "frameHeader"),
                    Size = Number(root, "size"),
                };
            case "consistency":
                return new ConsistencyProof
                {
                    Origin = origin,
                    Path = path,
                    EarlierSize = Number(root, "earlierSize"),
                    EarlierRoot = Hash(Member(root, "earlierRoot")),
                    Size = Number(root, "size"),
                    Root = Hash(Member(root, "root")),
                };
            case "record":
                return new RecordProof { Origin = origin, Path = path, Record = Bytes(root, "record"), Index = Number(root, "index"), Count = Number(root, "count") };
            default:
                return null;
        }
    }

    private static JsonElement Member(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement member) ? member : throw new FormatException($"the member {name} is missing.");

    private static string? Text(JsonElement root, string name) => Member(root, name).GetString();

    private static ulong Number(JsonElement root, string name) => Member(root, name).GetUInt64();

    private static byte[] Bytes(JsonElement root, string name) => Member(root, name).GetBytesFromBase64();

    private static Hash256 Hash(JsonElement element)
    {
        byte[] bytes = element.GetBytesFromBase64();
        return bytes.Length == Hash256.LengthBytes ? new Hash256(bytes) : throw new FormatException("a hash has 32 bytes.");
    }

    private static List<Hash256>? Hashes(JsonElement root, string name)
    {
        JsonElement list = Member(root, name);
        return list.GetArrayLength() > MerkleProof.MaxPathLength ? null : [.. list.EnumerateArray().Select(Hash)];
    }
}
