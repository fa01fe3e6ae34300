/*
 * late.h - answers "too much, try again" that go out a moment later. A client that does not wait as
 * Retry-After asks would spend on its refusals what the server needs for those it takes; so each of
 * its connections gets a few a second.
 *
 * Memory: a ring; when it is full, answers go out at once. Thread: its ingest thread's.
 */
#pragma once

#include "core/http.h"
#include "ingest/answer.h"

enum { LATE_MAX = 4096 };
#define LATE_NS (200 * NS_PER_MS)

struct late_answer {
    struct http_exchange exchange;
    uint64_t due_ns;   /* the loop's; they come due in the order in which they came */
    const char *words; /* a literal */
    enum answer_style style;
    unsigned wait_s;
};

struct late {
    uint32_t first;
    uint32_t count;
    struct late_answer answers[LATE_MAX];
};

/* False: there is no room. */
static inline bool late_add(struct late *late, const struct late_answer *answer) {
    if (late->count == LATE_MAX) {
        return false;
    }
    late->answers[(late->first + late->count++) % LATE_MAX] = *answer;
    return true;
}

/* The oldest, if there is one. */
static inline const struct late_answer *late_first(const struct late *late) {
    return late->count == 0 ? NULL : &late->answers[late->first];
}

static inline void late_drop_first(struct late *late) {
    late->first = (late->first + 1) % LATE_MAX;
    late->count--;
}
