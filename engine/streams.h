/*
 * streams.h - how far each partition of a log has been applied, so that nothing of it is applied
 * twice, whatever a source sends again.
 *
 * State of the engine: it changes only by applying journal records and is written as STREAM rows
 * (core/stream.h). Memory: fixed at init. Thread: the shard.
 */
#pragma once

#include "core/base/table.h"
#include "core/log.h"
#include "core/stats.h"
#include "core/stream.h"
#include "schemas/effect.h"

struct streams {
    struct table numbers; /* of the row's key -> index */
    struct stream_place *places;
    uint32_t count;
    const struct logger *logger;
    struct stats *stats;
};

/* Where one is in a BATCH_STREAM record; zeroed at its start. */
struct stream_group {
    uint32_t left;              /* envelopes still to come of the range */
    bool is_new;                /* they are to be applied ... */
    struct stream_place known;  /* ... from here on: what is before was applied */
    struct stream_place latest; /* of the latest envelope, when has_latest */
    bool has_latest;
    struct stream_place from; /* where the range begins */
};

/* Room for STREAMS_MAX partitions from the arena. FULL. */
MUST_CHECK struct status streams_init(struct streams *streams, const struct logger *logger,
                                      struct stats *stats, struct arena *arena);
/* From a row. FULL, CORRUPT. */
MUST_CHECK struct status streams_restore(struct streams *streams, struct slice key,
                                         struct slice value);
/* Whether the next entry is an envelope of a range that is all new; if so it is passed without a
 * look at it. */
bool streams_pass_new(struct stream_group *group);
/* The next entry of the record: true when it is an envelope that is to be applied; false for a
 * range, which moves its partition's place on, and for what was applied before. Emits at most one
 * row. */
bool streams_pass(struct streams *streams, struct stream_group *group, struct slice entry,
                  struct effects *effects);
