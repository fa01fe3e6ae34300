/* kept_world.h - a scratch shard whose tenants send what is refused, and have dead letters. */
#pragma once

#include "core/operator.h"
#include "core/outbox.h"
#include "tests/engine/shard_world.h"

enum { RAW_BYTES = 400, COST = 1200, FEW = 8 }; /* a refused record costs less than COST */

struct bound {
    uint64_t age_ns;
    uint64_t bytes;
};

/* Of acme; everybody else has the defaults, but the number of bytes. */
void configure(struct world *world, struct bound bound);
/* One more refused record, in the open batch. */
void add_refused(struct world *world, const char *tenant, size_t raw_bytes);
/* As many, each with a journal record of its own. */
void refuse(struct world *world, const char *tenant, uint32_t count);
/* What stands there of the tenant, and the oldest record's number. */
uint32_t quarantined(struct world *world, const char *tenant, uint64_t *first_seq_out);
/* What an operator does with something of acme's; committed. */
void operate(struct world *world, enum operator_action action, uint64_t number);
/* One more of what became of a message, in the open batch: ten attempts. */
void add_outcome(struct world *world, uint64_t number, enum outbox_result result);
/* An outbox message of that number is given up. */
void let_die(struct world *world, uint64_t number);
/* As many incidents, each told to a sink that does not take it; the first one's outbox number. */
uint64_t make_dead_letters(struct world *world, uint32_t count);
bool is_dead(struct world *world, uint64_t number);
/* The sums, in memory and on the disk, are those of the rows: all is committed. */
void assert_sums(struct world *world);
/* What the state is after a restart, and after the journal alone, is what it was. */
void assert_same_after_replay(struct world *world);

/* --- Resolved incidents --- */

enum { INCIDENT_TABLES = 6, MERGED_MAX = 100 };
#define REOPEN_NS (31 * NS_PER_MINUTE)

/* Of all that hangs on an incident. */
extern const enum store_table incident_tables[INCIDENT_TABLES];

void configure_incidents(struct world *world, struct bound bound);
/* The same; so long after its end an incident is opened again. */
void configure_reopening(struct world *world, struct bound bound, uint64_t reopen_window_ns);
/* One event, in a record of its own. */
void tell(struct world *world, const char *tenant, const char *job, enum event_status status,
          const char *upstreams);
/* Incidents of one job each, told to a sink, resolved, and beyond being opened again. */
void make_resolved(struct world *world, const char *tenant, uint32_t count);
/* Of j0 <- j1 <- ... each is told before the edge to it: later ones are merged one into another,
 * from the last on. */
void make_merged(struct world *world, uint32_t count, uint32_t turn);
/* As many records as what is due takes. */
void settle(struct world *world);
/* In all of incident_tables. */
uint32_t incident_rows(struct world *world);
/* Nothing hangs on, and nothing is kept of, any incident of acme's. */
void assert_no_rows(struct world *world);
