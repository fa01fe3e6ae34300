/*
 * breaker.h - when one sink may be tried: a circuit breaker, and a pace (rate limit). Pure: `now`
 * is an argument.
 *
 *   closed     -> open       failures_max attempts in a row failed       breaker_fail
 *   open       -> half-open  wait_ns (with jitter) later, one attempt    breaker_attempt
 *   half-open  -> closed     that attempt worked                         breaker_succeed
 *   half-open  -> open       it failed                                   breaker_fail
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN };

struct breaker {
    uint32_t failures_max;
    uint64_t wait_ns;
    enum breaker_state state;
    uint32_t failures;  /* in a row */
    uint64_t opened;    /* how often */
    uint64_t due_ns;    /* open: no attempt before */
    uint64_t paused_ns; /* any state: the sink asked for peace until then (Retry-After) */
};

/* When the next attempt may be made; 0 or a past time: now. */
uint64_t breaker_due_ns(const struct breaker *breaker);
/* An attempt is made now. */
void breaker_attempt(struct breaker *breaker);
/* The sink answered: what it said of the message is another matter. */
void breaker_succeed(struct breaker *breaker);
/* `jitter` is any number: it spreads the wait over its half. True when the breaker opened. */
bool breaker_fail(struct breaker *breaker, uint64_t now_ns, uint64_t jitter);
/* Nothing before that time, whatever else it says (Retry-After). */
void breaker_pause(struct breaker *breaker, uint64_t until_ns);

/* At most one message an interval, but some (burst) at once after a quiet time. */
struct pace {
    uint64_t interval_ns; /* 0: no limit */
    uint64_t burst;
    uint64_t next_ns; /* when the next would be due without a burst */
};

/* When the next message may go; 0: now. */
uint64_t pace_due_ns(const struct pace *pace);
/* One went. */
void pace_take(struct pace *pace, uint64_t now_ns);
