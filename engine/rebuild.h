/*
 * rebuild.h - the state's file at a start: checked before it is used; a damaged one is set aside
 * and made anew from the journal, which is the truth.
 *
 * Thread: main, then the shard.
 */
#pragma once

#include "core/journal.h"
#include "core/progress.h"
#include "core/store.h"

struct rebuild_options {
    const char *journal_directory;
    const char *state_directory;
    const struct logger *logger;
    const struct progress *progress; /* may be NULL */
};

/* Opens the store when its file is whole. A damaged one is renamed to "<state>.damaged-<time>",
 * said in the log, and an empty one opened: the replay makes it what it was. When the journal does
 * not begin at record 1 any more, the copy of the state (core/state_copy.h) takes its place and the
 * replay goes on behind it. CORRUPT, with what to do, when there is no such copy. */
MUST_CHECK struct status rebuild_open_store(const struct rebuild_options *options,
                                            struct store **store_out, struct fault *fault);
/* The state has applied records that the journal does not hold: with sync = interval or never after
 * a power cut, or when its last block was damaged. The state has their effects, so numbering goes
 * on behind them, loudly. CORRUPT when there is no journal at all. */
MUST_CHECK struct status rebuild_meet_journal(struct journal *journal, uint64_t applied_seq,
                                              const struct rebuild_options *options,
                                              struct fault *fault);
