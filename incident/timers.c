/*
 * timers.c - a binary heap of due times with fixed memory, and a heap sort that needs none.
 *
 * Invariants: 1. an item has at most one timer; positions[item] is its place in the heap. 2. the
 * order is total (due, tie, and ties are unique among the items), so what comes out first does not
 * depend on how the heap was built.
 */
#include "incident/incident_state.h"

struct status timers_init(struct timers *timers, uint32_t items_max, struct arena *arena) {
    ASSERT(items_max > 0);
    timers->heap = ARENA_ARRAY(arena, struct timer, items_max);
    timers->positions = ARENA_ARRAY(arena, uint32_t, items_max);
    if (timers->heap == NULL || timers->positions == NULL) {
        return status_of(STATUS_FULL);
    }
    memset(timers->positions, 0xff, (size_t)items_max * sizeof(uint32_t));
    timers->items_max = items_max;
    timers->count = 0;
    return status_ok();
}

static bool timer_precedes(const struct timer *a, const struct timer *b) {
    if (a->due_ns != b->due_ns) {
        return a->due_ns < b->due_ns;
    }
    if (a->tie[0] != b->tie[0]) {
        return a->tie[0] < b->tie[0];
    }
    return a->tie[1] < b->tie[1];
}

static void place(struct timers *timers, uint32_t position, struct timer timer) {
    timers->heap[position] = timer;
    timers->positions[timer.item] = position;
}

static void rise(struct timers *timers, uint32_t position) {
    struct timer timer = timers->heap[position];
    while (position > 0) {
        uint32_t parent = (position - 1) / 2;
        if (!timer_precedes(&timer, &timers->heap[parent])) {
            break;
        }
        place(timers, position, timers->heap[parent]);
        position = parent;
    }
    place(timers, position, timer);
}

static void sink(struct timers *timers, uint32_t position) {
    struct timer timer = timers->heap[position];
    for (;;) {
        uint32_t child = 2 * position + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count &&
            timer_precedes(&timers->heap[child + 1], &timers->heap[child])) {
            child++;
        }
        if (!timer_precedes(&timers->heap[child], &timer)) {
            break;
        }
        place(timers, position, timers->heap[child]);
        position = child;
    }
    place(timers, position, timer);
}

void timers_remove(struct timers *timers, uint32_t item) {
    ASSERT(item < timers->items_max);
    uint32_t position = timers->positions[item];
    if (position == INDEX_NONE) {
        return;
    }
    ASSERT(position < timers->count);
    timers->positions[item] = INDEX_NONE;
    timers->count--;
    if (position == timers->count) {
        return;
    }
    place(timers, position, timers->heap[timers->count]);
    rise(timers, position);
    sink(timers, timers->positions[timers->heap[position].item]);
}

void timers_set(struct timers *timers, uint32_t item, uint64_t due_ns, uint64_t tie_a,
                uint64_t tie_b) {
    timers_remove(timers, item);
    if (due_ns == NEVER_NS) {
        return;
    }
    ASSERT(timers->count < timers->items_max);
    uint32_t position = timers->count++;
    place(timers, position, (struct timer){.due_ns = due_ns, .tie = {tie_a, tie_b}, .item = item});
    rise(timers, position);
}

static void sift(uint32_t *indices, uint32_t at, uint32_t count,
                 bool (*precedes)(const void *context, uint32_t a, uint32_t b),
                 const void *context) {
    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && precedes(context, indices[child], indices[child + 1])) {
            child++;
        }
        if (!precedes(context, indices[at], indices[child])) {
            return;
        }
        uint32_t swapped = indices[at];
        indices[at] = indices[child];
        indices[child] = swapped;
        at = child;
    }
}

void sort_indices(uint32_t *indices, uint32_t count,
                  bool (*precedes)(const void *context, uint32_t a, uint32_t b),
                  const void *context) {
    for (uint32_t at = count / 2; at > 0; at--) {
        sift(indices, at - 1, count, precedes, context);
    }
    for (uint32_t end = count; end > 1; end--) {
        uint32_t swapped = indices[0];
        indices[0] = indices[end - 1];
        indices[end - 1] = swapped;
        sift(indices, 0, end - 1, precedes, context);
    }
}
