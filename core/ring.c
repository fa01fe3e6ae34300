/* ring.c - see ring.h. */
#include "core/ring.h"

#include "core/base/assert.h"

struct status ring_init(struct ring *ring, uint32_t capacity, struct arena *arena) {
    ASSERT(capacity > 0 && (capacity & (capacity - 1)) == 0);
    ring->slots = ARENA_ARRAY(arena, void *, capacity);
    ring->mask = capacity - 1;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    return ring->slots == NULL ? status_of(STATUS_FULL) : status_ok();
}

bool ring_push(struct ring *ring, void *item) {
    ASSERT(item != NULL);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    ASSERT(tail - head <= ring->mask + 1);
    if (tail - head > ring->mask) {
        return false;
    }
    ring->slots[tail & ring->mask] = item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

void *ring_pop(struct ring *ring) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (head == tail) {
        return NULL;
    }
    void *item = ring->slots[head & ring->mask];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

uint32_t ring_count(struct ring *ring) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return (uint32_t)(tail - head);
}
