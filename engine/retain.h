/*
 * retain.h - when old records of the journal may go: they are applied and committed, retention
 * wants it, and a copy of the state has them.
 *
 * Thread: the shard.
 */
#pragma once

#include "core/journal.h"
#include "core/state_copy.h"

struct retain {
    struct state_copy *copy; /* the holder opens and closes it */
    uint64_t done_at_ns;     /* monotonic */
};

/* Looks every two seconds; call it often. */
void retain_when_due(struct retain *retain, struct journal *journal, uint64_t committed_seq);
