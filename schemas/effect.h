/*
 * effect.h - what the engine wants done: rows to write, nothing else.
 *
 * Rooms behind the journal append; engine/commit.c writes all of it in one LMDB transaction with
 * the journal cursor. Rooms may keep dirty rows and emit each once per commit.
 *
 * Memory: a buffer fixed at init. When it is full `full` is set and the shard commits early; a
 * room asks effects_room() before it changes its state. Thread: the shard.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/reader.h"
#include "core/base/slice.h"
#include "core/base/status.h"

enum store_table {
#define STORE_TABLE(number, name, text) STORE_TABLE_##name = (number),
#include "schemas/table_list.h"
#undef STORE_TABLE
    STORE_TABLE_COUNT
};

enum effect_kind { EFFECT_PUT = 1, EFFECT_DELETE = 2 };

struct effect {
    enum effect_kind kind;
    enum store_table table;
    struct slice key;
    struct slice value; /* empty for a delete */
};

struct effects {
    struct writer writer;
    uint32_t count;
};

/* Reserves `bytes` from the arena. FULL when it has not that much. */
MUST_CHECK struct status effects_init(struct effects *effects, size_t bytes, struct arena *arena);
/* Forgets all effects, keeps the memory. */
void effects_clear(struct effects *effects);
/* Bytes still free; one effect costs 16 + key + value, each padded to 8. */
size_t effects_room(const struct effects *effects);
/* Key <= 500 bytes (LMDB's limit is 511). The caller has made sure of room: asserted. */
void effect_put(struct effects *effects, enum store_table table, struct slice key,
                struct slice value);
void effect_delete(struct effects *effects, enum store_table table, struct slice key);

/* In the order in which they were added; a later effect on a key replaces an earlier one. */
struct effects_cursor {
    struct reader reader;
};
struct effects_cursor effects_begin(const struct effects *effects);
/* false at the end. Slices point into the effects' memory. */
bool effects_next(struct effects_cursor *cursor, struct effect *effect_out);
