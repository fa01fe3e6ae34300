/*
 * sink_memory.h - what a sink asked to remember of an incident, until the shard has committed it.
 *
 * An outcome carries the memory to table MEMORY; before it is there, the next message of the
 * incident may go out already. A ring of the latest SINK_MEMORIES_MAX bridges that: far more than
 * outcomes can be under way (OUTCOME_BATCHES).
 */
#pragma once

#include "core/base/hash.h"
#include "core/outbox.h"

enum { SINK_MEMORIES_MAX = 256 };

struct sink_memory_item {
    uint64_t number; /* of the message that wrote it */
    struct hash128 incident;
    size_t size;
    uint8_t bytes[OUTBOX_MEMORY_BYTES_MAX];
};

struct sink_memory {
    struct sink_memory_item *items; /* NULL until something is remembered */
    uint64_t count;                 /* ever written */
};

/* Forgets silently without memory of its own: the sink then begins anew. */
void sink_memory_put(struct sink_memory *memory, uint64_t number, struct hash128 incident,
                     struct slice bytes);
/* The latest of the incident, NULL when none is known here. */
const struct sink_memory_item *sink_memory_find(const struct sink_memory *memory,
                                                struct hash128 incident);
void sink_memory_deinit(struct sink_memory *memory);
