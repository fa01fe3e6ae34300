/*
 * turns.h - how long a thread works for one tenant before it looks at what others have sent. A
 * tenant whose requests took TURN_NS of a turn waits with the next ones (http_put_back): the others
 * wait for so long and for one request, however many connections it floods.
 *
 * Memory: fixed; tenants whose names fall together in a turn share its time, and fall apart in the
 * next. Thread: its ingest thread's.
 */
#pragma once

#include "core/base/hash.h"
#include "core/base/limits.h"

enum { TURN_PLACES = 256 };
#define TURN_NS (50 * NS_PER_US) /* two or three requests of a hundred records */

struct turns {
    uint64_t number; /* of the turn, from 1 */
    struct {
        uint64_t number; /* of the turn that `spent_ns` is of */
        uint64_t spent_ns;
    } places[TURN_PLACES];
};

static inline void turns_begin_next(struct turns *turns) {
    turns->number++;
}

static inline uint32_t turns_find_place(const struct turns *turns, struct hash128 tenant) {
    uint64_t mixed = tenant.lo ^ (turns->number * UINT64_C(0x9E3779B97F4A7C15));
    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)((mixed ^ mixed >> 32) * UINT64_C(0xD6E8FEB86659FD93) >> 56);
}

static inline bool turns_is_over(const struct turns *turns, struct hash128 tenant) {
    uint32_t place = turns_find_place(turns, tenant);
    return turns->places[place].number == turns->number && turns->places[place].spent_ns >= TURN_NS;
}

static inline void turns_spend(struct turns *turns, struct hash128 tenant, uint64_t spent_ns) {
    uint32_t place = turns_find_place(turns, tenant);
    bool is_new = turns->places[place].number != turns->number;
    turns->places[place].spent_ns = spent_ns + (is_new ? 0 : turns->places[place].spent_ns);
    turns->places[place].number = turns->number;
}
