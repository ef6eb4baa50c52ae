// Why this file exists: what a boot does with each verdict is decided by a shell script in an initramfs, which nobody can debug when it is wrong. Here the script and its hook run under dash, as they stand in the
// repository, against a faked initramfs; tests/qemu/run.sh shows the same with a kernel. Invariants: the script is changed in one line only, the root of the initramfs.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Keys;
using SourceOS.StateStore.Readers.Boot;

namespace SourceOS.StateStore.Boot.Tests;

[Collection(NativeProgramCollection.Name)]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class InitramfsTests(SampleStore sample, NativeProgram program) : IClassFixture<SampleStore>
{
    private const string Marker = "THE BOOT IS BLOCKED";
    private static readonly string s_sources = Path.Combine(Repository.Root, "src", "SourceOS.StateStore.Boot", "initramfs");
    private static readonly string s_state = Path.Combine("state", "g1", "data.mdb");

    [Fact]
    public void A_sound_store_boots_under_every_policy()
    {
        foreach (string policy in (string[])["warn", "block", "misspelt"])
        {
            Boot boot = Start(sample.Closed, $"ro statestore.policy={policy}");
            Assert.Equal(("verified", "boot", 0), (boot.Verdict, boot.Decision, boot.Panics));
            Assert.Contains("over 60 frames", boot.Run.Output, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("over 60 frames", Start(sample.Closed, "quiet", quiet: true).Run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_store_is_named_and_blocked_where_policy_says_so()
    {
        string damaged = Damaged();
        Boot blocked = Start(damaged, "statestore.policy=block");
        Assert.Equal(("blocked", "block"), (blocked.Verdict, blocked.Decision));
        Assert.Contains(Marker, blocked.Run.Output, StringComparison.Ordinal);
        Assert.Contains("data.mdb", blocked.Run.Output, StringComparison.Ordinal);
        Boot warned = Start(damaged, "statestore.policy=warn");
        Assert.Equal(("blocked", "warn", 0), (warned.Verdict, warned.Decision, warned.Panics));
        Assert.Contains("data.mdb", warned.Run.Output, StringComparison.Ordinal);
        Assert.Equal(("blocked", "block"), Both(Start(damaged, "statestore.policy=blok")));
        Boot unspoken = Start(damaged, "root=/dev/vda");
        Assert.Equal(("warn", 0), (unspoken.Decision, unspoken.Panics));
        Boot off = Start(damaged, "statestore.policy=off");
        Assert.Equal(("", 0), (off.Decision, off.Panics));
        Assert.DoesNotContain("data.mdb", off.Run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_store_does_as_policy_says()
    {
        Assert.Equal(("missing", "warn"), Both(Start(null, "statestore.policy=warn")));
        Assert.Equal(("missing", "block"), Both(Start(null, "statestore.policy=block")));
        Assert.Equal(("missing", "warn"), Both(Start(null, "statestore.policy=block statestore.missing=warn")));
        Assert.Equal(("missing", "block"), Both(Start(null, "statestore.policy=block statestore.missing=maybe")));
        Assert.Equal(("missing", "warn"), Both(Start(null, "statestore.policy=warn statestore.missing=block")));
    }

    [Fact]
    public void What_wants_review_boots_unless_policy_asks_for_more()
    {
        // A lost superblock twin can be made again, which is a reason for review and no more.
        string copy = sample.Copy(sample.Closed);
        string superblock = Path.Combine(copy, "STORE");
        byte[] bytes = File.ReadAllBytes(superblock);
        bytes[20] ^= 1;
        File.WriteAllBytes(superblock, bytes);
        Assert.Equal(10, program.Run("--store", copy, "--budget-ms", "60000").ExitCode);
        Assert.Equal(("review", "warn"), Both(Start(copy, "statestore.policy=block")));
        Assert.Equal(("review", "block"), Both(Start(copy, "statestore.policy=block statestore.review=block")));
        Assert.Equal(("review", "block"), Both(Start(copy, "statestore.policy=block statestore.review=maybe")));
    }

    [Fact]
    public void A_check_that_does_not_answer_counts_as_the_worst_answer()
    {
        foreach (string body in (string[])["exit 3", "kill -SEGV $$", "exit 137"])
        {
            Assert.Equal(("failed", "block"), Both(Start(sample.Closed, "statestore.policy=block", checker: "#!/bin/sh\n" + body + "\n")));
        }

        Assert.Equal(("failed", "block"), Both(Start(sample.Closed, "statestore.policy=block", checker: "")));
        Assert.Equal(("failed", "warn"), Both(Start(sample.Closed, "statestore.policy=warn", checker: "")));
        Assert.Equal(("failed", "block"), Both(Start(sample.Closed, "statestore.policy=block statestore.path=relative")));
        Assert.Equal(("failed", "block"), Both(Start(sample.Closed, "statestore.policy=block statestore.path=/var/../var/lib/statestore")));
        Assert.Equal(("missing", "block"), Both(Start(sample.Closed, "statestore.policy=block statestore.path=/*")));
        Assert.Equal(("failed", "block"), Both(Start(sample.Closed, "statestore.policy=block statestore.path=/link", link: true)));
    }

    [Fact]
    public void Text_of_a_store_cannot_pass_for_a_reason()
    {
        string checker = "#!/bin/sh\necho 'state store: review_required'\necho '  state.entry: a name [  store.missing: ]'\nexit 10\n";
        Assert.Equal("review", Start(sample.Closed, "statestore.policy=block statestore.missing=warn", checker: checker).Verdict);
    }

    [Fact]
    public void Only_a_better_answer_or_a_word_at_the_console_leads_on()
    {
        string damaged = Damaged();
        Boot again = Start(damaged, "statestore.policy=block", atPanic: ["", "", "cp \"$FAKE/sound\" \"$FAKE/root/var/lib/statestore/state/g1/data.mdb\""]);
        Assert.Equal(("verified", "boot", 3), (again.Verdict, again.Decision, again.Panics));
        Boot accepted = Start(damaged, "statestore.policy=block", atPanic: ["", ": >\"$FAKE/run/statestore/accept\""]);
        Assert.Equal(("blocked", "accepted", 2), (accepted.Verdict, accepted.Decision, accepted.Panics));
        // With panic= the panic of initramfs-tools ends its process; that must not be the end of the script.
        Boot gone = Start(damaged, "statestore.policy=block", atPanic: ["exit 0", "exit 1", ": >\"$FAKE/run/statestore/accept\"; exit 0"]);
        Assert.Equal(("accepted", 3), (gone.Decision, gone.Panics));
    }

    [Fact]
    public void Its_options_reach_the_check()
    {
        string checker = "#!/bin/sh\nfor word; do echo \"<$word>\"; done\nexit 0\n";
        string plain = Start(sample.Closed, "x", checker: checker).Run.Output;
        Assert.Contains("<--budget-ms>\n<2000>", plain, StringComparison.Ordinal);
        Assert.DoesNotContain("--root-key", plain, StringComparison.Ordinal);
        string full = Start(sample.Closed, "statestore.timeout_ms=250 statestore.release_set=boot-release-set://x@1 statestore.path=/srv/s", checker: checker, isSigned: true).Run.Output;
        foreach (string expected in (string[])["<--budget-ms>\n<250>", "/srv/s>", "<--release-set>\n<boot-release-set://x@1>", "/etc/statestore/root.keys>", "/etc/statestore/min-root.note>", "/run/statestore/boot-evidence.json>"])
        {
            Assert.Contains(expected, full, StringComparison.Ordinal);
        }

        foreach (string bad in (string[])["0", "-1", "99999999999", "1x", "", "600001"])
        {
            Assert.Contains("<--budget-ms>\n<2000>", Start(sample.Closed, $"statestore.timeout_ms={bad}", checker: checker).Run.Output, StringComparison.Ordinal);
        }

        Assert.Contains("statestore.polcy is not an option", Start(sample.Closed, "statestore.polcy=block", checker: checker).Run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Evidence_is_left_for_the_system()
    {
        Boot boot = Start(sample.Closed, "statestore.release_set=boot-release-set://test@1");
        using JsonDocument evidence = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(boot.Fake, "run", "statestore", "boot-evidence.json")));
        Assert.Equal("verified", evidence.RootElement.GetProperty("decision").GetString());
        Assert.Contains("verified", File.ReadAllText(Path.Combine(boot.Fake, "run", "statestore", "boot-check.txt")), StringComparison.Ordinal);
    }

    [Fact]
    public void The_hook_copies_the_program_and_what_tells_a_rollback()
    {
        string fake = NewFake();
        string functions = "copy_exec() { echo \"copy_exec $*\" >>\"$DESTDIR/log\"; mkdir -p \"$DESTDIR/sbin\"; [ -z \"${2:-}\" ] || cp \"$1\" \"$DESTDIR$2\"; }\n";
        Write(Path.Combine(fake, "usr", "share", "initramfs-tools", "hook-functions"), functions);
        string hook = Faked("hooks", fake);
        ProgramRun Hook(string checker, out string destination, params string[] arguments)
        {
            destination = Directory.CreateDirectory(sample.PathOf("initrd-" + Guid.NewGuid().ToString("N"))).FullName;
            return Dash(hook, arguments, ("DESTDIR", destination), ("STATESTORE_BOOTCHECK", checker));
        }

        Assert.Equal((0, "\n"), (Hook("/nowhere", out _, "prereqs").ExitCode, Hook("/nowhere", out _, "prereqs").Output));
        ProgramRun absent = Hook("/nowhere", out _);
        Assert.Equal(1, absent.ExitCode);
        Assert.Contains("statestore-bootcheck is not installed", absent.Errors, StringComparison.Ordinal);
        Assert.Equal((0, ""), (Hook(program.Path, out string plain).ExitCode, Hook(program.Path, out _).Errors));
        Assert.Equal(File.ReadAllBytes(program.Path), File.ReadAllBytes(Path.Combine(plain, "sbin", "statestore-bootcheck")));
        Assert.False(Directory.Exists(Path.Combine(plain, "etc")));
        Write(Path.Combine(fake, "etc", "statestore", "root.keys"), "key\n");
        Write(Path.Combine(fake, "etc", "statestore", "min-root.note"), "note\n");
        Assert.Contains("cannot be checked at boot", Hook(program.Path, out _).Errors, StringComparison.Ordinal);
        Write(Path.Combine(fake, "usr", "lib", "x86_64-linux-gnu", "libcrypto.so.3"), "library");
        Assert.Equal((0, ""), (Hook(program.Path, out string signed).ExitCode, Hook(program.Path, out _).Errors));
        Assert.Equal(("key\n", "note\n"), (File.ReadAllText(Path.Combine(signed, "etc", "statestore", "root.keys")), File.ReadAllText(Path.Combine(signed, "etc", "statestore", "min-root.note"))));
        Assert.Contains("libcrypto.so.3", File.ReadAllText(Path.Combine(signed, "log")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_signed_root_is_checked_by_the_libcrypto_that_the_hook_copied_and_wants_review_without_one()
    {
        using PrivateKey key = PrivateKey.Generate();
        using PrivateKey stranger = PrivateKey.Generate();
        BootVerdict now = BootCheck.Run(new BootCheckOptions { StorePath = sample.Closed, BudgetMs = 60_000 });
        string origin = Checkpoint.OriginOf(Guid.Parse(now.StoreId));
        byte[] Note(PrivateKey by, ulong size) => by.SignNote(new Checkpoint(origin, size, new Hash256(Convert.FromHexString(now.Root))).ToText(), "boot-test").Encode();
        string keys = new NoteKey("boot-test", key.PublicKey) + "\n";
        string libcrypto = Directory.EnumerateFiles("/usr/lib", "libcrypto.so.3", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 1, IgnoreInaccessible = true }).First();

        foreach ((byte[] note, bool hasLibrary, string verdict, string code) in (IEnumerable<(byte[], bool, string, string)>)
            [
                (Note(key, now.Size), true, "verified", ""),
                (Note(key, now.Size + 1), true, "blocked", "store.rolled-back"),
                (Note(stranger, now.Size), true, "blocked", "root.signature"),
                (Note(key, now.Size), false, "review_required", "root.signature-unchecked"),
                (Note(stranger, now.Size), false, "review_required", "root.signature-unchecked"),
            ])
        {
            ProgramRun run = InInitramfs(note, keys, hasLibrary ? libcrypto : null);
            if (run.Errors.StartsWith("unshare:", StringComparison.Ordinal))
            {
                Console.WriteLine("skipped: namespaces cannot be made here: " + run.Errors.Trim());
                return;
            }

            using JsonDocument answer = JsonDocument.Parse(run.Output);
            Assert.True(verdict == answer.RootElement.GetProperty("verdict").GetString(), run.Output);

            // With the managed hash, where there is no libcrypto, as with the native one.
            Assert.Equal(now.Root, answer.RootElement.GetProperty("root").GetString());
            Assert.Equal(verdict switch { "verified" => 0, "blocked" => 20, _ => 10 }, run.ExitCode);
            Assert.True(code.Length == 0 || answer.RootElement.GetProperty("reasons").EnumerateArray().Any(reason => reason.GetProperty("code").GetString() == code), run.Output);
        }
    }

    // Runs the hook, makes what it copied the root of a process, and asks the program there, so that no library of this system can help it.
    private ProgramRun InInitramfs(byte[] note, string keys, string? libcrypto)
    {
        string fake = NewFake();
        const string Functions = """
            copy_one() { mkdir -p "$DESTDIR$(dirname "$2")"; cp -L "$1" "$DESTDIR$2"; }
            copy_exec() {
                copy_one "$1" "${2:-${1#"$AT"}}"
                for library in $(ldd "$1" | grep -o '/[^ ]*'); do copy_one "$library" "$library"; done
            }

            """;
        Write(Path.Combine(fake, "usr", "share", "initramfs-tools", "hook-functions"), Functions);
        Write(Path.Combine(fake, "etc", "statestore", "root.keys"), keys);
        File.WriteAllBytes(Path.Combine(fake, "etc", "statestore", "min-root.note"), note);
        if (libcrypto is not null)
        {
            Directory.CreateDirectory(Path.Combine(fake, "usr", "lib", "x86_64-linux-gnu"));
            File.Copy(libcrypto, Path.Combine(fake, "usr", "lib", "x86_64-linux-gnu", "libcrypto.so.3"));
        }

        string root = Directory.CreateDirectory(sample.PathOf("initrd-" + Guid.NewGuid().ToString("N"))).FullName;
        ProgramRun hook = Dash(Faked("hooks", fake), [], ("DESTDIR", root), ("AT", fake), ("STATESTORE_BOOTCHECK", program.Path));
        Assert.True(hook.ExitCode == 0, hook.Errors);
        Assert.Equal(libcrypto is null, hook.Errors.Contains("cannot be checked at boot", StringComparison.Ordinal));
        Assert.Equal(libcrypto is not null, File.Exists(Path.Combine(root, "usr", "lib", "x86_64-linux-gnu", "libcrypto.so.3")));
        Directory.Move(sample.Copy(sample.Closed), Path.Combine(root, "store"));
        return NativeProgram.Start("unshare", ["-r", "chroot", root, "/sbin/statestore-bootcheck", "--json", "--store", "/store", "--budget-ms", "60000", "--min-root", "/etc/statestore/min-root.note", "--root-key", "/etc/statestore/root.keys"], 60_000);
    }

    private static (string Verdict, string Decision) Both(Boot boot) => (boot.Verdict, boot.Decision == "accepted" ? "block" : boot.Decision);

    // Each record stands in live pages once, so of the places where its text is found one counts.
    private string Damaged()
    {
        byte[] wanted = "object:8"u8.ToArray();
        byte[] data = File.ReadAllBytes(Path.Combine(sample.Closed, s_state));
        for (int at = data.AsSpan().IndexOf(wanted); at >= 0;)
        {
            string copy = sample.Copy(sample.Closed);
            byte[] flipped = [.. data];
            flipped[at + wanted.Length + 60] ^= 1;
            File.WriteAllBytes(Path.Combine(copy, s_state), flipped);
            if (program.Run("--store", copy, "--budget-ms", "60000").ExitCode == 20)
            {
                return copy;
            }

            int next = data.AsSpan(at + 1).IndexOf(wanted);
            at = next < 0 ? -1 : at + 1 + next;
        }

        throw new InvalidOperationException("No flip of that record blocks.");
    }

    // Starts the script on a faked initramfs. What is typed at each panic is in atPanic; after those, the test stops the script at the next panic.
    private Boot Start(string? store, string commandLine, string[]? atPanic = null, string? checker = null, bool quiet = false, bool isSigned = false, bool link = false)
    {
        string fake = NewFake();
        StringBuilder panic = new("panic() { echo \"PANIC $*\"; echo x >>\"$FAKE/panics\"; n=0; while read -r _; do n=$((n + 1)); done <\"$FAKE/panics\"; case $n in\n");
        foreach ((int index, string typed) in (atPanic ?? []).Index())
        {
            panic.Append(index + 1).Append(") ").Append(typed.Length == 0 ? ":" : typed).Append(" ;;\n");
        }

        Write(Path.Combine(fake, "scripts", "functions"), panic.Append("*) kill -TERM $$; exit ;;\nesac; }\nsleep() { :; }\n").ToString());
        Write(Path.Combine(fake, "proc", "cmdline"), commandLine + "\n");
        Write(Path.Combine(fake, "dev", "kmsg"), "");
        if (checker is null)
        {
            Directory.CreateDirectory(Path.Combine(fake, "sbin"));
            File.CreateSymbolicLink(Path.Combine(fake, "sbin", "statestore-bootcheck"), program.Path);
        }
        else if (checker.Length > 0)
        {
            Write(Path.Combine(fake, "sbin", "statestore-bootcheck"), checker);
        }

        if (isSigned)
        {
            Write(Path.Combine(fake, "etc", "statestore", "root.keys"), "key\n");
            Write(Path.Combine(fake, "etc", "statestore", "min-root.note"), "note\n");
        }

        Directory.CreateDirectory(Path.Combine(fake, "root", "var", "lib"));
        File.Copy(Path.Combine(sample.Closed, s_state), Path.Combine(fake, "sound"));
        if (store is not null)
        {
            Directory.Move(sample.Copy(store), Path.Combine(fake, "root", "var", "lib", "statestore"));
        }

        if (link)
        {
            File.CreateSymbolicLink(Path.Combine(fake, "root", "link"), Path.Combine(fake, "root", "var", "lib", "statestore"));
        }

        ProgramRun run = Dash(Faked("local-bottom", fake), [], ("rootmnt", Path.Combine(fake, "root")), ("quiet", quiet ? "y" : "n"), ("FAKE", fake));
        string decision = Path.Combine(fake, "run", "statestore", "boot-decision");
        string[] words = File.Exists(decision) ? File.ReadAllText(decision).Trim().Split(' ') : ["policy=", "verdict=", "decision="];
        int panics = File.Exists(Path.Combine(fake, "panics")) ? File.ReadAllLines(Path.Combine(fake, "panics")).Length : 0;
        return new Boot(run, fake, words[1]["verdict=".Length..], words[2]["decision=".Length..], panics);
    }

    private string NewFake() => Directory.CreateDirectory(sample.PathOf("fake-" + Guid.NewGuid().ToString("N"))).FullName;

    private static string Faked(string folder, string fake)
    {
        string text = File.ReadAllText(Path.Combine(s_sources, folder, "statestore"));
        Assert.Single(text.Split('\n'), static line => line == "at=''");
        string path = Path.Combine(fake, folder + "-script");
        File.WriteAllText(path, text.Replace("\nat=''\n", $"\nat='{fake}'\n", StringComparison.Ordinal));
        return path;
    }

    private static ProgramRun Dash(string script, string[] arguments, params (string Name, string Value)[] environment) =>
        NativeProgram.Start("env", [.. environment.Select(static item => $"{item.Name}={item.Value}"), "dash", script, .. arguments], 60_000);

    private static void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private sealed record Boot(ProgramRun Run, string Fake, string Verdict, string Decision, int Panics);
}
