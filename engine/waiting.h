/*
 * waiting.h - batches that wait for their answer: for a block to be durable, or for a commit.
 * Memory: the list. Thread: the shard.
 */
#pragma once

#include "core/gate.h"

/* Batches in one block, all sources together. */
enum { WAITING_MAX = 4096 };

struct waiting {
    struct gate *gate;
    struct batch *batch;
};

struct waiting_list {
    struct waiting items[WAITING_MAX];
    uint32_t count;
};

/* The list must have room. */
void waiting_add(struct waiting_list *list, struct gate *gate, struct batch *batch);
/* Answers one and wakes its source. */
void waiting_answer(struct waiting one, enum status_code outcome);
/* Answers all, wakes each source once for its run of batches, empties the list. */
void waiting_answer_all(struct waiting_list *list, enum status_code outcome);
