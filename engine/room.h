/*
 * room.h - whether the disk has room for what an accepted record may cause.
 *
 * A record that is acknowledged must be applied and committed. So the state's file always has some
 * reserved room (journal.state_reserve_bytes); while the file system has not that much, nothing is
 * accepted: sources are asked to try again. Nothing else happens, and it ends by itself. A start
 * asks for the room before anything else is committed.
 *
 * Thread: the shard.
 */
#pragma once

#include "core/log.h"
#include "core/stats.h"
#include "core/store.h"

struct room {
    struct store *store;
    uint64_t reserve_bytes;
    struct stats *stats;
    const struct logger *logger;
    bool is_short;
    uint64_t tried_at_ns; /* monotonic */
};

bool room_is_enough(struct room *room);
/* Whether a start may go on: also with less room, so that what is known can be looked at, but not
 * with none, where its first commit would fail. */
bool room_lets_start(struct room *room);
