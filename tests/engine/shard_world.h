/* shard_world.h - a shard's journal, state and engine in a scratch directory, turned by hand. */
#pragma once

#include "core/journal.h"
#include "engine/engine_state.h"
#include "tests/base/unit.h"

enum { HASH_SEED = 7, BATCH_BYTES = 256 * 1024 };
#define START_NS (UINT64_C(1800000000) * NS_PER_S)

struct world {
    char directory[32];
    char journal_path[64];
    char state_path[64];
    char poison_path[64];
    struct loop *loop;
    struct journal *journal;
    struct store *store;
    struct engine engine;
    struct stats stats;
    uint32_t nodes_max; /* of the next start, as are these: */
    uint32_t edges_max;
    uint64_t kept_bytes_max;     /* 0: as it is without tests */
    uint32_t kept_rows_max;      /* the same */
    const struct logger *logger; /* NULL: silent */
    const struct progress *progress;
    struct arena arena;
    struct batch batch;
    uint64_t now_ns;
    bool is_flushed;
    struct fault fault;
};

/* The state as it is on the disk, then the journal from its cursor. */
void start(struct world *world);
/* The same, when it may fail. */
MUST_CHECK struct status try_start(struct world *world);
/* As a crash leaves it: what was not committed is gone. */
void crash(struct world *world);
void restart(struct world *world);
/* Makes the open batch a durable record that nobody has applied yet; its bytes are valid until the
 * next. */
struct slice write_record(struct world *world);
void apply_record(struct world *world);
void apply_tick(struct world *world, uint64_t span_ns);
void commit(struct world *world);
int set_up(void **state);
int tear_down(void **state);
/* The upstreams, if any, with a blank between them. */
void add_event(struct world *world, const char *job, enum event_status status, const char *id,
               const char *upstreams);
void add_tenants_event(struct world *world, const char *tenant, const char *job,
                       enum event_status status, const char *id, const char *upstreams);
/* Good for nothing but to be counted: a log record of service:shop. */
void add_log(struct world *world, const char *tenant, const char *id, const char *message);
/* A storm of three: one cause, two that it takes with it. */
void add_storm(struct world *world);
/* How many rows are committed. */
uint32_t rows_count(struct world *world, enum store_table table);
/* Of all that is committed, row by row. */
struct hash128 store_digest(struct world *world);
uint64_t counter(struct world *world, enum tenant_counter counter);
void assert_same(struct hash128 a, struct hash128 b);
