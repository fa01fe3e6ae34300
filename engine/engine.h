/*
 * engine.h - the shard: one thread, one journal, one state, one graph.
 *
 * Takes batches from its gates, makes them durable (core/journal), answers them, applies them to
 * the pure rooms (apply.c), and commits effects with the journal cursor in one LMDB transaction
 * (commit.c). A restart restores the rows and replays the journal from the cursor (recover.c).
 *
 * Thread: shard_run's; open and close from main.
 */
#pragma once

#include "core/config.h"
#include "core/file.h"
#include "core/gate.h"
#include "core/progress.h"
#include "core/stats.h"
#include "core/store.h"
#include "engine/view.h"

struct shard;

struct shard_options {
    struct config *config;
    const char *journal_directory;
    const char *state_directory;
    const char *poison_path; /* a small file that remembers which record a crash interrupted */
    uint64_t hash_seed;
    uint32_t kept_rows_max; /* as in kept.h; 0: as many as without tests */
    struct gate **gates;    /* all sources of this shard */
    uint32_t gates_count;
    struct stats *stats;
    const struct logger *logger;
    atomic_bool *is_ready;     /* the shard sets and clears it */
    const struct files *files; /* of the journal; NULL: the machine's */
    /* Hears of shard_open while it goes on; may be NULL. */
    const struct progress *progress;
    /* Wakes the sinks' thread after a commit with outbox rows; may be NULL until it runs. */
    _Atomic(struct loop_waker *) *outbox_waker;
    /* The last journal record whose effects are committed, from the first commit on; may be
     * NULL. */
    _Atomic uint64_t *committed_seq;
};

/* Restores the state and replays the journal: when it returns the shard is what it was. */
MUST_CHECK struct status shard_open(const struct shard_options *options, struct shard **shard_out,
                                    struct fault *fault);
/* Thread main. Returns after shard_stop when everything received is durable, applied, committed. */
MUST_CHECK struct status shard_run(struct shard *shard, struct fault *fault);
/* The parts of shard_run, for who has a thread and a time of their own: begin, then step until END
 * (after shard_stop) or a failure. */
MUST_CHECK struct status shard_begin(struct shard *shard, struct fault *fault);
MUST_CHECK struct status shard_step(struct shard *shard);
/* Any thread. */
void shard_stop(struct shard *shard);
void shard_close(struct shard *shard);
/* --- For the crash handler (poison.h says what for) --- */
struct poison_page;
/* Makes the file of poison_path when it is missing, and maps it for the life of the process. */
MUST_CHECK struct status poison_map(const char *poison_path, struct poison_page **page_out,
                                    struct fault *fault);
/* The process is crashing: counts it against the record being applied, if there is one. `page` may
 * be NULL. Any thread, async-signal-safe. */
void poison_mark_crash(struct poison_page *page);

/* For the console and the sinks; live as long as the shard. */
struct view *shard_get_view(struct shard *shard);
struct store *shard_get_store(struct shard *shard);
