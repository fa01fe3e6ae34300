/*
 * shard_internal.h - the shard's own struct, for its two files: shard.c (its life) and shard_turn.c
 * (what it does over and over).
 */
#pragma once

#include "core/warmer.h"
#include "engine/engine_state.h"
#include "engine/lag.h"
#include "engine/retain.h"
#include "engine/room.h"
#include "engine/stamp.h"
#include "engine/waiting.h"

enum { SHARD_HEADS = 3 };

struct shard {
    struct shard_options options;
    struct engine engine;
    struct store *store;
    struct loop *loop;
    struct journal *journal;
    struct warmer *warmer; /* NULL when simulated */
    struct loop_waker *waker;
    struct loop_waker *journal_waker;
    struct view *view;
    struct retain retain;
    struct arena arena;
    struct batch tick;
    struct waiting_list lists[2]; /* of the open block and of the block in flight */
    uint32_t open_list;
    struct waiting_list after_commits[2]; /* what waits for the next commit; for the one at work */
    uint32_t next_commit;
    bool is_committing;
    uint64_t committing_seq;
    struct block_heads heads[SHARD_HEADS];
    uint32_t open_heads; /* of the open block */
    struct block_heads *flushing_heads;
    struct block_heads *durable_heads;
    struct waiting held; /* did not fit into the open block */
    struct journal_block flushing;
    struct journal_block durable; /* to be applied; count 0: none */
    bool has_durable;
    struct lag lag;
    bool is_failed;
    bool has_config; /* a configuration is durable in the journal since the start */
    struct room room;
    struct fault fault;
    struct stamp stamp;
    uint64_t committed_at_ns;
    uint64_t no_room_at_ns; /* monotonic: when the journal last found none on the disk; 0: never */
    uint64_t told_outbox_number; /* up to which the sinks were woken */
    atomic_bool is_stopping;
};

/* One round: receive, append, flush, apply, commit what is due, sleep until something happens. END
 * when the shard was told to stop and is done. */
MUST_CHECK struct status shard_turn(struct shard *shard);
/* After what cannot be mended here: nothing more is accepted; says so once, with shard->fault. */
void shard_fail(struct shard *shard, const char *what, struct status status);
/* The end: what still waits in the gates or for the disk is answered with an error. */
void shard_refuse_leftovers(struct shard *shard);
