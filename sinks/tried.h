/*
 * tried.h - how often messages were tried in vain by sinks that a new configuration has closed, for
 * the letters of those whose sink is gone. Kept until the rows of before are looked at again.
 *
 * Memory: from malloc, 16 bytes a message that was tried. Thread: the sinks' alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sinks/sink_queue.h"

struct tried {
    uint64_t number;
    uint32_t attempts;      /* failed ones */
    uint32_t attempts_told; /* of them, to the shard */
};

struct tried_list {
    struct tried *items;
    uint32_t count;
    uint32_t capacity;
    bool is_sorted;
};

/* Notes what of the queue was tried; without memory it is forgotten. */
void tried_note(struct tried_list *list, const struct sink_queue *queue);
/* Zeroed attempts of a message that is not known. */
struct tried tried_find(struct tried_list *list, uint64_t number);
/* Empty then. */
void tried_deinit(struct tried_list *list);
