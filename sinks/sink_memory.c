/* sink_memory.c - see sink_memory.h. */
#include "sinks/sink_memory.h"

#include <stdlib.h>

#include "core/base/assert.h"

void sink_memory_put(struct sink_memory *memory, uint64_t number, struct hash128 incident,
                     struct slice bytes) {
    if (memory->items == NULL) {
        memory->items = calloc(SINK_MEMORIES_MAX, sizeof(*memory->items));
    }
    if (memory->items == NULL) {
        return;
    }
    ASSERT(bytes.size <= OUTBOX_MEMORY_BYTES_MAX);
    struct sink_memory_item *item = &memory->items[memory->count++ % SINK_MEMORIES_MAX];
    item->number = number;
    item->incident = incident;
    item->size = bytes.size;
    memcpy(item->bytes, bytes.data, bytes.size);
}

const struct sink_memory_item *sink_memory_find(const struct sink_memory *memory,
                                                struct hash128 incident) {
    uint64_t kept = memory->count < SINK_MEMORIES_MAX ? memory->count : SINK_MEMORIES_MAX;
    for (uint64_t back = 1; back <= kept; back++) {
        const struct sink_memory_item *item =
            &memory->items[(memory->count - back) % SINK_MEMORIES_MAX];
        if (item->incident.lo == incident.lo && item->incident.hi == incident.hi) {
            return item;
        }
    }
    return NULL;
}

void sink_memory_note_heard(struct sink_memory *memory, struct hash128 incident, uint32_t version,
                            bool is_end) {
    memory->heard[memory->heard_count++ % SINK_MEMORIES_MAX] =
        (struct sink_heard){incident, version, is_end};
}

static uint64_t heard_kept(const struct sink_memory *memory) {
    return memory->heard_count < SINK_MEMORIES_MAX ? memory->heard_count : SINK_MEMORIES_MAX;
}

static bool is_of(const struct sink_heard *heard, struct hash128 incident) {
    return heard->incident.lo == incident.lo && heard->incident.hi == incident.hi;
}

struct sink_heard sink_memory_heard(const struct sink_memory *memory, struct hash128 incident) {
    struct sink_heard latest = {.incident = incident};
    for (uint64_t i = 0; i < heard_kept(memory); i++) {
        const struct sink_heard *heard = &memory->heard[i];
        bool is_later = is_of(heard, incident) && heard->version > latest.version;
        latest = is_later ? *heard : latest;
    }
    return latest;
}

bool sink_memory_is_unheard(const struct sink_memory *memory, struct hash128 incident) {
    for (uint64_t back = 1; back <= heard_kept(memory); back++) {
        const struct sink_heard *heard =
            &memory->heard[(memory->heard_count - back) % SINK_MEMORIES_MAX];
        if (is_of(heard, incident)) {
            return heard->version == 0;
        }
    }
    return false;
}

void sink_memory_deinit(struct sink_memory *memory) {
    free(memory->items);
    *memory = (struct sink_memory){0};
}
