/*
 * The protocol of segments.md ("How a group becomes durable") and recovery.md, as a model that a checker walks through completely.
 *
 * Why: crash images try the code on the cases that a run met; this tries the rules on every case that a small log can meet: each order
 * in which the kernel may write blocks back, each tear, each crash of a recovery, each failed sync, each page that is dropped after one.
 *
 * What is modelled: one segment of N frame places, two to a 4 KiB block, so that a group's last block is often one that holds
 * acknowledged frames; the two tail slots with their block copy; one writer that commits groups of one or two frames (as one
 * commit of two frames, or as two commits), confirms after idle, closes cleanly; the state's position; recovery with its table.
 * A frame is named by the open that wrote it (its chain hash: two opens never make the same frame at the same place).
 * A cell of the medium holds ZERO, JUNK, or such a name.
 *
 * What is asserted: recovery never calls a log without rot damaged (no row of the table that refuses to write), every acknowledged frame is
 * there with its own content, and no commit is there by half.
 *
 * Not modelled: rot (the damage tests do that), several segments, LMDB's pages (a state after a power loss is proven whole or not at all).
 */

#ifndef N
#define N 4             /* frame places, even */
#endif
#ifndef CRASHES
#define CRASHES 2       /* kills and power losses in one history */
#endif
#ifndef FAILS
#define FAILS 1         /* failed syncs in one history */
#endif
#ifndef OPENS
#define OPENS 4         /* opens in one history; the first is 1 */
#endif
#define BLOCKS (N / 2)

/*
 * Canaries: each takes one answer out of the protocol, and the checker must then find what goes wrong (check.sh runs them).
 * NO_RECHECK   recovery does not read again what it wrote again
 * NO_REWRITE   recovery believes the page cache
 * WRONG_SLOT   a group's slot goes over the newest one that is on the medium (with HARD: the copy of acknowledged bytes is lost with it)
 * EARLY_ACK    a group is acknowledged before its sync
 * HALF_COMMIT  recovery ends at a frame instead of at a commit
 */

/* The rows of the table in recovery.md. */
mtype = { healed_from_slot, rolled_back_log, lost_tail, damage, forked_log, torn_tail, crash, clean };
mtype row;

#define ZERO 0
#define JUNK 9
#define NONE 15         /* there is no proven state */

/* Medium and page cache. A dirty block's cache content waits for its sync; the kernel may write it at any time before. */
byte cache[N], disk[N];
bool dirty[BLOCKS];

typedef Slot { bool valid; byte generation; byte before; byte tail; byte head; bool copy; bool closed };
Slot cacheSlot[2], diskSlot[2];
bool dirtySlot[2];

/* What the frame of open e at place i says: who is before it, whether it ends its commit, how many frames were durable. */
#define AT(e, i) ((e) * N + (i))
byte before[(OPENS + 1) * N];
bool ends[(OPENS + 1) * N];
byte says[(OPENS + 1) * N];

/* The state: how many frames it folds and the last one's name; what a synced close left of it. */
byte statePosition, stateHead, syncedPosition, syncedHead;

/* What was promised: the ghost that the rules are held to. */
byte acked;
byte ackedName[N];

byte crashes, fails, opens;

/* Writer and recovery: lost at a crash. */
byte tail, head, generation, syncedIndex, count, confirmed, end, endHead, durable, i, k, name, newest, healing, againEnd, againHead;
bool bytesBehind, mayWrite, foundMayWrite, twoCommits, ahead, foreign, retried;

/* --- the kernel ------------------------------------------------------------------------------------------------------- */

inline flush(b) { disk[2 * (b)] = cache[2 * (b)]; disk[2 * (b) + 1] = cache[2 * (b) + 1]; dirty[b] = false }

inline copySlot(to, from)
{
    to.valid = from.valid; to.generation = from.generation; to.before = from.before; to.tail = from.tail; to.head = from.head; to.copy = from.copy; to.closed = from.closed
}

/* Between any two steps: writeback, eviction of a clean page that a failed sync left different from the disk, a crash. */
inline kernel()
{
    do
    :: dirty[0] -> d_step { flush(0) }
    :: BLOCKS > 1 && dirty[BLOCKS - 1] -> d_step { flush(BLOCKS - 1) }
    :: BLOCKS > 2 && dirty[1] -> d_step { flush(1) }
    :: dirtySlot[0] -> d_step { copySlot(diskSlot[0], cacheSlot[0]); dirtySlot[0] = false }
    :: dirtySlot[1] -> d_step { copySlot(diskSlot[1], cacheSlot[1]); dirtySlot[1] = false }
    :: fails > 0 -> evict(); break
    :: break
    od;
    if
    :: crashes < CRASHES -> crashes++; goto kill
    :: crashes < CRASHES -> crashes++; goto power
    :: true -> skip
    fi
}

inline evict()
{
    d_step
    {
        for (k : 0 .. BLOCKS - 1)
        {
            if
            :: !dirty[k] -> cache[2 * k] = disk[2 * k]; cache[2 * k + 1] = disk[2 * k + 1]
            :: else -> skip
            fi
        }
        for (k : 0 .. 1)
        {
            if
            :: !dirtySlot[k] -> copySlot(cacheSlot[k], diskSlot[k])
            :: else -> skip
            fi
        }
        k = 0
    }
}

/* One sync. When it fails, the kernel calls the pages clean all the same. */
inline sync()
{
    kernel();
    if
    :: d_step
       {
           for (k : 0 .. BLOCKS - 1) { if :: dirty[k] -> flush(k) :: else -> skip fi }
           for (k : 0 .. 1) { if :: dirtySlot[k] -> copySlot(diskSlot[k], cacheSlot[k]); dirtySlot[k] = false :: else -> skip fi }
           k = 0
       }
    :: fails < FAILS ->
       atomic
       {
           fails++;
           for (k : 0 .. BLOCKS - 1) { dirty[k] = false }
           dirtySlot[0] = false; dirtySlot[1] = false; k = 0
       }
       goto reopen
    fi
}

#define SAME(k) (cacheSlot[k].generation == diskSlot[k].generation && cacheSlot[k].valid == diskSlot[k].valid && cacheSlot[k].copy == diskSlot[k].copy)

inline tearHalf(at)
{
    if
    :: disk[at] != cache[at] -> disk[at] = cache[at]
    :: disk[at] != cache[at] -> disk[at] = JUNK
    :: true -> skip
    fi
}

/* What a power loss leaves of what was not synced. HARD goes beyond the media assumptions: a block that was being changed is lost whole. */
inline tear()
{
    for (k : 0 .. BLOCKS - 1)
    {
        if
        :: dirty[k] ->
#ifdef HARD
           if
           :: disk[2 * k] != cache[2 * k] || disk[2 * k + 1] != cache[2 * k + 1] -> disk[2 * k] = JUNK; disk[2 * k + 1] = JUNK
           :: true -> tearHalf(2 * k); tearHalf(2 * k + 1)
           fi;
#else
           tearHalf(2 * k); tearHalf(2 * k + 1);
#endif
           dirty[k] = false
        :: else -> skip
        fi
    }
    for (k : 0 .. 1)
    {
        if
        :: dirtySlot[k] ->
           /* Sectors that are written again with what they hold cannot be torn. */
           if
           :: SAME(k) -> skip
           :: else ->
              if
              :: copySlot(diskSlot[k], cacheSlot[k])
              :: copySlot(diskSlot[k], cacheSlot[k]); diskSlot[k].copy = false
              :: diskSlot[k].valid = false; diskSlot[k].copy = false
              :: true -> skip
              fi
           fi;
           dirtySlot[k] = false
        :: else -> skip
        fi
    }
    for (k : 0 .. N - 1) { cache[k] = disk[k] }
    for (k : 0 .. 1) { copySlot(cacheSlot[k], diskSlot[k]) }
    k = 0
}

/* --- writing ---------------------------------------------------------------------------------------------------------- */

inline writeSlot(position, name_, durableBefore, index, closed_)
{
    d_step
    {
        generation++;
        cacheSlot[index].valid = true; cacheSlot[index].generation = generation; cacheSlot[index].before = durableBefore;
        cacheSlot[index].tail = position; cacheSlot[index].head = name_; cacheSlot[index].copy = true; cacheSlot[index].closed = closed_;
        dirtySlot[index] = true
    }
}

inline writeFrame(at, name_, previous, ends_)
{
    d_step
    {
        before[AT(name_, at)] = previous; ends[AT(name_, at)] = ends_; says[AT(name_, at)] = tail;
        cache[at] = name_; dirty[(at) / 2] = true
    }
}

/* --- recovery's facts ------------------------------------------------------------------------------------------------- */

/* The scan over what the cache shows, with the copy of slot `over` laid over it (2: none). */
inline facts(over)
{
    d_step
    {
        end = 0; endHead = 0; head = 0; durable = 0; bytesBehind = false; i = 0;
        do
        :: i < N ->
           name = (over < 2 && cacheSlot[over].tail == i + 1 -> cacheSlot[over].head : cache[i]);
           if
           :: name != ZERO && name != JUNK && before[AT(name, i)] == head ->
              head = name; i++;
              #ifdef HALF_COMMIT
              end = i; endHead = name
#else
              if :: ends[AT(name, i - 1)] -> end = i; endHead = name :: else -> skip fi
#endif

           :: else -> break
           fi
        :: else -> break
        od;
        for (k : 0 .. N - 1)
        {
            name = (over < 2 && cacheSlot[over].tail == k + 1 -> cacheSlot[over].head : cache[k]);
            if :: k >= end && name != ZERO -> bytesBehind = true :: else -> skip fi;
            if :: name != ZERO && name != JUNK && says[AT(name, k)] > durable -> durable = says[AT(name, k)] :: else -> skip fi
        }
        confirmed = 0; newest = 2;
        for (k : 0 .. 1)
        {
            if
            :: cacheSlot[k].valid ->
               if :: cacheSlot[k].before > confirmed -> confirmed = cacheSlot[k].before :: else -> skip fi;
               if
               :: newest == 2 -> newest = k
               :: newest == 0 && cacheSlot[1].generation > cacheSlot[0].generation -> newest = 1
               :: else -> skip
               fi
            :: else -> skip
            fi
        }
        if :: confirmed > durable -> durable = confirmed :: else -> skip fi;
        if :: statePosition != NONE && statePosition > durable -> durable = statePosition :: else -> skip fi;
        /* The table, from the top. */
        row = crash;
        if
        :: statePosition == NONE || statePosition == 0 -> ahead = false; foreign = false
        :: else ->
           name = (over < 2 && cacheSlot[over].tail == statePosition -> cacheSlot[over].head : cache[statePosition - 1]);
           ahead = statePosition > end;
           foreign = !ahead && name != stateHead
        fi;
        if
        :: end < durable && !bytesBehind && ahead -> row = rolled_back_log
        :: end < durable && !bytesBehind && !ahead -> row = lost_tail
        :: end < durable && bytesBehind -> row = damage
        :: end >= durable && (ahead || foreign) -> row = forked_log
        :: end >= durable && !ahead && !foreign && over < 2 -> row = healed_from_slot
        :: end >= durable && !ahead && !foreign && over == 2 && bytesBehind -> row = torn_tail
        :: end >= durable && !ahead && !foreign && over == 2 && !bytesBehind ->
           if :: newest < 2 && cacheSlot[newest].closed && cacheSlot[newest].tail == end -> row = clean :: else -> row = crash fi
        fi;
        mayWrite = row == healed_from_slot || row == torn_tail || row == crash || row == clean;
        ahead = false; foreign = false;
        name = 0; k = 0; i = 0; head = 0
    }
}

inline tryCopy(s)
{
    if
    :: healing == 2 && s < 2 && cacheSlot[s].valid && cacheSlot[s].copy && cacheSlot[s].tail % 2 == 1 && cacheSlot[s].tail > end ->
       facts(s);
       if
       :: mayWrite && (end >= cacheSlot[s].tail || !foundMayWrite) -> healing = s
       :: else -> facts(2)
       fi
    :: else -> skip
    fi
}

active proctype Store()
{
    /* A new store has an open's slot on the medium. */
    atomic
    {
        opens = 1; generation = 1;
        cacheSlot[0].valid = true; cacheSlot[0].generation = 1; cacheSlot[0].copy = true;
        copySlot(diskSlot[0], cacheSlot[0]);
        statePosition = 0; syncedPosition = 0; tail = 0; head = 0; syncedIndex = 0
    }

writing:
    kernel();
    if
    :: tail + 1 <= N -> count = 1; twoCommits = false
    :: tail + 2 <= N -> count = 2; twoCommits = false
    :: tail + 2 <= N -> count = 2; twoCommits = true
    :: cacheSlot[1 - syncedIndex].tail != tail || cacheSlot[1 - syncedIndex].before != tail ->
       /* Idle: the confirmation is written and not synced. */
       writeSlot(tail, head, tail, 1 - syncedIndex, false);
       goto writing
    :: true -> goto closing
    fi;
    /* The pages, in order, then the slot, then one sync. */
    writeFrame(tail, opens, head, count == 1 || twoCommits);
    if
    :: count == 2 && (tail % 2 == 1) -> kernel(); writeFrame(tail + 1, opens, opens, true)
    :: count == 2 && (tail % 2 == 0) -> writeFrame(tail + 1, opens, opens, true)
    :: else -> skip
    fi;
    kernel();
#ifdef EARLY_ACK
    d_step { acked = tail + count; ackedName[tail] = opens; ackedName[tail + count - 1] = opens };
#endif
#ifdef WRONG_SLOT
    writeSlot(tail + count, opens, tail, syncedIndex, false);
#else
    writeSlot(tail + count, opens, tail, 1 - syncedIndex, false);
#endif
    sync();
    d_step
    {
#ifndef WRONG_SLOT
        syncedIndex = 1 - syncedIndex;
#endif
        acked = tail + count;
        ackedName[tail] = opens;
        ackedName[tail + count - 1] = opens;
        tail = tail + count; head = opens; count = 0; twoCommits = false
    }
    kernel();
    statePosition = tail; stateHead = head;
    goto writing;

closing:
    syncedPosition = statePosition; syncedHead = stateHead;
    writeSlot(tail, head, tail, 1 - syncedIndex, true);
    sync();
    goto reopen;

power:
    atomic
    {
        tear();
        if
        :: statePosition = NONE; stateHead = 0
        :: statePosition = syncedPosition; stateHead = syncedHead
        :: true -> skip
        fi
    }
    goto reopen;

kill:
    skip;

reopen:
    atomic
    {
        tail = 0; head = 0; syncedIndex = 0; count = 0; againEnd = 0; againHead = 0; row = 0; end = 0; endHead = 0; durable = 0; confirmed = 0; newest = 0; bytesBehind = false; mayWrite = false; foundMayWrite = false; healing = 2; twoCommits = false;
        if
        :: retried -> retried = false
        :: !retried && opens >= OPENS -> goto done
        :: else -> opens++
        fi
    }
    /* Reading: nothing is changed until the decision. */
    facts(2);
    d_step { foundMayWrite = mayWrite; i = newest };
    if
    :: i == 0 -> tryCopy(0); tryCopy(1)
    :: i == 1 -> tryCopy(1); tryCopy(0)
    :: else -> skip
    fi;
    i = 0;
    if :: healing == 2 -> facts(2) :: else -> skip fi;
    d_step
    {
        assert(mayWrite);
        assert(end >= acked);
        k = 0;
        do
        :: k < acked ->
           assert((healing < 2 && cacheSlot[healing].tail == k + 1 -> cacheSlot[healing].head : cache[k]) == ackedName[k]);
           k++
        :: else -> break
        od;
        assert(end == 0 || ends[AT(endHead, end - 1)]);
        k = 0
    }
#ifndef NO_RECHECK
    againEnd = end; againHead = endHead;
#endif
    if
    :: row == clean ->
       /* Everything below the tail was synced before the slot said so; nothing is written again. */
       syncedIndex = newest; generation = cacheSlot[newest].generation; againEnd = 0; againHead = 0;
       goto opened
    :: else -> skip
    fi;
    /* Healing, cutting, writing again: each is synced before the next. */
    if
    :: healing < 2 ->
       kernel();
       d_step { cache[cacheSlot[healing].tail - 1] = cacheSlot[healing].head; dirty[(cacheSlot[healing].tail - 1) / 2] = true; healing = 2 };
       sync()
    :: else -> skip
    fi;
    kernel();
    if
    :: bytesBehind ->
       d_step
       {
           for (k : 0 .. N - 1) { if :: k >= end && cache[k] != ZERO -> cache[k] = ZERO; dirty[k / 2] = true :: else -> skip fi }
           k = 0
       }
       sync()
    :: else -> skip
    fi;
    kernel();
    d_step
    {
#ifndef NO_REWRITE
        for (k : 0 .. N - 1) { if :: k / 2 >= confirmed / 2 && k < end -> dirty[k / 2] = true :: else -> skip fi }
#endif
        k = 0;
        if :: newest < 2 -> dirtySlot[newest] = true; syncedIndex = newest; generation = cacheSlot[newest].generation :: else -> syncedIndex = 1; generation = 0 fi
    }
    sync();
#ifndef NO_RECHECK
    /* What was read before is read again, now that it is on the medium: a page that was dropped in between shows here. */
    facts(2);
    if :: end != againEnd || endHead != againHead || bytesBehind -> retried = true; goto reopen :: else -> skip fi;
    againEnd = 0; againHead = 0;
#endif
opened:
    writeSlot(end, endHead, end, 1 - syncedIndex, false);
    sync();
    d_step
    {
        syncedIndex = 1 - syncedIndex;
        tail = end; head = endHead; statePosition = end; stateHead = endHead;
        /* What recovery shows to readers counts as promised from here on. */
        acked = end;
        for (k : 0 .. N - 1) { ackedName[k] = (k < end -> cache[k] : 0) }
        k = 0; end = 0; endHead = 0; durable = 0; confirmed = 0; newest = 0; bytesBehind = false; mayWrite = false; foundMayWrite = false; row = 0
    }
    goto writing;

done:
    skip
}
