// Why this file exists: whether a boot may rest on this store, in milliseconds and for any bytes. Invariants: never throws; reads only; takes no lock; the same bytes give the same verdict as long as
// the budget suffices; what cannot be shown is a reason and never "verified".

using System.Diagnostics;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Readers.Boot;

/// <summary>Checks stores for early boot. Stateless and thread-safe.</summary>
public static class BootCheck
{
    private const int MaxReasons = 16;
    private const int MaxBudgetMs = 600_000;

    /// <summary>Checks a store.</summary>
    /// <param name="options">What to check and how.</param>
    /// <returns>The verdict.</returns>
    public static BootVerdict Run(BootCheckOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        long started = Stopwatch.GetTimestamp();
        BootVerdict verdict;
        try
        {
            verdict = new Check(options, started).Decide();
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // Whatever it is, a boot waits for an answer; the kind of exception tells whoever looks into it.
            verdict = new BootVerdict
            {
                Decision = BootDecision.ReviewRequired,
                Level = "none",
                Reasons = [new BootReason("check.failed", $"The check itself failed: {exception.GetType().Name}: {exception.Message}")],
            };
        }

        return verdict with { ElapsedMs = (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds };
    }

    private sealed class Check(BootCheckOptions options, long started)
    {
        private readonly List<BootReason> _reasons = [];
        private BootDecision _decision = BootDecision.Verified;

        public BootVerdict Decide()
        {
            int budgetMs = Math.Clamp(options.BudgetMs, 1, MaxBudgetMs);
            if (options.StorePath.Length == 0 || options.StorePath.Contains('\0', StringComparison.Ordinal))
            {
                return Nothing("store.path", "The store's path is not one.");
            }

            if (!Directory.Exists(options.StorePath))
            {
                return Nothing("store.missing", "There is no store here.");
            }

            RootClaim? claim = ReadClaim();
            VerificationReport quick = Verify(VerificationLevel.Quick, claim, budgetMs * 10L)
                ?? throw new TimeoutException("The quick level did not end in ten times its budget.");
            VerificationReport report = quick;
            string bootId = options.BootId ?? BootIds.Current();
            bool sameBoot = BootIds.OfLock(options, out bool isReadable) == bootId && bootId.Length > 0;
            bool wantsMore = !quick.IsClosedCleanly || (claim is not null && claim.Size != quick.LogSize) || SizeOf(options.StorePath) <= options.StandardUpToBytes;
            if (wantsMore && _decision != BootDecision.Blocked && quick.Verdict != VerificationVerdict.Unsafe)
            {
                long left = budgetMs - (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                VerificationReport? standard = left > 0 ? Verify(VerificationLevel.Standard, claim, left) : null;
                report = standard ?? quick;
                if (standard is null && !quick.IsClosedCleanly)
                {
                    Add(BootDecision.ReviewRequired, new BootReason(
                        sameBoot ? "store.unclean" : "store.power-loss",
                        sameBoot || !isReadable
                            ? "The store was not closed cleanly, and a complete check did not end within its time."
                            : "The store was open when the machine went down, and a complete check did not end within its time."));
                }
            }

            Judge(report);
            JudgeClaim(claim, report);
            return new BootVerdict
            {
                Decision = _decision,
                Reasons = _reasons,
                Root = report.LogRoot.Length > 0 ? report.LogRoot : quick.LogRoot,
                Size = report.LogRoot.Length > 0 ? report.LogSize : quick.LogSize,
                Sequence = Math.Max(report.LastSequence, quick.LastSequence),
                StoreId = report.StoreId,
                Level = report.Level == VerificationLevel.Standard ? "standard" : "quick",
            };
        }

        private static BootVerdict Nothing(string code, string message) => new() { Decision = BootDecision.ReviewRequired, Level = "none", Reasons = [new BootReason(code, message)] };

        private void Add(BootDecision decision, BootReason reason)
        {
            _decision = decision > _decision ? decision : _decision;
            if (_reasons.Count < MaxReasons)
            {
                _reasons.Add(reason);
            }
        }

        private VerificationReport? Verify(VerificationLevel level, RootClaim? claim, long timeoutMs)
        {
            using CancellationTokenSource timer = new(TimeSpan.FromMilliseconds(timeoutMs));
            try
            {
                VerifyOptions how = new()
                {
                    Level = level,
                    Files = options.Files,
                    MaxFindings = 1000,
                    MinimumRoot = claim is null ? null : new KnownRoot(claim.Size, claim.Root),
                };
                return StoreVerifier.Run(options.StorePath, how, timer.Token);
            }
            catch (OperationCanceledException)
            {
                // Out of time; what that means is for the caller to say.
                return null;
            }
        }

        // What only exists once and is damaged blocks, and so does any sign that a record that a boot reads is not what it was. Any other wrong record does so too where it was met: its own
        // mark is among the bytes that are wrong. What can be made again as a whole wants a repair, which is a person's word at boot.
        private void Judge(VerificationReport report)
        {
            foreach (Finding finding in report.Findings.Where(static finding => finding.Severity == FindingSeverity.Error).OrderBy(static finding => finding.Class))
            {
                bool blocks = (finding.Class == FindingClass.Durable && !finding.AutoRepair) || finding.Place.Record.Length > 0 || finding.Place.Table == "records" || finding.Code == FindingKinds.BootCritical.Code;
                Add(blocks ? BootDecision.Blocked : BootDecision.ReviewRequired, new BootReason(finding.Code, finding.Message, finding.Place.ToString()));
            }

            if (report.Verdict == VerificationVerdict.Unsafe)
            {
                Add(BootDecision.Blocked, new BootReason("store.unsafe", "The store cannot be trusted as it is."));
            }
            else if (report.Verdict == VerificationVerdict.Damaged && _decision == BootDecision.Verified)
            {
                Add(BootDecision.ReviewRequired, new BootReason("store.damaged", "The store is damaged."));
            }

            foreach (NotChecked left in report.NotChecked)
            {
                Add(BootDecision.ReviewRequired, new BootReason("check.incomplete", $"Not checked: {left.What}: {left.Why}."));
            }

            if (report.StoreId.Length == 0 && _reasons.Count == 0)
            {
                Add(BootDecision.Blocked, new BootReason("store.unknown", "Nothing tells which store this is."));
            }
        }

        private void JudgeClaim(RootClaim? claim, VerificationReport report)
        {
            if (claim is null || _decision == BootDecision.Blocked)
            {
                return;
            }

            if (!Guid.TryParse(report.StoreId, out Guid id) || claim.Origin != Checkpoint.OriginOf(id))
            {
                Add(BootDecision.Blocked, new BootReason("root.other-store", $"The root that must be continued is that of '{claim.Origin}'."));
            }
            else if (report.LogSize < claim.Size)
            {
                Add(BootDecision.Blocked, new BootReason("root.rolled-back", $"The log has {report.LogSize} frames; it had {claim.Size} when the root was signed: the store was rolled back."));
            }
            else if (report.LogSize == claim.Size)
            {
                if (report.LogRoot != claim.Root.ToString())
                {
                    Add(BootDecision.Blocked, new BootReason("root.forked", "The log is another one than that of the signed root."));
                }
            }
            else if (report.Level != VerificationLevel.Standard)
            {
                Add(BootDecision.ReviewRequired, new BootReason("root.not-shown", "That the log continues the signed root could not be shown within the time."));
            }
        }

        private RootClaim? ReadClaim()
        {
            if (options.MinimumRootNote is not { } bytes)
            {
                return null;
            }

            if (!SignedNote.TryParse(bytes, out SignedNote? note, out string reason) || !Checkpoint.TryParse(note.Text, out Checkpoint? checkpoint, out reason))
            {
                Add(BootDecision.ReviewRequired, new BootReason("root.note", $"The root that must be continued cannot be read: {reason}"));
                return null;
            }

            List<NoteKey> keys = [];
            foreach (string line in (options.RootKeys ?? "").Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Take(SignedNote.MaxSignatures))
            {
                if (NoteKey.TryParse(line, out NoteKey? key))
                {
                    keys.Add(key);
                }
            }

            if (keys.Count == 0)
            {
                Add(BootDecision.ReviewRequired, new BootReason("root.no-key", "A root must be continued, but no key says whose signature counts; name one with --root-key."));
            }
            else if (!Ed25519.IsAvailable)
            {
                Add(BootDecision.ReviewRequired, new BootReason("root.signature-unchecked", Ed25519.MissingReason));
            }
            else if (note.Verify([.. keys]) != NoteVerdict.Verified)
            {
                Add(BootDecision.Blocked, new BootReason("root.signature", "The root that must be continued is not signed by a trusted key."));
            }

            return new RootClaim(checkpoint.Origin, checkpoint.Size, checkpoint.Root);
        }

        // An estimate is enough: it decides how much is looked at, not what is believed.
        private static long SizeOf(string path)
        {
            long bytes = 0;
            int files = 0;
            EnumerationOptions how = new() { RecurseSubdirectories = true, MaxRecursionDepth = 4, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
            foreach (FileInfo file in new DirectoryInfo(path).EnumerateFiles("*", how))
            {
                bytes += file.Length;
                if (++files > 4096)
                {
                    return long.MaxValue;
                }
            }

            return bytes;
        }
    }

    private sealed record RootClaim(string Origin, ulong Size, Hash256 Root);
}
