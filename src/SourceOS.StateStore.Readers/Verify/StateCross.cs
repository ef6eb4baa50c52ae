// Why this file exists: the state is the log folded, so each can be held against the other: position, chain, tree, counts, and the table of
// frames. Invariants: compares only what both sides were read for; says what it leaves out and why.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Holds a state against the log.</summary>
internal sealed class StateCross
{
    private readonly VerifyContext _context;
    private readonly StoreSurvey _survey;
    private readonly LogOutcome _log;
    private readonly StateOutcome _state;
    private readonly StateHeader _header;
    private readonly FindingPlace _place;

    private StateCross(VerifyContext context, StoreSurvey survey, LogOutcome log, StateOutcome state, StateHeader header)
    {
        _context = context;
        _survey = survey;
        _log = log;
        _state = state;
        _header = header;
        _place = new FindingPlace { File = context.Layout.Relative(context.Layout.StateDataPath(state.Generation)), Table = "meta", Address = header.LogPosition };
    }

    public static void Check(VerifyContext context, StoreSurvey survey, LogOutcome log, StateOutcome state)
    {
        if (state.Header is { } header)
        {
            new StateCross(context, survey, log, state, header).Check();
        }
    }

    private void Check()
    {
        LogLinker linker = _log.Linker;
        if (_header.LogPosition > linker.End.Address)
        {
            _context.CannotCheck("the state against the log", "the log cannot be followed up to the state's position");
            return;
        }

        if (!CheckPosition(linker))
        {
            return;
        }

        // Also for a log that starts at a base: the state at a base is empty (format-spec/fences.md), so it has folded exactly what the log holds.
        if (linker.Damage.Any(damage => damage.Frame is not null && damage.From < _header.LogPosition))
        {
            _context.CannotCheck("lanes against the log", "bodies of events are damaged");
        }
        else
        {
            CheckLanes();
        }

        if (!_state.Walk.HasDamage && !_state.Sums.Actual.TableEquals(_log.Sums.Frames, StateTable.Frames))
        {
            _context.Find(
                FindingKinds.TableDigest,
                _place with { Table = "frames" },
                $"The table of frames has {_state.Sums.Actual.Count(StateTable.Frames)} entries; {_log.Sums.Frames.Count(StateTable.Frames)} follow from the log up to the state's position, or they differ.");
            FramesDiff.Name(_context, _survey, _state, _header);
        }
    }

    // False when the two have different histories, so that nothing else can be compared.
    private bool CheckPosition(LogLinker linker)
    {
        bool isAtBase = _survey.Superblock is { } atBase && _header.LogPosition == atBase.BaseAddress && _header.FrameCount == atBase.BaseFrame;
        if (isAtBase)
        {
            if (_header.ChainHead == _survey.Superblock!.BaseChainHead)
            {
                return true;
            }

            _context.Find(FindingKinds.LogForked, _place, "The state's chain head is not that of the store's base.");
            return false;
        }

        if (!linker.Marks.TryGetValue(_header.LogPosition, out LogMark mark) || mark.Hash != _header.ChainHead)
        {
            _context.Find(FindingKinds.LogForked, _place, $"The log has no frame that ends at address {_header.LogPosition} with the hash that the state has folded last.");
            return false;
        }

        bool isEqual = mark.Header.FrameNumber + 1 == _header.FrameCount
            && mark.Header.LastSequence == _header.LastSequence
            && mark.Header.CommitId == _header.LastCommitId
            && mark.Header.WriterEpoch == _header.WriterEpoch
            && mark.Header.CommitTimeMicros == _header.CommitTimeMicros
            && mark.Header.IsLastOfCommit;
        if (!isEqual)
        {
            _context.Find(FindingKinds.StatePosition, _place with { FrameNumber = mark.Header.FrameNumber }, "Frame count, sequence, commit, epoch or time in the state's header is not that of the frame it names.");
        }

        if (linker.StateFrontier is { } frontier && !frontier.ContentEquals(_header.Frontier))
        {
            _context.Find(FindingKinds.StatePosition, _place, "The frontier of the log tree in the state's header is not that of the log.");
        }

        return true;
    }

    private void CheckLanes()
    {
        for (int i = 0; i < StateHeader.LanePlaces; i++)
        {
            LaneCount expected = _log.Sums.Lanes[i];
            LaneCount actual = _header.Lanes[i];
            if (expected != actual)
            {
                _context.Find(
                    FindingKinds.StateCounts,
                    _place with { Record = $"lane {(Lane)(i + 1)}" },
                    $"The header counts {actual.Events} events up to sequence {actual.LastSequence} in this lane; the log has {expected.Events} up to {expected.LastSequence}.");
            }
        }
    }
}
