// Why this file exists: proofs from the command line, end to end: signed root, proof, check without a store, and the refusals with their exit codes.

using SourceOS.StateStore.Cli.Tests.Support;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class ProofVerbTests
{
    [Fact]
    public void A_signed_root_and_proofs_check_without_the_store_and_forgeries_do_not()
    {
        using Statestore store = Statestore.Initialised();
        Dictionary<string, string> keys = new() { [KeyFolder.FolderVariable] = store.PathOf("keys") };
        store.RunWith(null, keys, "checkpoint", "--sign").Exits(3);
        store.Run("checkpoint", "--record").Exits(2);
        string key = store.RunWith(null, keys, "keys", "create", "--json").Exits(0).Json.GetProperty("key").GetProperty("verifierKey").GetString()!;
        store.Write("root.key", key + "\n");
        store.RunWith("""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:1","object_type":"note"}""", null, "put", "objects", "-").Exits(0);
        string note = store.RunWith(null, keys, "checkpoint", "--sign").Exits(0).Out;
        store.Write("root.note", note);
        store.RunWith(null, keys, "checkpoint", "--sign", "--record", "-o", store.PathOf("recorded.note")).Exits(0);
        Assert.Equal(note, File.ReadAllText(store.PathOf("recorded.note")));
        Assert.Contains("sync.checkpoint.signed", store.Run("log", "--json").Exits(0).Out, StringComparison.Ordinal);

        ulong size = ulong.Parse(note.Split('\n')[1], System.Globalization.CultureInfo.InvariantCulture);
        string sizeText = size.ToString(System.Globalization.CultureInfo.InvariantCulture);
        store.Run("prove", "event", "2", "--size", sizeText, "-o", store.PathOf("event.proof")).Exits(0);
        store.Run("prove", "record", "objects", "note:1", "-o", store.PathOf("record.proof")).Exits(0);
        store.Run("prove", "consistency", "1", sizeText, "-o", store.PathOf("growth.proof")).Exits(0);
        Directory.Delete(store.StorePath, recursive: true);

        foreach (string name in (string[])["event.proof", "record.proof", "growth.proof"])
        {
            Answer answer = store.Run("proof", "check", store.PathOf(name), "--root", store.PathOf("root.note"), "--root-key", store.PathOf("root.key"), "--json").Exits(0);
            Assert.True(answer.Json.GetProperty("holds").GetBoolean());
            Assert.Equal("verified", answer.Json.GetProperty("rootSignature").GetString());
            store.Run("proof", "check", store.PathOf(name), "--root", store.PathOf("root.note"), "--root-key", key).Exits(0);
        }

        Assert.Contains("not checked", store.Run("proof", "check", store.PathOf("event.proof"), "--root", store.PathOf("root.note")).Exits(0).Out, StringComparison.Ordinal);
        store.Write("forged.note", note.Replace($"\n{size}\n", $"\n{size + 1}\n", StringComparison.Ordinal));
        store.Run("proof", "check", store.PathOf("event.proof"), "--root", store.PathOf("forged.note")).Exits(1);
        store.Write("other.note", note.Replace("\nsequence ", "\nsequence 1", StringComparison.Ordinal));
        store.Run("proof", "check", store.PathOf("event.proof"), "--root", store.PathOf("other.note"), "--root-key", key).Exits(1);
        store.Run("proof", "check", store.PathOf("root.note"), "--root", store.PathOf("root.note")).Exits(8);
        store.Run("proof", "check", store.PathOf("event.proof"), "--root", store.PathOf("event.proof")).Exits(8);
        store.Run("proof", "check", store.PathOf("event.proof"), "--root", store.PathOf("root.note"), "--root-key", "nonsense").Exits(3);
    }

    [Fact]
    public void What_is_not_there_cannot_be_proven()
    {
        using Statestore store = Statestore.Initialised();
        store.Run("prove", "event", "1000000").Exits(3);
        store.Run("prove", "event", "1", "--size", "0").Exits(8);
        store.Run("prove", "record", "objects", "note:none").Exits(3);
        store.Run("prove", "consistency", "1", "1000000").Exits(8);
        store.Run("prove", "event", "x").Exits(2);
    }
}
