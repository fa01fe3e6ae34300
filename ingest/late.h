/*
 * late.h - answers "too much, try again" that go out a moment later, each another moment. A client
 * that does not wait as Retry-After asks would spend on its refusals what the server needs for
 * those it takes; so each of its connections gets one a second or so. And of many that were refused
 * at once and do wait, all would be back at once: what their tenant's bucket has gathered meanwhile
 * is then taken in one gust, and others wait behind it.
 *
 * Memory: a pool; when it is used up, answers go out at once. Thread: its ingest thread's.
 */
#pragma once

#include "core/base/arena.h"
#include "core/http.h"
#include "ingest/answer.h"

struct ingest;

enum { LATE_MAX = 4096 };
#define LATE_MIN_NS (200 * NS_PER_MS)
#define LATE_SPREAD_NS NS_PER_S

struct late_answer {
    struct loop_timer timer; /* its context is the answer */
    struct ingest *ingest;
    struct http_exchange exchange;
    const char *words; /* a literal */
    enum answer_style style;
    unsigned wait_s;
    struct late_answer *next; /* in the pool */
};

struct late {
    struct late_answer *answers; /* LATE_MAX */
    struct late_answer *free;
    uint32_t number; /* of the latest answer; wraps */
};

/* All answers are free, and call on_due when their time has come. FULL. */
MUST_CHECK struct status late_init(struct late *late, struct arena *arena,
                                   void (*on_due)(void *context));
/* The loop ends soon: those that are under way go out now. */
void late_flush(struct late *late, struct loop *loop);
/* One to fill and to start the timer of, for late_delay_ns; NULL: all are under way. */
struct late_answer *late_take(struct late *late);
void late_give(struct late *late, struct late_answer *answer);
/* How long the answer taken last shall wait: LATE_MIN_NS and up to LATE_SPREAD_NS more. However
 * many are taken, their delays lie evenly: multiples of the golden ratio, modulo one (Knuth, The
 * Art of Computer Programming 3, 6.4, theorem S). */
uint64_t late_delay_ns(const struct late *late);
