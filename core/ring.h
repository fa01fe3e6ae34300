/*
 * ring.h - a bounded single-producer single-consumer ring of pointers between two threads.
 *
 * Invariants: 1. head and tail only grow; tail - head <= capacity. 2. The producer alone writes
 * tail and slots beyond it, the consumer alone writes head. A push publishes what the pointer
 * points at. Waking the consumer is the caller's business (loop_waker_wake).
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"

struct ring {
    void **slots;
    uint64_t mask;
    alignas(64) _Atomic uint64_t head;
    alignas(64) _Atomic uint64_t tail;
};

/* Capacity is a power of two. FULL when the arena is. */
MUST_CHECK struct status ring_init(struct ring *ring, uint32_t capacity, struct arena *arena);
/* Producer. false when full. */
bool ring_push(struct ring *ring, void *item);
/* Consumer. NULL when empty. */
void *ring_pop(struct ring *ring);
/* Either side; a moment's answer. */
uint32_t ring_count(struct ring *ring);
