// Why this file exists: `file` reads adopted files and says whether their bytes are those of their records. Invariants: content is written only when all of it was hashed and matches; a mismatch is recorded as a conflict when the
// caller may write, and said in any case; what is outside the caller's scope is not there.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Adopted files.</summary>
internal static class FileVerb
{
    private static readonly Argument<string> Id = Inputs.Id("The file's object");
    private static readonly Option<bool> NoRecord = new("--no-record") { Description = "Only say it; record no conflict" };
    private static readonly Option<string> Output = OutputFiles.Option();

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("file", "Read adopted files and compare them with their records", "statestore file check file:workspace:src:0f3a", "statestore file read file:workspace:src:0f3a");
        VerbCommand check = new("check", "Compare a file with its record; a mismatch becomes a conflict", "statestore file check file:workspace:src:0f3a", "statestore file check file:workspace:src:0f3a --no-record --json") { Run = CheckAsync };
        VerbCommand read = new("read", "Write a file's content when it is what its record says", "statestore file read file:workspace:src:0f3a", "statestore file read file:workspace:src:0f3a -o copy") { Run = ReadAsync };
        read.Options.Add(Output);
        foreach (VerbCommand verb in (VerbCommand[])[check, read])
        {
            verb.Arguments.Add(Id);
            verb.Options.Add(NoRecord);
            group.Subcommands.Add(verb);
        }

        return group;
    }

    private static async Task<ExitCode> CheckAsync(VerbContext context)
    {
        FileCheck check = Find(context, keepsOpen: false, out _);
        Recorded recorded = await RecordAsync(context, check).ConfigureAwait(false);
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                WriteFields(writer, check, recorded);
                writer.WriteEndObject();
            });
        }
        else
        {
            context.Out.WriteLine($"{TerminalText.Clean(check.Path)} {check.Word}{(check.Reason.Length > 0 ? $" ({check.Reason})" : "")}");
            Explain(context, check, recorded);
        }

        return ExitOf(check);
    }

    private static async Task<ExitCode> ReadAsync(VerbContext context)
    {
        string? output = context.Get(Output);
        if (context.Json && output is null)
        {
            throw CliException.Usage("With --json the content needs a file of its own.", "Name it with -o FILE.");
        }

        FileCheck check = Find(context, keepsOpen: true, out Stream? opened);
        if (opened is null)
        {
            Recorded recorded = await RecordAsync(context, check).ConfigureAwait(false);
            throw new CliException(new CliError(
                ExitOf(check), check.IsMismatch ? "checksum_mismatch" : "file_" + check.Word, Sentence(check), $"object {check.ObjectId}", Next: recorded.ConflictId.Length > 0 ? Resolve(recorded.ConflictId, check) : Next(check)));
        }

        using Stream stream = opened;
        if (output is not null)
        {
            OutputFiles.Write(output, stream.CopyTo);
        }
        else
        {
            Copy(context, stream);
        }

        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                WriteFields(writer, check, default);
                writer.WriteString("output"u8, output);
                writer.WriteEndObject();
            });
        }

        return ExitCode.Done;
    }

    private static void Copy(VerbContext context, Stream stream)
    {
        byte[] buffer = new byte[1 << 16];
        for (int count; (count = stream.Read(buffer)) > 0;)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            context.Out.Write(buffer.AsSpan(0, count));
        }
    }

    private static FileCheck Find(VerbContext context, bool keepsOpen, out Stream? stream)
    {
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        using StateStore store = context.OpenRead();
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            if (snapshot.Get(RecordKind.Object, id) is not { IsTombstone: false } record || !context.Scope(snapshot).Allows(record))
            {
                throw CliException.NotFound($"There is no object '{id}'.", $"object {id}", "See what there is: statestore list objects --where object_type=file");
            }
        }

        stream = null;
        FileCheck? check = keepsOpen ? null : WorkspaceReader.Check(store, id, context.Cancellation);
        if (keepsOpen)
        {
            stream = WorkspaceReader.OpenFile(store, id, out check, context.Cancellation);
        }

        return check is null ? throw CliException.NotFound($"There is no object '{id}'.", $"object {id}")
            : check.Verdict == FileVerdict.NotAFile ? throw CliException.BadData($"'{id}' is not an adopted file.", $"object {id}", "See the files: statestore list objects --where object_type=file", "not_a_file")
            : check;
    }

    private readonly record struct Recorded(string? Conflict, bool IsNew, string Fault)
    {
        public string ConflictId => Conflict ?? "";
    }

    // The answer does not depend on whether it can be recorded, so a caller who may not write still gets it.
    private static async Task<Recorded> RecordAsync(VerbContext context, FileCheck check)
    {
        if (!check.IsMismatch || context.Get(NoRecord))
        {
            return new Recorded("", false, "");
        }

        try
        {
            StateStore store = context.OpenWrite();
            await using (store.ConfigureAwait(false))
            {
                MismatchRecord record = await ChecksumMismatch.RecordAsync(store, context.SessionFor(store, RecordKind.Object, check.ObjectId), check, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false);
                return new Recorded(record.ConflictId, record.IsNew, record.ConflictId.Length > 0 ? "" : record.Receipt?.Refusal?.Reason ?? "it was refused");
            }
        }
        catch (CliException exception)
        {
            return new Recorded("", false, exception.Error.Message);
        }
        catch (StateStoreException exception)
        {
            return new Recorded("", false, exception.Summary);
        }
    }

    private static void Explain(VerbContext context, FileCheck check, Recorded recorded)
    {
        if (!check.IsMismatch)
        {
            return;
        }

        context.Out.WriteLine($"  recorded {check.RecordedHash}, {Units.Bytes(check.RecordedBytes)}");
        context.Out.WriteLine($"  found    {check.FoundHash}, {Units.Bytes(check.FoundBytes)}");
        if (recorded.ConflictId.Length > 0)
        {
            context.Out.WriteLine($"  conflict {TerminalText.Clean(recorded.ConflictId)}{(recorded.IsNew ? "" : ", open already")}");
            context.Out.WriteLine("  " + TerminalText.Clean(Resolve(recorded.ConflictId, check)));
        }
        else if (recorded.Fault.Length > 0)
        {
            context.Messages.Warning($"No conflict was recorded: {recorded.Fault}");
        }
    }

    private static void WriteFields(System.Text.Json.Utf8JsonWriter writer, FileCheck check, Recorded recorded)
    {
        writer.WriteString("object"u8, check.ObjectId);
        writer.WriteString("path"u8, check.Path);
        writer.WriteString("verdict"u8, check.Word);
        writer.WriteString("reason"u8, check.Reason);
        writer.WriteNumber("sequence"u8, check.Sequence);
        WriteSide(writer, "recorded", check.RecordedHash, check.RecordedBytes);
        WriteSide(writer, "found", check.FoundHash, check.FoundBytes);
        writer.WriteString("conflict"u8, recorded.ConflictId);
        writer.WriteBoolean("conflictIsNew"u8, recorded.IsNew);
        writer.WriteString("notRecorded"u8, recorded.Fault ?? "");
        writer.WriteString("next"u8, recorded.ConflictId.Length > 0 ? Resolve(recorded.ConflictId, check) : Next(check));
    }

    private static void WriteSide(System.Text.Json.Utf8JsonWriter writer, string name, string hash, long bytes)
    {
        writer.WriteStartObject(name);
        writer.WriteString("sha256"u8, hash);
        writer.WriteNumber("bytes"u8, bytes);
        writer.WriteEndObject();
    }

    private static string Sentence(FileCheck check) => check.Verdict switch
    {
        FileVerdict.Differs => "The file's bytes are not those of its record, while its size and time are.",
        FileVerdict.Changed => "The file was changed since it was recorded.",
        FileVerdict.Missing => "The file is not in its tree any more.",
        FileVerdict.Elsewhere => "The file's tree is not on this machine.",
        _ => $"The file cannot be read ({check.Reason}).",
    };

    private static string Next(FileCheck check) => check.Verdict switch
    {
        FileVerdict.Differs or FileVerdict.Changed => "Restore the file, or take it as it is: statestore adopt with --rehash.",
        FileVerdict.Missing => "Restore the file, or record that it is gone: statestore adopt.",
        FileVerdict.Elsewhere => "Ask on the device that has the tree.",
        FileVerdict.Unreadable => "Make the file readable and try again.",
        _ => "",
    };

    private static string Resolve(string conflictId, FileCheck check) =>
        $"statestore conflict resolve {ErrorMapping.Quote(conflictId)} --option {(check.Verdict == FileVerdict.Differs ? "skip" : "merge")} --reason TEXT";

    private static ExitCode ExitOf(FileCheck check) => check.Verdict switch
    {
        FileVerdict.Matches => ExitCode.Done,
        FileVerdict.Missing or FileVerdict.Elsewhere => ExitCode.NotFound,
        FileVerdict.Unreadable => ExitCode.InputOutput,
        _ => ExitCode.No,
    };
}
