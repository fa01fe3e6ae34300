/* late.c - see late.h. */
#include "ingest/late.h"

struct status late_init(struct late *late, struct arena *arena, void (*on_due)(void *context)) {
    struct late_answer *answers = ARENA_ARRAY(arena, struct late_answer, LATE_MAX);
    if (answers == NULL) {
        return status_of(STATUS_FULL);
    }
    *late = (struct late){.answers = answers};
    for (uint32_t i = 0; i < LATE_MAX; i++) {
        answers[i].timer = (struct loop_timer){.on_due = on_due, .context = &answers[i]};
        late_give(late, &answers[i]);
    }
    return status_ok();
}

void late_flush(struct late *late, struct loop *loop) {
    for (uint32_t i = 0; i < LATE_MAX; i++) {
        struct loop_timer *timer = &late->answers[i].timer;
        if (timer->due_ns != 0) {
            loop_timer_stop(loop, timer);
            timer->on_due(timer->context);
        }
    }
}

struct late_answer *late_take(struct late *late) {
    struct late_answer *answer = late->free;
    if (answer != NULL) {
        late->free = answer->next;
        late->number++;
    }
    return answer;
}

void late_give(struct late *late, struct late_answer *answer) {
    answer->next = late->free;
    late->free = answer;
}

uint64_t late_delay_ns(const struct late *late) {
    uint32_t part = late->number * UINT32_C(0x9E3779B9); /* of 2^32: it wraps */
    return LATE_MIN_NS + ((LATE_SPREAD_NS * part) >> 32);
}
