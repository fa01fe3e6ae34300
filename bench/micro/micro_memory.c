/* micro_memory.c - what memory and arithmetic allow: the floors, and our hashes beside them. */
#include <stdlib.h>

#include "bench/micro/micro.h"
#include "core/base/hash.h"
#include "core/base/text.h"

enum { BLOCK_BYTES = 64 * 1024, COLD_BYTES = 256 << 20 };

struct memory {
    uint8_t *from;
    uint8_t *to;
    size_t size;
    size_t at;
};

static void *init_sized(size_t size) {
    struct memory *memory = calloc(1, sizeof(*memory));
    if (memory == NULL) {
        return NULL;
    }
    memory->size = size;
    memory->from = malloc(size);
    memory->to = malloc(size);
    if (memory->from == NULL || memory->to == NULL) {
        free(memory->from);
        free(memory->to);
        free(memory);
        return NULL;
    }
    memset(memory->from, 'a', size);
    memset(memory->to, 'b', size);
    return memory;
}

static void *init_warm(const char *directory) {
    (void)directory;
    return init_sized(BLOCK_BYTES);
}

static void *init_cold(const char *directory) {
    (void)directory;
    return init_sized(COLD_BYTES);
}

static void deinit(void *state) {
    struct memory *memory = state;
    free(memory->from);
    free(memory->to);
    free(memory);
}

static struct micro_work copy(void *state, uint64_t rounds) {
    struct memory *memory = state;
    for (uint64_t i = 0; i < rounds; i++) {
        memcpy(memory->to + memory->at, memory->from + memory->at, BLOCK_BYTES);
        micro_use(memory->to[memory->at]);
        memory->at = (memory->at + BLOCK_BYTES) % memory->size;
    }
    return (struct micro_work){rounds, rounds * BLOCK_BYTES};
}

static struct micro_work checksum(void *state, uint64_t rounds) {
    struct memory *memory = state;
    for (uint64_t i = 0; i < rounds; i++) {
        micro_use(crc32c_of(slice_of(memory->from, BLOCK_BYTES), 0));
    }
    return (struct micro_work){rounds, rounds * BLOCK_BYTES};
}

static struct micro_work hash_block(void *state, uint64_t rounds) {
    struct memory *memory = state;
    for (uint64_t i = 0; i < rounds; i++) {
        micro_use(hash128_of(slice_of(memory->from, BLOCK_BYTES), i).lo);
    }
    return (struct micro_work){rounds, rounds * BLOCK_BYTES};
}

static struct micro_work hash_record(void *state, uint64_t rounds) {
    enum { RECORD_BYTES = 280 };
    struct memory *memory = state;
    for (uint64_t i = 0; i < rounds; i++) {
        micro_use(hash128_of(slice_of(memory->from + i % 512, RECORD_BYTES), 7).lo);
    }
    return (struct micro_work){rounds, rounds * RECORD_BYTES};
}

static struct micro_work check_utf8(void *state, uint64_t rounds) {
    struct memory *memory = state;
    for (uint64_t i = 0; i < rounds; i++) {
        micro_use(text_is_utf8(slice_of(memory->from, BLOCK_BYTES)));
    }
    return (struct micro_work){rounds, rounds * BLOCK_BYTES};
}

const struct micro_bench micro_memory_benches[] = {
    {"memcpy", "block", NULL, init_warm, copy, deinit, false},
    {"memcpy_cold", "block", NULL, init_cold, copy, deinit, false},
    {"crc32c", "block", "memcpy", init_warm, checksum, deinit, false},
    {"hash128_block", "block", "memcpy", init_warm, hash_block, deinit, false},
    {"hash128_record", "record", "memcpy", init_warm, hash_record, deinit, false},
    {"utf8_check", "block", "memcpy", init_warm, check_utf8, deinit, false},
    {0},
};
