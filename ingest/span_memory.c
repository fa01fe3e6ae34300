/* span_memory.c - see span_memory.h. */
#include "ingest/span_memory.h"

#include "core/base/assert.h"
#include "core/base/table.h"

enum {
    WAYS = 4,
    KNOWN_SETS = 1 << 17,   /* spans that may be parents: 524,288 */
    WAITING_SETS = 1 << 15, /* children whose parent is not known yet: 131,072 */
    TOLD_SETS = 1 << 14,    /* edges: 65,536 */
    NAMES_MAX = 1 << 14,
    NAMES_BYTES = 1 << 20,
};
#define SPAN_AGE_NS_MAX (10 * NS_PER_MINUTE)

/* Zero: free. `name` also tells entries of one tag apart. */
struct slot {
    uint64_t tag;
    uint32_t name;
    uint32_t kind_and_s; /* the kind in the upper 3 bits, seconds since the memory began */
};

struct cache {
    struct slot *slots;
    uint32_t set_mask;
};

struct span_memory {
    uint64_t hash_seed;
    uint64_t began_ns;
    struct cache known;
    struct cache waiting;
    struct cache told;
    struct table numbers; /* of names */
    struct slice *names;
    uint32_t names_count;
    struct arena name_bytes;
};

/* --- Caches --- */

static struct status cache_init(struct cache *cache, uint32_t sets, struct arena *arena) {
    cache->slots = ARENA_ARRAY(arena, struct slot, (size_t)sets * WAYS);
    cache->set_mask = sets - 1;
    return cache->slots == NULL ? status_of(STATUS_FULL) : status_ok();
}

static struct slot *cache_set(const struct cache *cache, uint64_t tag) {
    return &cache->slots[(size_t)((uint32_t)tag & cache->set_mask) * WAYS];
}

static uint32_t slot_s(const struct slot *slot) {
    return slot->kind_and_s & 0x1FFFFFFF;
}

/* The entry, else a free one, else the oldest of its neighbours. */
static struct slot *cache_place(const struct cache *cache, uint64_t tag, uint32_t name) {
    struct slot *set = cache_set(cache, tag);
    struct slot *place = &set[0];
    for (uint32_t i = 0; i < WAYS; i++) {
        if (set[i].tag == tag && set[i].name == name) {
            return &set[i];
        }
        bool is_better = place->tag != 0 && (set[i].tag == 0 || slot_s(&set[i]) < slot_s(place));
        place = is_better ? &set[i] : place;
    }
    return place;
}

static void cache_clear(struct cache *cache) {
    memset(cache->slots, 0, ((size_t)cache->set_mask + 1) * WAYS * sizeof(struct slot));
}

/* --- Life and names --- */

struct status span_memory_init(struct span_memory **memory_out, struct arena *arena,
                               uint64_t hash_seed) {
    struct span_memory *memory = ARENA_NEW(arena, struct span_memory);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    memory->hash_seed = hash_seed;
    TRY(cache_init(&memory->known, KNOWN_SETS, arena));
    TRY(cache_init(&memory->waiting, WAITING_SETS, arena));
    TRY(cache_init(&memory->told, TOLD_SETS, arena));
    TRY(table_init(&memory->numbers, NAMES_MAX, arena));
    memory->names = ARENA_ARRAY(arena, struct slice, NAMES_MAX);
    void *bytes = arena_allocate(arena, NAMES_BYTES, 1);
    if (memory->names == NULL || bytes == NULL) {
        return status_of(STATUS_FULL);
    }
    memory->name_bytes = (struct arena){.base = bytes, .capacity_bytes = NAMES_BYTES};
    *memory_out = memory;
    return status_ok();
}

static void forget_all(struct span_memory *memory) {
    cache_clear(&memory->known);
    cache_clear(&memory->waiting);
    cache_clear(&memory->told);
    table_clear(&memory->numbers);
    memory->names_count = 0;
    arena_rewind(&memory->name_bytes, 0);
}

static uint32_t intern_name(struct span_memory *memory, struct slice entity) {
    struct hash128 key = hash128_of(entity, memory->hash_seed);
    uint32_t number = 0;
    if (table_find(&memory->numbers, key, &number)) {
        return number;
    }
    if (memory->names_count == NAMES_MAX ||
        memory->name_bytes.capacity_bytes - memory->name_bytes.used_bytes < ENTITY_BYTES_MAX + 8) {
        forget_all(memory);
    }
    number = memory->names_count;
    ASSERT(entity.size <= ENTITY_BYTES_MAX);
    ASSERT(status_is_ok(arena_copy(&memory->name_bytes, entity, &memory->names[number])));
    ASSERT(status_is_ok(table_put(&memory->numbers, key, number)));
    memory->names_count++;
    return number;
}

/* --- Spans --- */

static uint64_t make_tag(const struct span_memory *memory, const struct span_note *note,
                         uint64_t span_id) {
    struct slice parts[3] = {note->tenant, slice_of(&note->trace_id, sizeof(note->trace_id)),
                             slice_of(&span_id, sizeof(span_id))};
    uint64_t tag = hash128_of_parts(parts, 3, memory->hash_seed).lo;
    return tag == 0 ? 1 : tag;
}

static uint32_t age_stamp(struct span_memory *memory, uint64_t now_ns) {
    if (memory->began_ns == 0) {
        memory->began_ns = now_ns;
    }
    uint64_t span_ns = now_ns > memory->began_ns ? now_ns - memory->began_ns : 0;
    return (uint32_t)(span_ns / NS_PER_S) & 0x1FFFFFFF;
}

static bool is_fresh(const struct slot *slot, uint32_t now_s) {
    uint32_t then_s = slot_s(slot);
    return now_s < then_s || now_s - then_s <= SPAN_AGE_NS_MAX / NS_PER_S;
}

static enum span_kind slot_kind(const struct slot *slot) {
    return (enum span_kind)(slot->kind_and_s >> 29);
}

static void remember(const struct cache *cache, uint64_t tag, uint32_t name, enum span_kind kind,
                     uint32_t now_s) {
    struct slot *slot = cache_place(cache, tag, name);
    *slot = (struct slot){.tag = tag, .name = name, .kind_and_s = (uint32_t)kind << 29 | now_s};
}

/* The caller depends on whom it calls; who consumes depends on who produces. */
static struct span_edge make_edge(const struct span_memory *memory, uint32_t parent,
                                  enum span_kind parent_kind, uint32_t child,
                                  enum span_kind child_kind) {
    bool is_message = parent_kind == SPAN_KIND_PRODUCER || child_kind == SPAN_KIND_CONSUMER;
    return (struct span_edge){.dependant = memory->names[is_message ? child : parent],
                              .upstream = memory->names[is_message ? parent : child]};
}

/* The parent of a span came before it. */
static uint32_t match_parent(const struct span_memory *memory, const struct span_note *note,
                             uint64_t parent_tag, uint32_t name, uint32_t now_s,
                             struct span_edge *edges) {
    const struct slot *set = cache_set(&memory->known, parent_tag);
    for (uint32_t i = 0; i < WAYS; i++) {
        if (set[i].tag == parent_tag && is_fresh(&set[i], now_s)) {
            if (set[i].name != name) {
                edges[0] = make_edge(memory, set[i].name, slot_kind(&set[i]), name, note->kind);
                return 1;
            }
            return 0;
        }
    }
    remember(&memory->waiting, parent_tag, name, note->kind, now_s);
    return 0;
}

/* Children of a span came before it. */
static uint32_t match_children(const struct span_memory *memory, const struct span_note *note,
                               uint64_t tag, uint32_t name, uint32_t now_s, uint32_t count,
                               struct span_edge *edges) {
    struct slot *set = cache_set(&memory->waiting, tag);
    for (uint32_t i = 0; i < WAYS && count < SPAN_EDGES_MAX; i++) {
        if (set[i].tag != tag) {
            continue;
        }
        if (set[i].name != name && is_fresh(&set[i], now_s)) {
            edges[count++] = make_edge(memory, name, note->kind, set[i].name, slot_kind(&set[i]));
        }
        set[i] = (struct slot){0};
    }
    return count;
}

uint32_t span_memory_note(struct span_memory *memory, const struct span_note *note, uint64_t now_ns,
                          struct span_edge edges_out[SPAN_EDGES_MAX]) {
    static_assert(SPAN_EDGES_MAX >= WAYS + 1, "a span's parent and the children of one set");
    uint32_t count = 0;
    if (note->span_id == 0 || hash128_is_zero(note->trace_id)) {
        return 0;
    }
    uint32_t now_s = age_stamp(memory, now_ns);
    uint32_t name = intern_name(memory, note->entity);
    uint64_t tag = make_tag(memory, note, note->span_id);
    bool is_entry = note->kind == SPAN_KIND_SERVER || note->kind == SPAN_KIND_CONSUMER ||
                    note->kind == SPAN_KIND_UNSPECIFIED;
    if (is_entry && note->parent_span_id != 0) {
        count = match_parent(memory, note, make_tag(memory, note, note->parent_span_id), name,
                             now_s, edges_out);
    }
    remember(&memory->known, tag, name, note->kind, now_s);
    return match_children(memory, note, tag, name, now_s, count, edges_out);
}

/* --- Edges --- */

bool span_memory_tell(struct span_memory *memory, struct slice tenant, struct span_edge edge,
                      uint64_t now_ns, uint64_t refresh_ns) {
    struct slice parts[3] = {tenant, edge.dependant, edge.upstream};
    uint64_t tag = hash128_of_parts(parts, 3, memory->hash_seed).lo;
    tag = tag == 0 ? 1 : tag;
    uint32_t now_s = age_stamp(memory, now_ns);
    const struct slot *slot = cache_place(&memory->told, tag, 0);
    if (slot->tag == tag && now_s - slot_s(slot) < refresh_ns / NS_PER_S) {
        return false;
    }
    remember(&memory->told, tag, 0, SPAN_KIND_UNSPECIFIED, now_s);
    return true;
}
