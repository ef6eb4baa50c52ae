// Why this file exists: takes documents into the store, a file or a number of records at a time. Invariants: what is committed together is known before anything
// of it is written; a record that the store has already, byte for byte, is left alone, so importing again does nothing; every bad line is named
// with file, line and rule.

using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;

namespace SourceOS.StateStore.Cli.Import;

/// <summary>Imports files. Used once, by one thread.</summary>
internal sealed class Importer(ImportTarget target, int? batchRecords, bool continues, CancellationToken cancellationToken)
{
    // An atomic file waits in memory until its last line was read.
    private const long MaxAtomicBytes = 256L << 20;
    private const int MaxFailuresListed = 10_000;

    private readonly List<Pending> _pending = [];
    private readonly HashSet<(RecordKind, string)> _named = [];
    private long _pendingBytes;

    private sealed record Pending(RecordKind Kind, string Id, byte[] Body);

    /// <summary>Files read to their end.</summary>
    public int Files { get; private set; }

    /// <summary>Documents met.</summary>
    public long Read { get; private set; }

    /// <summary>Records written.</summary>
    public long Imported { get; private set; }

    /// <summary>Records that were there already.</summary>
    public long Unchanged { get; private set; }

    /// <summary>Documents refused.</summary>
    public long Failed { get; private set; }

    /// <summary>The last commit's last sequence; 0 when nothing was written.</summary>
    public ulong LastSequence { get; private set; }

    /// <summary>Refused documents, a bounded number of them.</summary>
    public List<ImportFailure> Failures { get; } = [];

    /// <summary>Imports one file.</summary>
    /// <param name="path">The file, or "-" for stdin.</param>
    public async Task ImportAsync(string path)
    {
        string name = path == "-" ? "standard input" : path;
        using Stream stream = InputFiles.Open(path);
        bool isLines = path.EndsWith(".ndjson", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase);
        foreach (ImportItem item in ImportReader.Read(stream, isLines))
        {
            cancellationToken.ThrowIfCancellationRequested();
            Read++;
            if (item.IsFault)
            {
                Refuse(name, item.Line, item.Rule, item.Message);
                continue;
            }

            if (!RecordJson.TryParse(item.Document.Span, out RecordKind kind, out string? id, out byte[]? body, out RecordJsonFault fault))
            {
                Refuse(name, item.Line, ErrorMapping.SnakeCase(fault.Code.ToString()), fault.Message);
                continue;
            }

            await AddAsync(name, item.Line, new Pending(kind, id, body)).ConfigureAwait(false);
        }

        await FlushAsync().ConfigureAwait(false);
        Files++;
    }

    private async Task AddAsync(string file, long line, Pending record)
    {
        if (!_named.Add((record.Kind, record.Id)))
        {
            if (batchRecords is null)
            {
                Refuse(file, line, "duplicate_record", $"The file has {RecordKinds.Get(record.Kind).Name} '{record.Id}' twice; one commit changes a record once. Import with --batch to write both.");
                return;
            }

            await FlushAsync().ConfigureAwait(false);
            _named.Add((record.Kind, record.Id));
        }

        _pending.Add(record);
        _pendingBytes += record.Body.Length;
        if (_pendingBytes > MaxAtomicBytes && batchRecords is null)
        {
            throw CliException.BadData($"The file has more than {MaxAtomicBytes} bytes of records; one commit cannot hold them.", file, "Import it in parts with --batch 1000.", "too_large");
        }

        if (_pending.Count >= batchRecords)
        {
            await FlushAsync().ConfigureAwait(false);
        }
    }

    private async Task FlushAsync()
    {
        if (_pending.Count == 0)
        {
            return;
        }

        CommitBatch batch = new();
        using (ReadSnapshot snapshot = target.Store.OpenSnapshot())
        {
            // Who may replicate brings records in as they are; what anyone else imports is made by them, here and now.
            bool keeps = ForeignAttribution.MayKeep(snapshot, target.Session.Identity.ActorId, DateTimeOffset.UtcNow);
            foreach (Pending record in _pending)
            {
                if (IsThere(snapshot, record))
                {
                    Unchanged++;
                }
                else
                {
                    batch.Put(record.Kind, record.Id, record.Body, new ChangeOptions { KeepsAttribution = keeps });
                }
            }
        }

        _pending.Clear();
        _named.Clear();
        _pendingBytes = 0;
        if (batch.Count > 0)
        {
            // Whether a commit that was cancelled happened would be unknown, so it is waited for.
            CommitReceipt receipt = Receipts.Require(await target.Session.CommitAsync(batch, CommitWait.Visible, CancellationToken.None).ConfigureAwait(false));
            Imported += batch.Count;
            LastSequence = receipt.LastSequence;
        }
    }

    private static bool IsThere(ReadSnapshot snapshot, Pending record) =>
        snapshot.TryGet(record.Kind, System.Text.Encoding.UTF8.GetBytes(record.Id), out RecordView known)
        && !known.IsTombstone && known.BodyBytes.SequenceEqual(record.Body);

    private void Refuse(string file, long line, string rule, string message)
    {
        Failed++;
        if (!continues)
        {
            string kept = Imported > 0 ? $" {Imported} records of earlier commits are in the store; importing again leaves them as they are." : " Nothing was written.";
            throw CliException.BadData(message, $"{file}:{line}", "Mend the line and import again, or skip bad lines with --continue." + kept, rule);
        }

        if (Failures.Count < MaxFailuresListed)
        {
            Failures.Add(new ImportFailure(file, line, rule, message));
        }
    }
}
