/* breaker.c - see breaker.h. */
#include "sinks/breaker.h"

uint64_t breaker_due_ns(const struct breaker *breaker) {
    uint64_t due_ns = breaker->state == BREAKER_OPEN ? breaker->due_ns : 0;
    return due_ns > breaker->paused_ns ? due_ns : breaker->paused_ns;
}

void breaker_attempt(struct breaker *breaker) {
    if (breaker->state == BREAKER_OPEN) {
        breaker->state = BREAKER_HALF_OPEN;
    }
}

void breaker_succeed(struct breaker *breaker) {
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
}

bool breaker_fail(struct breaker *breaker, uint64_t now_ns, uint64_t jitter) {
    breaker->failures += breaker->failures < UINT32_MAX ? 1 : 0;
    bool is_probe = breaker->state == BREAKER_HALF_OPEN;
    if (!is_probe && breaker->failures < breaker->failures_max) {
        return false;
    }
    breaker->state = BREAKER_OPEN;
    breaker->due_ns = now_ns + breaker->wait_ns / 2 + jitter % (breaker->wait_ns / 2 + 1);
    breaker->opened += is_probe ? 0 : 1;
    return !is_probe;
}

void breaker_pause(struct breaker *breaker, uint64_t until_ns) {
    breaker->paused_ns = until_ns > breaker->paused_ns ? until_ns : breaker->paused_ns;
}

uint64_t pace_due_ns(const struct pace *pace) {
    uint64_t credit = pace->interval_ns * (pace->burst > 0 ? pace->burst - 1 : 0);
    return pace->next_ns > credit ? pace->next_ns - credit : 0;
}

void pace_take(struct pace *pace, uint64_t now_ns) {
    uint64_t start_ns = pace->next_ns > now_ns ? pace->next_ns : now_ns;
    pace->next_ns = start_ns + pace->interval_ns;
}
