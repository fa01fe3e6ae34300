/* span_names.c - see span_names.h. */
#include "ingest/span_names.h"

#include "core/base/assert.h"

enum {
    WAYS = 4,
    INDEX_BITS = 14, /* places: 16,384; the rest of a number counts the names of its place */
    WORDS_MAX = ENTITY_BYTES_MAX / 8,
    USE_IS_TOLD_S = 16, /* so that a name that all threads use is not written all the time */
};

/* All but `mark` is stored releasing and loaded acquiring: what is read of a later name lets its
 * odd mark be seen behind it. */
struct span_name_place {
    _Atomic uint64_t mark; /* names so far, times 2; odd: being written */
    _Atomic uint64_t hash;
    _Atomic uint32_t size;
    _Atomic uint32_t used_s;
    _Atomic uint64_t words[WORDS_MAX];
};

struct status span_names_init(struct span_names *names, struct arena *arena) {
    static_assert(ENTITY_BYTES_MAX % 8 == 0, "a name is whole words");
    names->places = ARENA_ARRAY(arena, struct span_name_place, (size_t)1 << INDEX_BITS);
    return names->places == NULL ? status_of(STATUS_FULL) : status_ok();
}

static uint32_t make_number(uint32_t index, uint64_t mark) {
    return (uint32_t)(mark >> 1) << INDEX_BITS | index;
}

static uint32_t count_words(size_t size) {
    return (uint32_t)((size + 7) / 8);
}

/* --- Names in --- */

static bool holds(struct span_name_place *place, uint64_t hash, uint64_t *mark_out) {
    *mark_out = atomic_load_explicit(&place->mark, memory_order_acquire);
    return *mark_out != 0 && (*mark_out & 1) == 0 &&
           atomic_load_explicit(&place->hash, memory_order_acquire) == hash &&
           atomic_load_explicit(&place->mark, memory_order_relaxed) == *mark_out;
}

static void tell_use(struct span_name_place *place, uint32_t now_s) {
    if (now_s - atomic_load_explicit(&place->used_s, memory_order_relaxed) >= USE_IS_TOLD_S) {
        atomic_store_explicit(&place->used_s, now_s, memory_order_relaxed);
    }
}

/* False: another thread is at it. */
static bool write_name(struct span_name_place *place, struct slice name, uint64_t hash,
                       uint32_t now_s, uint64_t *mark_out) {
    uint64_t mark = atomic_load_explicit(&place->mark, memory_order_relaxed);
    uint64_t words[WORDS_MAX] = {0};
    if ((mark & 1) != 0 ||
        !atomic_compare_exchange_strong_explicit(&place->mark, &mark, mark + 1,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        return false;
    }
    memcpy(words, name.data, name.size);
    atomic_store_explicit(&place->hash, hash, memory_order_release);
    atomic_store_explicit(&place->size, (uint32_t)name.size, memory_order_release);
    atomic_store_explicit(&place->used_s, now_s, memory_order_relaxed);
    for (uint32_t i = 0; i < count_words(name.size); i++) {
        atomic_store_explicit(&place->words[i], words[i], memory_order_release);
    }
    *mark_out = mark + 2;
    atomic_store_explicit(&place->mark, mark + 2, memory_order_release);
    return true;
}

/* The one that was not used for the longest time; one that never was first. */
static uint32_t find_oldest(struct span_name_place *set, uint32_t now_s) {
    uint32_t oldest = 0;
    uint32_t age_s_max = 0;
    for (uint32_t i = 0; i < WAYS; i++) {
        if (atomic_load_explicit(&set[i].mark, memory_order_relaxed) == 0) {
            return i;
        }
        uint32_t age_s = now_s - atomic_load_explicit(&set[i].used_s, memory_order_relaxed);
        age_s = age_s > INT32_MAX ? 0 : age_s; /* another thread's clock is ahead */
        oldest = age_s > age_s_max ? i : oldest;
        age_s_max = age_s > age_s_max ? age_s : age_s_max;
    }
    return oldest;
}

bool span_names_intern(const struct span_names *names, struct slice name, uint64_t hash,
                       uint32_t now_s, uint32_t *number_out) {
    uint32_t first = (uint32_t)(hash >> (64 - INDEX_BITS)) & ~(uint32_t)(WAYS - 1);
    struct span_name_place *set = &names->places[first];
    uint64_t mark = 0;
    ASSERT(name.size <= ENTITY_BYTES_MAX);
    for (uint32_t i = 0; i < WAYS; i++) {
        if (holds(&set[i], hash, &mark)) {
            tell_use(&set[i], now_s);
            *number_out = make_number(first + i, mark);
            return true;
        }
    }
    uint32_t oldest = find_oldest(set, now_s);
    if (!write_name(&set[oldest], name, hash, now_s, &mark)) {
        return false;
    }
    *number_out = make_number(first + oldest, mark);
    return true;
}

/* --- Names out --- */

bool span_names_read(const struct span_names *names, uint32_t number, char memory[ENTITY_BYTES_MAX],
                     struct slice *name_out) {
    uint32_t index = number & ((1u << INDEX_BITS) - 1);
    struct span_name_place *place = &names->places[index];
    uint64_t mark = atomic_load_explicit(&place->mark, memory_order_acquire);
    uint64_t words[WORDS_MAX];
    if ((mark & 1) != 0 || make_number(index, mark) != number) {
        return false;
    }
    uint32_t size = atomic_load_explicit(&place->size, memory_order_acquire);
    for (uint32_t i = 0; i < count_words(size); i++) {
        words[i] = atomic_load_explicit(&place->words[i], memory_order_acquire);
    }
    if (atomic_load_explicit(&place->mark, memory_order_relaxed) != mark) {
        return false;
    }
    memcpy(memory, words, size);
    *name_out = slice_of(memory, size);
    return true;
}
