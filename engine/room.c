/* room.c - see room.h. */
#include "engine/room.h"

#include "core/base/limits.h"
#include "core/clock.h"

/* How often a full disk is asked again. */
#define RETRY_NS (100 * NS_PER_MS)
/* What a start and the few rows that come without news may want. */
#define START_BYTES (4 * MIB)

static void tell(struct room *room, bool is_short, const struct fault *fault) {
    if (is_short) {
        log_write(room->logger, LOG_LEVEL_ERROR, "engine",
                  "%s: sources are asked to try again until %llu bytes are free", fault->words,
                  (unsigned long long)room->reserve_bytes);
    } else {
        log_write(room->logger, LOG_LEVEL_INFO, "engine", "there is room on the disk again");
    }
    if (room->stats != NULL) {
        stats_set(room->stats, STAT_STORAGE_FULL, is_short ? 1 : 0);
    }
}

bool room_is_enough(struct room *room) {
    uint64_t now = room->is_short ? clock_monotonic_ns() : 0;
    if (room->is_short && now - room->tried_at_ns < RETRY_NS) {
        return false;
    }
    struct fault fault = {{0}};
    room->tried_at_ns = now;
    bool is_short = !status_is_ok(store_reserve(room->store, room->reserve_bytes, &fault));
    if (is_short != room->is_short) {
        room->is_short = is_short;
        tell(room, is_short, &fault);
    }
    return !is_short;
}

bool room_lets_start(struct room *room) {
    struct fault fault = {{0}};
    return status_is_ok(store_reserve(room->store, START_BYTES, &fault));
}
