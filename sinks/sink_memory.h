/*
 * sink_memory.h - what a sink asked to remember of an incident, and which version of it was
 * delivered, until the shard has committed it.
 *
 * An outcome carries it to table MEMORY; before it is there, the next message of the incident may
 * go out already. A ring of the latest SINK_MEMORIES_MAX bridges that: far more than outcomes can
 * be under way (OUTCOME_BATCHES).
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

struct sink_heard {
    struct hash128 incident;
    uint32_t version;
    bool is_end; /* of the incident: it was told as resolved */
};

struct sink_memory {
    struct sink_memory_item *items; /* NULL until something is remembered */
    uint64_t count;                 /* ever written */
    struct sink_heard heard[SINK_MEMORIES_MAX];
    uint64_t heard_count; /* ever delivered */
};

/* Forgets silently without memory of its own: the sink then begins anew. */
void sink_memory_put(struct sink_memory *memory, uint64_t number, struct hash128 incident,
                     struct slice bytes);
/* The latest of the incident, NULL when none is known here. */
const struct sink_memory_item *sink_memory_find(const struct sink_memory *memory,
                                                struct hash128 incident);
/* A version of the incident was delivered; 0: none, "opened" became a dead letter. */
void sink_memory_note_heard(struct sink_memory *memory, struct hash128 incident, uint32_t version,
                            bool is_end);
/* The latest version that was; its number is 0 when none is known here. */
struct sink_heard sink_memory_heard(const struct sink_memory *memory, struct hash128 incident);
/* Whether the latest note says that none was. */
bool sink_memory_is_unheard(const struct sink_memory *memory, struct hash128 incident);
void sink_memory_deinit(struct sink_memory *memory);
