/*
 * heads.h - what the engine needs of each event of a record, side by side.
 *
 * Nearly all events are quiet: news of nothing, known by their id and no more; or they say that
 * what was well is well. They are told apart
 * while the record's bytes are still warm (when it is copied into the journal's block), so that
 * nobody touches them again when the record is applied. A head is a function of the record's bytes
 * alone: a replay, which makes heads as it goes, comes to the same.
 *
 * Memory: of the caller. Thread: the shard.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/limits.h"
#include "core/batch.h"
#include "schemas/event.h"

enum event_traits {
    EVENT_QUIET = 1,      /* of the tenant of the event before it; only counted, once */
    EVENT_REMEMBERED = 2, /* one of these whose id is kept, to know it again */
    EVENT_WELL = 4, /* good news of such a tenant: quiet too, while its entity is known and nothing
                       is held against it */
};

struct event_head {
    struct hash128 event_key;  /* of a quiet or well one; else zero */
    struct hash128 entity_key; /* of a well one; else zero */
    uint32_t at;               /* the envelope's place in the record */
    uint32_t size;
    uint32_t traits; /* enum event_traits */
    uint32_t unused;
};

/* Events of one record. */
struct event_heads {
    const struct event_head *items;
    uint32_t count;
};

/* A data point is known by its series and time, and there are too many of them: they would push
 * the ids out of memory that keep a job's failure from being told twice. */
bool event_is_remembered(enum event_kind kind, uint32_t flags);

/* The heads of a record that was opened as `view`, in `items`; moves the view to its end. More than
 * count_max are none of ours: the view is broken there. */
struct event_heads heads_make(struct slice record, struct batch_view *view,
                              struct event_head *items, uint32_t count_max);

/* --- Of the records of a block, in order --- */
struct block_heads {
    struct event_head *items;
    uint32_t count;
    uint32_t count_max;
    uint32_t records; /* which have theirs here; those behind have none */
    bool is_ended;    /* no further record gets any */
    uint32_t taken;   /* heads given out */
    uint32_t taken_records;
};

/* FULL. */
MUST_CHECK struct status block_heads_init(struct block_heads *block, struct arena *arena);
void block_heads_clear(struct block_heads *block);
/* The record was appended to the block. */
void block_heads_add(struct block_heads *block, struct slice record);
/* The heads of the next record, in the order of adding; false: it has none, make them. */
bool block_heads_take(struct block_heads *block, const struct batch_view *view,
                      struct event_heads *heads_out);
