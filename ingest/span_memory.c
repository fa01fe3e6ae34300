/*
 * span_memory.c - see span_memory.h.
 *
 * An entry's two words: `value`, and `check`, the tag XOR the value. Two threads that write one
 * entry at once leave words that fit no tag. Who is remembered is stored before the other side is
 * looked for, both in the one order that all threads agree on (memory_order_seq_cst).
 */
#include "ingest/span_memory.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "ingest/span_names.h"

enum {
    WAYS = 4,
    KNOWN_SETS = 1 << 17,   /* spans that may be parents: 524,288 */
    WAITING_SETS = 1 << 15, /* children whose parent is not known yet: 131,072 */
    TOLD_SETS = 1 << 14,    /* edges: 65,536 */
    SECOND_BITS = 28,       /* of an entry's time; it turns round after eight years */
};
#define ARENA_BYTES (32 * MIB) /* address space */
#define SPAN_AGE_S_MAX (10 * NS_PER_MINUTE / NS_PER_S)

/* From the top: used 1, kind 3, seconds 28, name 32. A value of 0: free. */
struct slot {
    _Atomic uint64_t check;
    _Atomic uint64_t value;
};

/* Entries of one tag differ by name. */
struct entry {
    uint64_t tag;
    uint32_t name;
    enum span_kind kind;
};

struct cache {
    struct slot *slots;
    uint32_t set_mask;
};

struct span_memory {
    uint64_t hash_seed;
    struct arena arena;
    struct cache known;
    struct cache waiting;
    struct cache told;
    struct span_names names;
};

/* --- Entries --- */

static uint32_t second_of(uint64_t now_ns) {
    return (uint32_t)(now_ns / NS_PER_S) & ((1u << SECOND_BITS) - 1);
}

/* 0 for what is ahead of us: another thread's clock. */
static uint32_t age_s_of(uint64_t value, uint32_t now_s) {
    uint32_t mask = (1u << SECOND_BITS) - 1;
    uint32_t age_s = (now_s - (uint32_t)(value >> 32)) & mask;
    return age_s > mask / 2 ? 0 : age_s;
}

static uint64_t make_value(struct entry entry, uint32_t now_s) {
    return (UINT64_C(8) | (uint64_t)entry.kind) << 60 | (uint64_t)now_s << 32 | entry.name;
}

static struct entry read_value(uint64_t tag, uint64_t value) {
    return (struct entry){tag, (uint32_t)value, (enum span_kind)(value >> 60 & 7)};
}

/* --- Caches --- */

static struct status cache_init(struct cache *cache, uint32_t sets, struct arena *arena) {
    cache->slots = ARENA_ARRAY(arena, struct slot, (size_t)sets * WAYS);
    cache->set_mask = sets - 1;
    return cache->slots == NULL ? status_of(STATUS_FULL) : status_ok();
}

static struct slot *cache_set(const struct cache *cache, uint64_t tag) {
    return &cache->slots[(size_t)((uint32_t)tag & cache->set_mask) * WAYS];
}

/* The value, when the entry is the tag's. */
static bool slot_read(const struct slot *slot, uint64_t tag, uint64_t *value_out) {
    uint64_t check = atomic_load_explicit(&slot->check, memory_order_seq_cst);
    *value_out = atomic_load_explicit(&slot->value, memory_order_relaxed);
    return *value_out != 0 && (check ^ *value_out) == tag;
}

/* The entry's own place, else a free one, else that of the oldest of its neighbours. */
static struct slot *cache_place(const struct cache *cache, struct entry entry, uint32_t now_s) {
    struct slot *set = cache_set(cache, entry.tag);
    struct slot *place = &set[0];
    uint32_t age_s_max = 0;
    for (uint32_t i = 0; i < WAYS; i++) {
        uint64_t value = 0;
        if (slot_read(&set[i], entry.tag, &value) && (uint32_t)value == entry.name) {
            return &set[i];
        }
        uint32_t age_s = value == 0 ? UINT32_MAX : age_s_of(value, now_s);
        place = age_s > age_s_max ? &set[i] : place;
        age_s_max = age_s > age_s_max ? age_s : age_s_max;
    }
    return place;
}

static void remember(const struct cache *cache, struct entry entry, uint32_t now_s) {
    struct slot *slot = cache_place(cache, entry, now_s);
    uint64_t value = make_value(entry, now_s);
    atomic_store_explicit(&slot->value, value, memory_order_relaxed);
    atomic_store_explicit(&slot->check, entry.tag ^ value, memory_order_seq_cst);
}

/* --- Life --- */

static struct status init_caches(struct span_memory *memory) {
    TRY(arena_init(&memory->arena, ARENA_BYTES));
    TRY(cache_init(&memory->known, KNOWN_SETS, &memory->arena));
    TRY(cache_init(&memory->waiting, WAITING_SETS, &memory->arena));
    TRY(cache_init(&memory->told, TOLD_SETS, &memory->arena));
    return span_names_init(&memory->names, &memory->arena);
}

struct status span_memory_open(uint64_t hash_seed, struct span_memory **memory_out) {
    struct span_memory *memory = calloc(1, sizeof(*memory));
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    memory->hash_seed = hash_seed;
    struct status status = init_caches(memory);
    if (!status_is_ok(status)) {
        span_memory_close(memory);
        return status;
    }
    *memory_out = memory;
    return status_ok();
}

void span_memory_close(struct span_memory *memory) {
    if (memory != NULL) {
        arena_deinit(&memory->arena);
        free(memory);
    }
}

/* --- Spans --- */

static uint64_t make_tag(const struct span_memory *memory, const struct slice parts[3]) {
    return hash128_of_parts(parts, 3, memory->hash_seed).lo;
}

static uint64_t make_span_tag(const struct span_memory *memory, const struct span_note *note,
                              uint64_t span_id) {
    struct slice parts[3] = {note->tenant, slice_of(&note->trace_id, sizeof(note->trace_id)),
                             slice_of(&span_id, sizeof(span_id))};
    return make_tag(memory, parts);
}

/* The caller depends on whom it calls; who consumes depends on who produces. Nothing is added when
 * the other's name has been forgotten. */
static void add_edge(const struct span_memory *memory, struct slice own, struct entry other,
                     bool own_depends, struct span_edges *edges) {
    struct slice name;
    if (edges->count < SPAN_EDGES_MAX &&
        span_names_read(&memory->names, other.name, edges->names[edges->count], &name)) {
        edges->items[edges->count++] = (struct span_edge){.dependant = own_depends ? own : name,
                                                          .upstream = own_depends ? name : own};
    }
}

static bool find_known(const struct span_memory *memory, uint64_t tag, uint32_t now_s,
                       struct entry *entry_out) {
    const struct slot *set = cache_set(&memory->known, tag);
    for (uint32_t i = 0; i < WAYS; i++) {
        uint64_t value = 0;
        if (slot_read(&set[i], tag, &value) && age_s_of(value, now_s) <= SPAN_AGE_S_MAX) {
            *entry_out = read_value(tag, value);
            return true;
        }
    }
    return false;
}

/* The parent of a span came before it, or comes right now: it is looked for once more when the
 * span waits where its parent would find it. */
static void match_parent(const struct span_memory *memory, const struct span_note *note,
                         struct entry self, uint32_t now_s, struct span_edges *edges) {
    struct entry parent;
    uint64_t tag = make_span_tag(memory, note, note->parent_span_id);
    bool is_known = find_known(memory, tag, now_s, &parent);
    if (!is_known) {
        remember(&memory->waiting, (struct entry){tag, self.name, self.kind}, now_s);
        is_known = find_known(memory, tag, now_s, &parent);
    }
    if (is_known && parent.name != self.name) {
        bool is_message = parent.kind == SPAN_KIND_PRODUCER || self.kind == SPAN_KIND_CONSUMER;
        add_edge(memory, note->entity, parent, is_message, edges);
    }
}

/* Children of a span came before it. */
static void match_children(const struct span_memory *memory, const struct span_note *note,
                           struct entry self, uint32_t now_s, struct span_edges *edges) {
    struct slot *set = cache_set(&memory->waiting, self.tag);
    for (uint32_t i = 0; i < WAYS; i++) {
        uint64_t value = 0;
        if (!slot_read(&set[i], self.tag, &value) ||
            !atomic_compare_exchange_strong(&set[i].value, &value, 0)) {
            continue;
        }
        struct entry child = read_value(self.tag, value);
        bool is_message = self.kind == SPAN_KIND_PRODUCER || child.kind == SPAN_KIND_CONSUMER;
        if (child.name != self.name && age_s_of(value, now_s) <= SPAN_AGE_S_MAX) {
            add_edge(memory, note->entity, child, !is_message, edges);
        }
    }
}

void span_memory_note(struct span_memory *memory, const struct span_note *note, uint64_t now_ns,
                      struct span_edges *edges_out) {
    static_assert(SPAN_EDGES_MAX >= WAYS + 1, "a span's parent and the children of one set");
    uint32_t now_s = second_of(now_ns);
    struct entry self = {.kind = note->kind};
    edges_out->count = 0;
    if (note->span_id == 0 || hash128_is_zero(note->trace_id) ||
        !span_names_intern(&memory->names, note->entity, hash64_of(note->entity, memory->hash_seed),
                           now_s, &self.name)) {
        return;
    }
    bool is_entry = note->kind == SPAN_KIND_SERVER || note->kind == SPAN_KIND_CONSUMER ||
                    note->kind == SPAN_KIND_UNSPECIFIED;
    if (is_entry && note->parent_span_id != 0) {
        match_parent(memory, note, self, now_s, edges_out);
    }
    self.tag = make_span_tag(memory, note, note->span_id);
    remember(&memory->known, self, now_s);
    match_children(memory, note, self, now_s, edges_out);
}

/* --- Edges --- */

bool span_memory_tell(struct span_memory *memory, struct slice tenant, struct span_edge edge,
                      uint64_t now_ns, uint64_t refresh_ns) {
    struct slice parts[3] = {tenant, edge.dependant, edge.upstream};
    struct entry entry = {.tag = make_tag(memory, parts)};
    uint32_t now_s = second_of(now_ns);
    uint64_t value = 0;
    const struct slot *slot = cache_place(&memory->told, entry, now_s);
    if (slot_read(slot, entry.tag, &value) && age_s_of(value, now_s) < refresh_ns / NS_PER_S) {
        return false;
    }
    remember(&memory->told, entry, now_s);
    return true;
}
