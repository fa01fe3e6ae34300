/*
 * kept_internal.h - table KEPT (kept.h), for those who keep it, trim it and bring it back: kept.c,
 * kept_trim.c, kept_incident.c, kept_recover.c. Thread: the shard.
 */
#pragma once

#include "engine/engine_state.h"

enum {
    KEPT_ROW_KEY_BYTES_MAX = KEPT_SUM_KEY_BYTES + 24,
    KEPT_EFFECT_BYTES_MAX = 1024, /* of one row: far below */
};

struct kept_bounds {
    uint64_t age_ns;
    uint64_t bytes;
};

/* --- kept.c --- */
/* What a row costs on the disk, about. */
uint32_t kept_cost_of(enum kept_kind kind, size_t bytes);
/* The place of the tenant's. */
uint32_t kept_place_of(struct engine *engine, struct slice tenant);
struct slice kept_row_key(enum kept_kind kind, uint32_t place, const struct kept_row *row,
                          uint8_t memory[KEPT_ROW_KEY_BYTES_MAX]);
/* False for a key that is none of a row. */
bool kept_read_row_key(enum kept_kind kind, struct slice key, struct kept_row *row_out);
/* The next row there is, without bytes when they are damaged; END. IO, said by these words, when a
 * page is: there is no key to go by, and CORRUPT would say of the record that it is none. */
struct status kept_next_row(struct store_cursor *cursor, const char *damaged_page,
                            struct slice *key_out, struct slice *value_out, struct fault *fault);
void kept_emit_sum(struct engine *engine, enum kept_kind kind, uint32_t place);
/* A row less. */
void kept_subtract(struct engine *engine, enum kept_kind kind, uint32_t place, uint64_t cost);
struct kept_bounds kept_bounds_of(const struct engine *engine, enum kept_kind kind, uint32_t place);
/* When rows of it are to go; UINT64_MAX: never. */
uint64_t kept_due_ns(const struct engine *engine, enum kept_kind kind, uint32_t place);
/* The places in turn: of the tenants that are known, then that of all others. */
uint32_t kept_first_place(const struct engine *engine);
uint32_t kept_next_place(const struct engine *engine, uint32_t place);

/* --- kept_incident.c --- */
/* The key of a row of INCIDENT. */
struct slice kept_incident_key(struct slice tenant, struct hash128 id, struct writer *writer);
/* What a row of INCIDENT says of one that is forgotten, as incident_remains_read, and what its
 * members take. */
MUST_CHECK struct status kept_incident_remains(struct store_snapshot *snapshot, struct slice value,
                                               struct incident_remains *remains_out);
/* Drops all that the incident has left, as committed; `left` goes down by each row, and at 0 the
 * rest waits for another call: then *is_whole_out is false. */
MUST_CHECK struct status kept_drop_incident(struct engine *engine, struct store_snapshot *snapshot,
                                            struct slice tenant, struct hash128 id, uint32_t *left,
                                            bool *is_whole_out, struct fault *fault);
