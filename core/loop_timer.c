/* loop_timer.c - timers of a loop: a binary heap; a running timer knows its place in it. */
#include "core/base/assert.h"
#include "core/loop_internal.h"

static void heap_set(struct loop *loop, uint32_t at, struct loop_timer *timer) {
    loop->timers[at] = timer;
    timer->heap_index = at;
}

static void heap_up(struct loop *loop, uint32_t at) {
    struct loop_timer *timer = loop->timers[at];
    while (at > 0 && loop->timers[(at - 1) / 2]->due_ns > timer->due_ns) {
        heap_set(loop, at, loop->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(loop, at, timer);
}

static void heap_down(struct loop *loop, uint32_t at) {
    struct loop_timer *timer = loop->timers[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= loop->timers_count) {
            break;
        }
        if (child + 1 < loop->timers_count &&
            loop->timers[child + 1]->due_ns < loop->timers[child]->due_ns) {
            child++;
        }
        if (loop->timers[child]->due_ns >= timer->due_ns) {
            break;
        }
        heap_set(loop, at, loop->timers[child]);
        at = child;
    }
    heap_set(loop, at, timer);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer) {
    if (timer->due_ns == 0) {
        return;
    }
    uint32_t at = timer->heap_index;
    ASSERT(at < loop->timers_count && loop->timers[at] == timer);
    timer->due_ns = 0;
    loop->timers_count--;
    if (at == loop->timers_count) {
        return;
    }
    heap_set(loop, at, loop->timers[loop->timers_count]);
    heap_up(loop, at);
    heap_down(loop, loop->timers[at]->heap_index);
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t due_ns) {
    ASSERT(due_ns > 0 && loop->timers_count < LOOP_TIMERS_MAX);
    loop_timer_stop(loop, timer);
    timer->due_ns = due_ns;
    heap_set(loop, loop->timers_count, timer);
    loop->timers_count++;
    heap_up(loop, timer->heap_index);
}

uint64_t loop_now_ns(const struct loop *loop) {
    return loop->now_ns;
}

uint64_t loop_deaf_ns(const struct loop *loop) {
    return loop->deaf_ns;
}

/* A poll that is not partial has told all that had come when it began. Of the others a step is
 * noted every ten milliseconds, however long a stall between two of them was; what was due by the
 * tenth last step has waited for long enough. */
void loop_note_heard(struct loop *loop) {
    if (!loop->is_poll_partial) {
        loop->heard_ns = loop->polled_ns;
        return;
    }
    if (loop->polled_ns - loop->steps_ns[loop->step] < LOOP_HELD_MAX_NS / LOOP_HELD_STEPS) {
        return;
    }
    loop->step = (loop->step + 1) % LOOP_HELD_STEPS;
    uint64_t oldest_ns = loop->steps_ns[loop->step];
    loop->heard_ns = oldest_ns > loop->heard_ns ? oldest_ns : loop->heard_ns;
    loop->steps_ns[loop->step] = loop->polled_ns;
}

static bool is_due_by(const struct loop *loop, uint64_t time_ns) {
    return loop->timers_count > 0 && loop->timers[0]->due_ns <= time_ns;
}

bool loop_holds_timer(const struct loop *loop) {
    return is_due_by(loop, loop->now_ns) && !is_due_by(loop, loop->heard_ns);
}

void loop_run_timers(struct loop *loop) {
    while (is_due_by(loop, loop->heard_ns)) {
        struct loop_timer *timer = loop->timers[0];
        loop_timer_stop(loop, timer);
        timer->on_due(timer->context);
    }
}

uint64_t loop_wait_ns(const struct loop *loop, uint64_t timeout_ns) {
    if (loop->timers_count == 0) {
        return timeout_ns;
    }
    uint64_t due = loop->timers[0]->due_ns;
    uint64_t wait = due > loop->now_ns ? due - loop->now_ns : 0;
    return wait < timeout_ns ? wait : timeout_ns;
}
