/*
 * effect.c - effects as bytes: u32 kind<<8|table, u32 key size, u32 value size, u32 zero, then key
 * and value, each padded to 8.
 */
#include "schemas/effect.h"

#include "core/base/assert.h"

enum { EFFECT_HEADER_BYTES = 16, EFFECT_KEY_BYTES_MAX = 500 };

static size_t padded(size_t size) {
    return (size + 7) & ~(size_t)7;
}

struct status effects_init(struct effects *effects, size_t bytes, struct arena *arena) {
    void *memory = arena_allocate(arena, bytes, 64);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    *effects = (struct effects){.writer = writer_over(memory, bytes)};
    return status_ok();
}

void effects_clear(struct effects *effects) {
    effects->writer.size = 0;
    effects->count = 0;
}

size_t effects_room(const struct effects *effects) {
    return effects->writer.capacity - effects->writer.size;
}

static void add(struct effects *effects, enum effect_kind kind, enum store_table table,
                struct slice key, struct slice value) {
    ASSERT(table < STORE_TABLE_COUNT);
    ASSERT(key.size > 0 && key.size <= EFFECT_KEY_BYTES_MAX);
    struct writer *writer = &effects->writer;
    static const uint8_t zeros[8] = {0};
    writer_u32(writer, ((uint32_t)kind << 8) | (uint32_t)table);
    writer_u32(writer, (uint32_t)key.size);
    writer_u32(writer, (uint32_t)value.size);
    writer_u32(writer, 0);
    writer_bytes(writer, key);
    writer_bytes(writer, slice_of(zeros, padded(key.size) - key.size));
    writer_bytes(writer, value);
    writer_bytes(writer, slice_of(zeros, padded(value.size) - value.size));
    ASSERT(!writer->failed);
    effects->count++;
}

void effect_put(struct effects *effects, enum store_table table, struct slice key,
                struct slice value) {
    add(effects, EFFECT_PUT, table, key, value);
}

void effect_delete(struct effects *effects, enum store_table table, struct slice key) {
    add(effects, EFFECT_DELETE, table, key, slice_of(NULL, 0));
}

struct effects_cursor effects_begin(const struct effects *effects) {
    return (struct effects_cursor){.reader = reader_over(writer_slice(&effects->writer))};
}

bool effects_next(struct effects_cursor *cursor, struct effect *effect_out) {
    struct reader *reader = &cursor->reader;
    if (reader_left(reader) < EFFECT_HEADER_BYTES) {
        return false;
    }
    uint32_t what = reader_u32(reader);
    uint32_t key_size = reader_u32(reader);
    uint32_t value_size = reader_u32(reader);
    (void)reader_u32(reader);
    struct slice key = slice_head(reader_bytes(reader, padded(key_size)), key_size);
    struct slice value = slice_head(reader_bytes(reader, padded(value_size)), value_size);
    ASSERT(!reader->failed);
    *effect_out = (struct effect){
        .kind = (enum effect_kind)(what >> 8),
        .table = (enum store_table)(what & 0xFF),
        .key = key,
        .value = value,
    };
    return true;
}
