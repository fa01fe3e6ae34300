/*
 * refusals.h - what one thread refused because it was another tenant's, gathered and sent to the
 * shard for the audit: at once, then at most every REFUSALS_INTERVAL_NS, however much there is.
 *
 * Bounds: REFUSALS_MAX pairs of tenant and claim at a time; more are counted together. What was not
 * sent when the process crashes is lost here (refused records themselves stand in the quarantine).
 *
 * Memory: of its owner. Thread: its owner's, which hands over batches that come back.
 */
#pragma once

#include "core/base/limits.h"
#include "core/gate.h"

#define REFUSALS_INTERVAL_NS (10 * NS_PER_S)
enum { REFUSALS_MAX = 32, REFUSALS_BATCH_BYTES = 16384 };

struct refusal {
    char tenant[TENANT_BYTES_MAX + 1]; /* whose token it was; empty: all that found no place */
    char claim[TENANT_BYTES_MAX + 1];  /* whose data was asked for or claimed; cut */
    uint64_t count;
};

struct refusals {
    const char *where; /* "ingest": said in the audit */
    struct gate *gate;
    struct loop *loop;
    struct loop_timer timer;
    struct refusal items[REFUSALS_MAX];
    uint32_t count;
    struct batch batch;
    bool is_out;
    uint8_t memory[REFUSALS_BATCH_BYTES];
};

/* The gate is the thread's own. */
void refusals_init(struct refusals *refusals, const char *where, struct gate *gate,
                   struct loop *loop);
/* One more, sent when it is time. */
void refusals_note(struct refusals *refusals, struct slice tenant, struct slice claim);
/* The same in two steps: several that are sent together. */
void refusals_gather(struct refusals *refusals, struct slice tenant, struct slice claim,
                     uint64_t count);
void refusals_send_due(struct refusals *refusals);
/* Sends what there is: before the thread ends. */
void refusals_flush(struct refusals *refusals);
/* Whether the batch that came back is ours, and taken. */
bool refusals_take_back(struct refusals *refusals, const struct batch *batch);
