// Why this file exists: `list` and its short forms show records of one kind in identifier order. Invariants: a page is read and let go before it is printed,
// so a reader that pauses the output holds nothing back; --after continues exactly behind a record.

using System.Buffers;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Lists records.</summary>
internal static class ListVerb
{
    private const int PageRecords = 512;

    private static readonly Argument<string> Kind = Inputs.Kind();

    private static readonly Option<string[]> Where = new("--where")
    {
        Description = "Only records whose field F has the text V; may be given again, all must hold", HelpName = "F=V", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false,
    };

    private static readonly Option<int?> Limit = Inputs.Count("--limit", "At most N records");
    private static readonly Option<string> After = new("--after") { Description = "Start behind this identifier", HelpName = "ID" };
    private static readonly Option<bool> Tombstones = new("--tombstones") { Description = "Deleted records too" };

    /// <summary>Kinds with a command of their own.</summary>
    public static IReadOnlyList<string> Aliases { get; } = ["actors", "devices", "profiles", "schemas", "conflicts", "plans"];

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "list",
            "List the records of a kind in identifier order",
            "statestore list objects --where object_type=file --limit 20",
            "statestore list objects --where workspace_id=workspace:src --after file:workspace:src:17 --json")
        {
            Run = VerbCommand.Sync(static context => Run(context, Inputs.KindOf(context.Get(Kind)))),
        };
        command.Arguments.Add(Kind);
        AddOptions(command);
        return command;
    }

    /// <summary>The short form for one kind.</summary>
    /// <param name="plural">The kind's plural name.</param>
    public static VerbCommand CreateAlias(string plural)
    {
        VerbCommand command = new(plural, $"List the {plural}", $"statestore {plural}", $"statestore {plural} --limit 20 --json")
        {
            Run = VerbCommand.Sync(context => Run(context, Inputs.KindOf(plural))),
        };
        AddOptions(command);
        return command;
    }

    private static void AddOptions(VerbCommand command)
    {
        foreach (Option option in (Option[])[Where, Limit, After, Tombstones])
        {
            command.Options.Add(option);
        }
    }

    private static ExitCode Run(VerbContext context, RecordKindInfo kind)
    {
        RecordFilter filter = RecordFilter.Parse(kind, context.Get(Where) ?? []);
        long left = context.Get(Limit) ?? long.MaxValue;
        string? after = context.Get(After) is { } given ? VerbContext.CheckId(given, "--after") : null;
        using StateStore store = context.OpenRead();
        using Rows rows = new(context, kind);
        while (left > 0)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            (List<StoredRecord> page, string? next) = ReadPage(context, store, kind.Kind, after, filter, (int)Math.Min(left, PageRecords));
            page.ForEach(rows.Add);
            left -= page.Count;
            if (next is null)
            {
                break;
            }

            after = next;
        }

        rows.Finish();
        return ExitCode.Done;
    }

    // Returns the identifier to go on after; null when the kind has no more records.
    private static (List<StoredRecord> Page, string? Next) ReadPage(
        VerbContext context, StateStore store, RecordKind kind, string? after, RecordFilter filter, int wanted)
    {
        const int examinedBound = 100_000;
        List<StoredRecord> page = [];
        int examined = 0;
        using ReadSnapshot snapshot = store.OpenSnapshot();
        ReadScope scope = context.Scope(snapshot);
        foreach (RecordView record in snapshot.Range(kind, after, context.Get(Tombstones)))
        {
            if (filter.IsMatch(record) && scope.Allows(record))
            {
                page.Add(record.ToStored());
            }

            if (page.Count == wanted || ++examined == examinedBound)
            {
                return (page, System.Text.Encoding.UTF8.GetString(record.Id));
            }
        }

        return (page, null);
    }

    // NDJSON or a table.
    private sealed class Rows : IDisposable
    {
        private readonly VerbContext _context;
        private readonly IReadOnlyList<(string Header, string[] Fields)> _columns;
        private readonly Table _table;
        private readonly ArrayBufferWriter<byte> _buffer = new();
        private readonly Utf8JsonWriter _writer;

        public Rows(VerbContext context, RecordKindInfo kind)
        {
            _context = context;
            _columns = ListColumns.Of(kind.Kind);
            _table = new Table(context.Out, context.Style, context.Columns, ["ID", .. _columns.Select(static column => column.Header), "SEQ"]);
            _writer = new Utf8JsonWriter(_buffer, RecordText.Options(isIndented: false));
        }

        public void Add(StoredRecord record)
        {
            if (!_context.Json)
            {
                string id = record.IsTombstone ? record.Id + " (deleted)" : record.Id;
                _table.Add([id, .. _columns.Select(column => Cell(record, column.Fields)), record.Sequence.ToString(CultureInfo.InvariantCulture)]);
                return;
            }

            _buffer.ResetWrittenCount();
            _writer.Reset();
            RecordDocument.Write(_writer, record);
            _writer.Flush();
            _context.Out.Write(_buffer.WrittenSpan);
            _context.Out.Write("\n"u8);
        }

        public void Finish()
        {
            if (!_context.Json)
            {
                _table.Finish();
                if (_table.Count == 0)
                {
                    _context.Messages.Info("No records.");
                }
            }
        }

        public void Dispose() => _writer.Dispose();

        // The first field that has a value.
        private static string Cell(StoredRecord record, string[] fields)
        {
            foreach (string field in fields)
            {
                if (RecordText.Field(record, field) is { Length: > 0 } text)
                {
                    return text;
                }
            }

            return "";
        }
    }
}
