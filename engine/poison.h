/*
 * poison.h - remembers which journal record was being applied when the process crashed, so that a
 * record that crashes it twice is put aside instead of crashing it for ever.
 *
 * A 64-byte file is mapped shared. Entering a record stores its number there; leaving clears it.
 * A crash handler (SIGSEGV, SIGABRT, ...) calls poison_mark_crash of engine.h. A SIGKILL or a power
 * cut marks nothing, so being killed is never mistaken for a poisonous record.
 *
 *   offset 0 u64 record being applied, 8 u64 record that crashed, 16 u64 how often
 *
 * Thread: the shard; mark_crash: any, from a signal handler.
 */
#pragma once

#include "core/base/fault.h"
#include "core/base/status.h"

struct poison_page {
    volatile uint64_t applying_seq;
    volatile uint64_t crashed_seq;
    volatile uint64_t crashes;
};

struct poison {
    struct poison_page *page;
};

enum { POISON_CRASHES_MAX = 2 };

/* Maps the file, made when it is not there. IO with a fault. */
MUST_CHECK struct status poison_open(const char *path, struct poison *poison_out,
                                     struct fault *fault);
void poison_close(struct poison *poison);
/* Around the applying of each record: what stays entered when the process dies was the cause. */
static inline void poison_enter(struct poison *poison, uint64_t seq) {
    poison->page->applying_seq = seq;
}
static inline void poison_leave(struct poison *poison) {
    poison->page->applying_seq = 0;
}
/* Whether the record crashed the process too often to try again. */
bool poison_is_poisonous(const struct poison *poison, uint64_t seq);
